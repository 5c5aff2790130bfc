"""Points become a code at Shopify, an order uses it, and what comes back comes back once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import keys, points, rewards, shop
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import CustomerRecord, member_id
from domain.errors import LoyaltyError, NotFound
from domain.points import redemption as steps
from domain.points.redemption import RedemptionState
from domain.points.rewards import RewardKind
from infra.demo_shop.admin.api.checkout import CodeRefused, place_order
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.trouble import Instead, Slow
from services.points import issuing
from tests.conftest import Run, eventually
from tests.mesh.said import heard, mesh_of, say
from tests.mesh.shopify import Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMER = 115310627314723954
MUG = 632910392
S = RedemptionState


class Store:
    """A shop with the app, a mug for 10, and a member with 1000 points."""

    def __init__(self, at: Shopify, domain: str, merchant: UUID) -> None:
        self.at = at
        self.domain = domain
        self.merchant = merchant
        self.member = member_id(merchant, str(CUSTOMER))
        self.staff = service_caller("test", merchant)
        self.customer = Caller(
            audience=Audience.CUSTOMER, actor=str(self.member), merchant_id=merchant,
            customer_id=self.member, permissions=("rewards:read", "rewards:redeem", "points:read"),
        )  # fmt: skip

    @property
    def there(self) -> Shop:
        """At Shopify."""
        return self.at.admin.shops[self.domain]

    async def call(self, operation: Any, request: Any, caller: Caller | None = None) -> Any:
        return await mesh_of(self.at.process).call(
            operation, request, caller or self.staff, idempotency_key=str(uuid4())
        )

    async def offer(self, **terms: Any) -> UUID:
        base: dict[str, Any] = {
            "name": "5 off", "kind": RewardKind.DISCOUNT, "cost": 500, "amount": Decimal(5),
        }  # fmt: skip
        made = await self.call(rewards.CREATE_REWARD, rewards.CreateReward(**base | terms))
        found: UUID = made.reward_id
        return found

    async def redeem(self, reward_id: UUID) -> rewards.Redemption:
        request = rewards.RedeemPoints(reward_id=reward_id)
        found: rewards.Redemption = await self.call(
            rewards.REDEEM_OWN_POINTS, request, self.customer
        )
        return found

    async def see(self, bought: rewards.Redemption) -> rewards.Redemption:
        request = rewards.RedemptionRef(redemption_id=bought.redemption_id)
        found: rewards.Redemption = await self.call(rewards.GET_REDEMPTION, request, self.customer)
        return found

    async def becomes(self, bought: rewards.Redemption, state: S) -> rewards.Redemption:
        return await eventually(lambda: self.see(bought), lambda found: found.state is state)

    async def spendable(self) -> int:
        request = points.MemberRef()
        found: points.Balance = await self.call(rewards.GET_OWN_POINTS, request, self.customer)
        return found.spendable

    async def has(self, spendable: int) -> None:
        await eventually(self.spendable, lambda found: found == spendable)

    async def deliver(self, topic: str, body: Any) -> None:
        assert await self.at.deliver(self.domain, topic, body) == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    services = ("api_gateway", "auth", "roles", "users", "core", "points")
    async with shopify(run, environment, *services) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def store(at: Shopify) -> Store:
    return await opened(at)


async def known(store: Store) -> None:
    """Core has heard of the member."""

    async def is_known() -> bool:
        try:
            await store.redeem(uuid4())
        except NotFound as error:
            return "reward" in error.detail
        return True

    await eventually(is_known)


async def opened(at: Shopify) -> Store:
    domain = new_shop()
    merchant = (await at.install(domain)).merchant_id
    one = Store(at, domain, merchant)
    one.there.add_customer(CUSTOMER)
    one.there.hear(
        "products/create",
        {
            "id": MUG, "title": "Mug", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "variants": [{"id": 1, "price": "10.00"}],
        },
    )  # fmt: skip
    now = datetime.now(UTC)
    account = CustomerRecord(
        customer_id=one.member, shopify_customer_id=str(CUSTOMER), created_at=now, updated_at=now
    )
    await say(at.process, shop.CUSTOMER_CREATED, account, merchant)
    await one.has(200)  # for signing up
    gift = points.Adjust(customer_id=one.member, points=800, reason="for the test")
    await one.call(points.ADJUST, gift)
    await known(one)
    return one


async def test_a_code_is_issued_used_and_given_back(store: Store) -> None:
    reward = await store.offer()
    said = await heard(store.at.process, points.REDEEMED, store.merchant)
    bought = await store.redeem(reward)
    assert bought.state is S.COMPLETED
    made = store.there.discount_by_code(bought.code)
    assert made is not None
    assert made.customers == frozenset((str(CUSTOMER),))
    await store.has(500)
    await eventually(lambda: asyncio.sleep(0, said), lambda found: len(found) == 1)
    with pytest.raises(CodeRefused):
        place_order(store.there, [(MUG, 2)], customer=None, code=bought.code)
    order = place_order(store.there, [(MUG, 2)], customer=CUSTOMER, code=bought.code)
    await store.deliver("orders/create", order)
    used = await store.becomes(bought, S.USED)
    assert used.order_id == str(order["id"])
    await store.has(515)  # 2 x 10, less the 5

    for number, item in enumerate(order["line_items"] * 2):
        half = {
            "id": 900 + number, "order_id": order["id"], "created_at": "2026-11-21T12:00:00Z",
            "refund_line_items": [
                {"line_item_id": item["id"], "quantity": 1, "subtotal": "7.50",
                 "subtotal_set": {"shop_money": {"amount": "7.50", "currency_code": "USD"}}}
            ],
        }  # fmt: skip
        await store.deliver("refunds/create", half)
        if number == 0:
            await store.has(508)
    await store.has(1000)
    await store.becomes(bought, S.RETURNED)

    async def is_dead() -> bool:
        return made.status(store.there.now()) != "ACTIVE"

    await eventually(is_dead)


async def test_an_answer_that_comes_too_late_is_asked_for_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "FIRST_WAIT", timedelta(milliseconds=50))
    monkeypatch.setattr(issuing, "FIRST_TRY", 0.2)
    monkeypatch.setattr(issuing, "LEASE", timedelta(milliseconds=500))
    store.at.admin.trouble.next(Slow(1.0), field="discountCodeBasicCreate")
    bought = await store.redeem(await store.offer())
    assert (bought.state, bought.code) == (S.ISSUING, "")
    found = await store.becomes(bought, S.COMPLETED)
    assert [each.code for each in store.there.discounts.values()] == [found.code]
    await store.has(500)


async def test_what_shopify_refuses_gives_the_points_back(store: Store) -> None:
    gone = await store.offer(
        kind=RewardKind.FREE_PRODUCT, amount=Decimal(0), product_id="1", cost=1000
    )
    bought = await store.redeem(gone)
    assert bought.state is S.RELEASED
    assert "product" in bought.reason
    await store.has(1000)


async def test_staff_takes_an_unused_code_back(store: Store) -> None:
    bought = await store.redeem(await store.offer())
    request = rewards.RedemptionRef(redemption_id=bought.redemption_id)
    answer = await store.call(rewards.CANCEL_REDEMPTION, request)
    assert answer.state is S.CANCELLED
    with pytest.raises(CodeRefused):
        place_order(store.there, [(MUG, 1)], customer=CUSTOMER, code=bought.code)
    await store.has(1000)


async def test_a_key_counts_once_and_its_answer_holds_no_code(store: Store) -> None:
    request = rewards.RedeemPoints(reward_id=await store.offer())
    mesh, key = mesh_of(store.at.process), str(uuid4())
    several = await asyncio.gather(
        *(
            mesh.call(rewards.REDEEM_POINTS, request, store.customer, idempotency_key=key)
            for _ in range(5)
        )
    )
    assert len({each.redemption_id for each in several}) == 1
    bought = await store.becomes(several[0], S.COMPLETED)
    repeat = await mesh.call(rewards.REDEEM_POINTS, request, store.customer, idempotency_key=key)
    assert repeat == bought
    await store.has(500)
    async with store.at.edge.world.database("points").transaction(ACROSS_SHOPS) as connection:
        tables = "answers", "outbox", "reward_redemptions", "points_transactions"
        for table in tables:
            rows = await connection.execute(
                text(f"SELECT CAST(t AS text) FROM {table} t WHERE CAST(t AS text) LIKE :code"),
                {"code": f"%{bought.code.removeprefix('LOY-')}%"},
            )
            assert rows.all() == [], table


async def test_members_redeem_over_http(store: Store) -> None:
    reward = str(await store.offer())
    await store.offer(cost=5000, name="dear")
    http, edge = store.at.edge.http, store.at.edge
    token = await edge.token("customer", str(CUSTOMER), store.domain)
    who = {"Authorization": f"Bearer {token}"}
    answer = await http.get("/api/customer/points", headers=who)
    assert (answer.status_code, answer.json()["spendable"]) == (200, 1000)
    offers = (await http.get("/api/customer/rewards", headers=who)).json()["offers"]
    assert [(each["name"], each["affordable"], each["why_not"]) for each in offers] == [
        ("dear", False, "points"),
        ("5 off", True, ""),
    ]
    without = await http.post("/api/redeem", headers=who, json={"reward_id": reward})
    assert without.status_code == 400
    keyed = who | {"Idempotency-Key": str(uuid4())}
    bought = await http.post("/api/redeem", headers=keyed, json={"reward_id": reward})
    assert (bought.status_code, bought.json()["state"]) == (200, "completed"), bought.text
    other = await http.post("/api/redeem", headers=keyed, json={"reward_id": str(uuid4())})
    assert (other.status_code, other.json()["code"]) == (409, "DUPLICATE_REQUEST")
    answer = bought
    for _ in range(2):
        again = who | {"Idempotency-Key": str(uuid4())}
        answer = await http.post("/api/redeem", headers=again, json={"reward_id": reward})
    assert (answer.status_code, answer.json()["code"]) == (422, "INSUFFICIENT_POINTS")
    listed = (await http.get("/v1/api/redemptions", headers=who)).json()["redemptions"]
    assert bought.json()["code"] in {each["code"] for each in listed}
    for method, path in (("POST", "/v1/api/rewards"), ("DELETE", f"/v1/api/rewards/{reward}")):
        refused = await http.request(method, path, headers=keyed, json={})
        assert refused.status_code == 403


async def test_two_processes_never_overspend(run: Run, store: Store) -> None:
    reward = await store.offer(cost=100)
    request = rewards.RedeemPoints(customer_id=store.member, reward_id=reward)
    base = store.at.admin.base
    async with run("points", shopify_api_base=base) as other:
        meshes = [mesh_of(store.at.process), mesh_of(other)]

        async def one(number: int) -> str:
            try:
                await meshes[number % 2].call(
                    rewards.REDEEM_POINTS, request, store.staff, idempotency_key=str(uuid4())
                )
            except LoyaltyError as error:
                return error.code
            return ""

        found = Counter(await asyncio.gather(*(one(number) for number in range(30))))
    assert found == {"": 10, "INSUFFICIENT_POINTS": 20}
    await store.has(0)


async def test_codes_are_sealed_with_the_new_key_when_the_shop_has_one(store: Store) -> None:
    bought = await store.redeem(await store.offer())

    async def sealed() -> str:
        async with store.at.edge.world.database("points").transaction(ACROSS_SHOPS) as connection:
            found = await connection.execute(
                text("SELECT sealed_code FROM reward_redemptions WHERE redemption_id = :id"),
                {"id": bought.redemption_id},
            )
            return str(found.scalar_one())

    before = await sealed()
    admin = Caller(audience=Audience.ADMIN, actor=str(uuid4()), permissions=("admin:full",))
    await mesh_of(store.at.process).call(
        keys.ROTATE_MERCHANT_KEY,
        keys.RotateMerchantKey(merchant_id=store.merchant),
        admin,
        idempotency_key=str(uuid4()),
    )
    after = await eventually(sealed, lambda found: found.split(".")[1] != before.split(".")[1])
    assert after != before
    assert (await store.see(bought)).code == bought.code


async def test_a_shop_that_cannot_be_reached_has_its_members_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "FIRST_WAIT", timedelta(milliseconds=50))
    store.at.admin.trouble.next(Instead(503), times=50)
    bought = await store.redeem(await store.offer())
    assert bought.state in (S.RESERVED, S.ISSUING)
    store.at.admin.trouble.none()
    await store.becomes(bought, S.COMPLETED)
