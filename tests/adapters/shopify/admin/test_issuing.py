"""What members buy with points is made at the shop once, whatever happens to the answers."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.shopify.admin import client as clients
from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.errors import NotAsked
from adapters.shopify.admin.issuing import ShopifyIssuing
from adapters.shopify.admin.store_credit import SETTLED, StoreCredits
from domain.errors import Unavailable
from domain.points.benefits import (
    AmountOff,
    Benefit,
    FreeProduct,
    FreeShipping,
    GiftCard,
    PercentOff,
    StoreCredit,
)
from domain.points.codes import code_from, gift_card_code
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.api.records import CreditAccount, Discount, Transaction, Use
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.trouble import Instead, Lost, Slow, Throttled, Unheard
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.server import Admin
from infra.embedded.ports import free_port
from ports.issuing import IssueRefused, OutcomeUnknown, Purchase
from tests.adapters.shopify.admin.scripted import MERCHANT, SHOP, Auth, client_of

ALL = (*REQUIRED_SCOPES, "write_gift_cards")
APP = App("our-client-id", "our secret", ALL)
CUSTOMER = 115310627314723954
PRODUCT = 632910392


class Watch:
    """Our clock, which a test may turn."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class At:
    admin: Admin
    shop: Shop
    client: AdminClient
    watch: Watch
    auth: Auth

    @property
    def issuing(self) -> ShopifyIssuing:
        return ShopifyIssuing(self.client, StoreCredits(self.client, self.watch))

    async def issue(self, purchase: Purchase) -> str:
        return await self.issuing.issue(MERCHANT, purchase)

    async def withdraw(self, purchase: Purchase, external_id: str) -> bool:
        return await self.issuing.withdraw(MERCHANT, purchase.benefit, external_id)

    def grant(self, scopes: tuple[str, ...]) -> None:
        code = self.admin.grants.approve(SHOP, scopes)
        self.auth.token = self.admin.grants.by_code(SHOP, code).access_token
        self.client._means.access._kept.clear()

    @property
    def discount(self) -> Discount:
        (only,) = self.shop.discounts.values()
        return only

    @property
    def credits(self) -> list[Transaction]:
        (only,) = self.shop.credit.values() or (CreditAccount(0, "", ""),)
        return only.transactions


@pytest.fixture
async def at(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[At]:
    monkeypatch.setattr(clients, "_FIRST_PAUSE", 0.002)
    auth = Auth()
    async with (
        Admin(APP, free_port(set()), callbacks=["http://127.0.0.1:1/back"]) as admin,
        client_of(admin.base, auth) as client,
    ):
        one = At(admin, admin.shops[SHOP], client, Watch(), auth)
        one.shop.add_customer(CUSTOMER)
        one.shop.hear("products/create", product("25.00", "40.00"))
        one.grant(ALL)
        yield one


def product(*prices: str) -> dict[str, Any]:
    return {
        "id": PRODUCT,
        "title": "Mug",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "variants": [{"id": n, "price": price} for n, price in enumerate(prices, 1)],
    }


def bought(benefit: Benefit) -> Purchase:
    starts_at = datetime(2026, 11, 1, tzinfo=UTC)
    redemption_id = uuid4()
    return Purchase(
        redemption_id=redemption_id,
        shopify_customer_id=str(CUSTOMER),
        benefit=benefit,
        title="5 dollars off",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(days=90),
        code=code_from("LOY-", redemption_id.bytes),
    )


FIVE = AmountOff(Decimal("5.00"), Decimal(20))
EACH: Mapping[str, tuple[Benefit, str]] = {
    "amount": (FIVE, "discountCodeBasicCreate"),
    "percent": (PercentOff(Decimal("12.5")), "discountCodeBasicCreate"),
    "shipping": (FreeShipping(Decimal(20)), "discountCodeFreeShippingCreate"),
    "product": (FreeProduct(str(PRODUCT)), "discountCodeBasicCreate"),
    "gift-card": (GiftCard(Decimal("5.00")), "giftCardCreate"),
    "credit": (StoreCredit(Decimal("5.00"), "USD"), "storeCreditAccountCredit"),
}
every = pytest.mark.parametrize(
    ("benefit", "mutation"), [pytest.param(*each, id=name) for name, each in EACH.items()]
)


def gets(discount: Discount) -> Any:
    return discount.given["customerGets"]


async def test_a_code_takes_an_amount_off_one_order_of_one_member(at: At) -> None:
    purchase = bought(FIVE)
    external_id = await at.issue(purchase)
    made = at.discount
    assert external_id == f"gid://shopify/DiscountCodeNode/{made.number}"
    assert (made.code, made.title) == (purchase.code, "5 dollars off")
    assert (made.usage_limit, made.once_per_customer) == (1, True)
    assert (made.starts_at, made.ends_at) == (purchase.starts_at, purchase.ends_at)
    assert made.customers == frozenset((str(CUSTOMER),))
    assert gets(made)["items"] == {"all": True}
    value = gets(made)["value"]["discountAmount"]
    assert (Decimal(value["amount"]), value["appliesOnEachItem"]) == (Decimal(5), False)
    minimum = made.given["minimumRequirement"]["subtotal"]["greaterThanOrEqualToSubtotal"]
    assert Decimal(minimum) == 20


async def test_a_code_takes_off_a_percentage_or_the_shipping(at: At) -> None:
    await at.issue(bought(PercentOff(Decimal("12.5"))))
    assert gets(at.discount)["value"] == {"percentage": 0.125}
    assert "minimumRequirement" not in at.discount.given
    at.shop.discounts.clear()
    await at.issue(bought(FreeShipping()))
    assert (at.discount.kind, at.discount.given["destination"]) == ("FreeShipping", {"all": True})


async def test_a_free_product_is_one_piece_at_the_price_of_the_dearest(at: At) -> None:
    await at.issue(bought(FreeProduct(str(PRODUCT))))
    value = gets(at.discount)["value"]["discountAmount"]
    assert (Decimal(value["amount"]), value["appliesOnEachItem"]) == (Decimal(40), False)
    wanted = [f"gid://shopify/Product/{PRODUCT}"]
    assert gets(at.discount)["items"]["products"]["productsToAdd"] == wanted
    with pytest.raises(IssueRefused, match="any more"):
        await at.issue(bought(FreeProduct("1")))
    at.shop.products.clear()
    at.shop.hear("products/create", product("0.00"))
    with pytest.raises(IssueRefused, match="costs nothing"):
        await at.issue(bought(FreeProduct(str(PRODUCT))))


async def test_a_gift_card_has_a_code_of_letters_and_digits(at: At) -> None:
    purchase = bought(GiftCard(Decimal("7.50")))
    await at.issue(purchase)
    (card,) = at.shop.gift_cards.values()
    assert card.code.upper() == gift_card_code(purchase.code)
    assert (card.initial, card.currency) == (Decimal("7.50"), "USD")
    assert (card.customer_id, card.expires_on) == (str(CUSTOMER), purchase.ends_at.date())  # type: ignore[union-attr]  # it has one


async def test_store_credit_goes_to_the_account(at: At) -> None:
    external_id = await at.issue(bought(StoreCredit(Decimal("5.00"), "USD")))
    (made,) = at.credits
    assert external_id.endswith(f"/{made.number}")
    assert made.amount == 5


# --- repeats --------------------------------------------------------------------------------------


@every
async def test_a_repeat_finds_what_is_there(at: At, benefit: Benefit, mutation: str) -> None:
    purchase = bought(benefit)
    first = await at.issue(purchase)
    assert await at.issue(purchase) == first
    assert count(at) == 1


@every
async def test_two_at_once_make_one(at: At, benefit: Benefit, mutation: str) -> None:
    purchase = bought(benefit)
    tries = [at.issue(purchase) for _ in range(4)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    ids = {each for each in ended if isinstance(each, str)}
    assert len(ids) == 1
    assert all(isinstance(each, str | Unavailable) for each in ended)
    assert count(at) == 1
    assert await at.issue(purchase) in ids


@every
async def test_a_lost_answer_is_found_again(at: At, benefit: Benefit, mutation: str) -> None:
    purchase = bought(benefit)
    at.admin.trouble.next(Lost(), field=mutation)
    if isinstance(benefit, StoreCredit):
        with pytest.raises(OutcomeUnknown):
            await at.issue(purchase)
    external_id = await at.issue(purchase)
    assert external_id == await at.issue(purchase)
    assert count(at) == 1


@every
async def test_what_was_never_heard_is_done_in_the_end(
    at: At, benefit: Benefit, mutation: str
) -> None:
    purchase = bought(benefit)
    at.admin.trouble.next(Unheard(), field=mutation)
    if isinstance(benefit, StoreCredit):
        for _ in range(2):  # it may yet come
            with pytest.raises(OutcomeUnknown):
                await at.issue(purchase)
        at.watch.ahead = SETTLED
    await at.issue(purchase)
    assert count(at) == 1


@every
async def test_what_was_throttled_is_done_once(at: At, benefit: Benefit, mutation: str) -> None:
    at.admin.trouble.next(Throttled(), field=mutation)
    await at.issue(bought(benefit))
    assert count(at) == 1


@every
async def test_a_shop_that_is_down_gets_nothing_twice(
    at: At, benefit: Benefit, mutation: str
) -> None:
    purchase = bought(benefit)
    at.admin.trouble.next(Instead(503), times=4)
    with pytest.raises(Unavailable):
        await at.issue(purchase)
    await at.issue(purchase)
    assert count(at) == 1


def count(at: At) -> int:
    return len(at.shop.discounts) + len(at.shop.gift_cards) + len(at.credits)


@pytest.mark.parametrize("benefit", [FIVE, GiftCard(Decimal(5))])
async def test_a_code_of_somebody_else_is_not_ours(at: At, benefit: Benefit) -> None:
    purchase = bought(benefit)
    await at.issue(purchase)
    with pytest.raises(IssueRefused, match="Another"):
        await at.issue(replace(purchase, redemption_id=uuid4()))
    assert count(at) == 1


async def test_a_credit_that_comes_late_is_not_given_again(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We have long given up on it while Shopify was still at work."""
    purchase = bought(StoreCredit(Decimal(5), "USD"))
    monkeypatch.setattr(clients, "_ONE_TRY", 0.15)
    at.admin.trouble.next(Slow(0.4), field="storeCreditAccountCredit")
    with pytest.raises(OutcomeUnknown):
        await at.issue(purchase)
    assert await at.issue(purchase)
    assert len(at.credits) == 1


async def test_equal_credits_are_not_taken_for_each_other(at: At) -> None:
    one, other = (bought(StoreCredit(Decimal(5), "USD")) for _ in range(2))
    at.admin.trouble.next(Unheard(), field="storeCreditAccountCredit")
    with pytest.raises(OutcomeUnknown):
        await at.issue(one)
    second = await at.issue(other)
    with pytest.raises(OutcomeUnknown):
        await at.issue(one)
    at.watch.ahead = SETTLED
    assert await at.issue(one) != second
    assert await at.issue(other) == second
    assert len(at.credits) == 2


async def test_two_equal_credits_whose_answers_are_lost_get_one_each(at: At) -> None:
    one, other = (bought(StoreCredit(Decimal(5), "USD")) for _ in range(2))
    for purchase in (one, other):
        at.admin.trouble.next(Lost(), field="storeCreditAccountCredit")
        with pytest.raises(OutcomeUnknown):
            await at.issue(purchase)
    assert await at.issue(one) != await at.issue(other)
    assert len(at.credits) == 2


async def test_one_of_two_lost_credits_that_came_is_nobodys_for_certain(at: At) -> None:
    one, other = (bought(StoreCredit(Decimal(5), "USD")) for _ in range(2))
    for fault, purchase in ((Unheard(), one), (Lost(), other)):
        at.admin.trouble.next(fault, field="storeCreditAccountCredit")
        with pytest.raises(OutcomeUnknown):
            await at.issue(purchase)
    at.watch.ahead = 2 * SETTLED
    for purchase in (one, other):
        with pytest.raises(OutcomeUnknown):
            await at.issue(purchase)
    assert len(at.credits) == 1


async def test_a_lost_credit_that_came_before_another_try_is_not_the_others(at: At) -> None:
    one, other = (bought(StoreCredit(Decimal(5), "USD")) for _ in range(2))
    for fault, purchase in ((Lost(), one), (Unheard(), other)):
        at.admin.trouble.next(fault, field="storeCreditAccountCredit")
        with pytest.raises(OutcomeUnknown):
            await at.issue(purchase)
    at.watch.ahead = 2 * SETTLED
    assert await at.issue(other) != await at.issue(one)
    assert len(at.credits) == 2


async def test_the_book_that_could_not_be_kept_up_is_no_reason_to_give_twice(at: At) -> None:
    purchase = bought(StoreCredit(Decimal(5), "USD"))
    kept = clients.AdminClient.ask
    seen: list[str] = []

    async def failing(self: AdminClient, merchant_id: UUID, question: Any, *args: Any) -> Any:
        seen.append(question.name)
        if question.name == "StoreCreditBook" and "GiveStoreCredit" in seen:
            raise NotAsked
        return await kept(self, merchant_id, question, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients.AdminClient, "ask", failing)
        first = await at.issue(purchase)
    assert await at.issue(purchase) == first
    assert len(at.credits) == 1


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_no_credit_is_given_twice(at: At, seed: int) -> None:
    """Three equal redemptions, tried again and again in random order while answers and requests are
    lost and time passes."""
    chance = random.Random(seed)
    purchases = [bought(StoreCredit(Decimal(5), "USD")) for _ in range(3)]
    told: dict[UUID, str] = {}
    for _ in range(14):
        purchase = chance.choice(purchases)
        fault = chance.choice([Lost(), Unheard(), Throttled(), Instead(503), None])
        if fault is not None:
            field = chance.choice(["storeCreditAccountCredit", "metafieldsSet", "customer", ""])
            at.admin.trouble.next(fault, field=field)
        at.watch.ahead += chance.choice([timedelta(0), timedelta(minutes=3), SETTLED])
        try:
            external_id = await at.issue(purchase)
        except Unavailable:
            pass
        else:
            assert told.setdefault(purchase.redemption_id, external_id) == external_id
        at.admin.trouble.none()
        at.client._means.circuits.answered(MERCHANT)
        assert len(at.credits) <= len(purchases)
    assert len(set(told.values())) == len(told)
    given = {each.number for each in at.credits}
    assert {int(each.rpartition("/")[2]) for each in told.values()} <= given


async def test_a_declined_credit_leaves_nothing_behind(at: At) -> None:
    purchase = bought(StoreCredit(Decimal(5), "EUR"))
    too_much = replace(purchase, benefit=StoreCredit(Decimal(99_999_999), "USD"))
    with pytest.raises(IssueRefused, match="credit limit exceeded"):
        await at.issue(too_much)
    with pytest.raises(IssueRefused, match="owner not found"):
        await at.issue(replace(purchase, shopify_customer_id="1"))
    await at.issue(replace(too_much, benefit=StoreCredit(Decimal(1), "USD")))
    assert len(at.credits) == 1


# --- refusals -------------------------------------------------------------------------------------


async def test_what_the_shop_has_not_granted_is_refused(at: At) -> None:
    at.grant(tuple(REQUIRED_SCOPES))
    with pytest.raises(IssueRefused, match="not granted"):
        await at.issue(bought(GiftCard(Decimal(5))))
    await at.issue(bought(FIVE))


async def test_a_refusal_says_why_and_not_for_whom(at: At) -> None:
    with pytest.raises(IssueRefused) as refused:
        await at.issue(bought(AmountOff(Decimal(-5))))
    assert "LOY" not in refused.value.reason
    assert str(CUSTOMER) not in refused.value.reason
    assert at.shop.discounts == {}


# --- taking back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("benefit", [FIVE, FreeShipping(), FreeProduct(str(PRODUCT))])
async def test_a_code_that_is_taken_back_is_worth_nothing(at: At, benefit: Benefit) -> None:
    purchase = bought(benefit)
    external_id = await at.issue(purchase)
    assert await at.withdraw(purchase, external_id)
    assert at.discount.status(at.watch.now()) == "EXPIRED"
    assert await at.withdraw(purchase, external_id)
    at.discount.uses.append(Use("1", str(CUSTOMER)))
    assert not await at.withdraw(purchase, external_id)
    at.shop.discounts.clear()
    assert await at.withdraw(purchase, external_id)


async def test_a_code_that_could_not_be_ended_is_not_thought_worthless(at: At) -> None:
    purchase = bought(FIVE)
    external_id = await at.issue(purchase)
    refusal = {"deactivated": {"node": None, "userErrors": [{"code": "INTERNAL_ERROR"}]}}
    at.admin.trouble.next(Instead(200, {"data": refusal}), field="discountCodeDeactivate", times=2)
    with pytest.raises(Unavailable):
        await at.withdraw(purchase, external_id)
    at.discount.ends_at = at.watch.now() - timedelta(days=1)  # its time was over anyway
    assert await at.withdraw(purchase, external_id)


async def test_a_gift_card_is_taken_back_while_all_of_it_is_there(at: At) -> None:
    purchase = bought(GiftCard(Decimal(5)))
    external_id = await at.issue(purchase)
    (card,) = at.shop.gift_cards.values()
    assert await at.withdraw(purchase, external_id)
    assert card.deactivated_at is not None
    assert await at.withdraw(purchase, external_id)

    purchase = bought(GiftCard(Decimal(5)))
    external_id = await at.issue(purchase)
    card = next(each for each in at.shop.gift_cards.values() if each.deactivated_at is None)
    card.balance -= 1
    assert not await at.withdraw(purchase, external_id)
    assert card.deactivated_at is None  # the rest is the member's


@pytest.mark.parametrize("benefit", [FIVE, GiftCard(Decimal(5))])
async def test_what_may_not_be_taken_back_now_is_not_thought_worthless(
    at: At, benefit: Benefit
) -> None:
    purchase = bought(benefit)
    external_id = await at.issue(purchase)
    at.grant(("read_customers",))
    with pytest.raises(Unavailable):
        await at.withdraw(purchase, external_id)


async def test_store_credit_is_not_taken_back(at: At) -> None:
    purchase = bought(StoreCredit(Decimal(5), "USD"))
    assert not await at.withdraw(purchase, await at.issue(purchase))
