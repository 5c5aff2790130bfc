"""Trying a program on the past, on real servers: once published, it gives what was simulated."""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from adapters.runtime.host import Process
from adapters.shopify.admin import client as clients
from contracts import core, points, shop
from contracts.caller import service_caller
from contracts.installs import AccessLost, MissingScopes, ShopifyUnavailable
from contracts.kit import Body, Event
from contracts.shop import Line, Order, Product, Refund, member_id
from contracts.simulations import SIMULATE_PROGRAM, ProgramSimulated, SimulateProgram
from domain.errors import InvalidRequest, LoyaltyError
from domain.money import Money, Rounding
from domain.points.bonus import Bonus, Goods
from domain.program import ProgramSettings, PurchaseRule, defaults
from infra.demo_shop.admin.api.records import Collection
from infra.demo_shop.admin.api.trouble import Instead
from services.products import wiring
from tests.conftest import Run, eventually
from tests.mesh.said import AT, mesh_of, order, say
from tests.mesh.shopify import Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("api_gateway", "auth", "roles", "points", "products")
SHIRT, TOBACCO, MUG = "11", "12", "13"
MUGS = 5011
CUSTOMERS = tuple(f"c{number}" for number in range(12))
DRAFT = replace(
    defaults("USD"),
    version=2,
    purchase=PurchaseRule(
        points_per_unit=Decimal("1.5"),
        minimum_spend=Decimal(20),
        excluded=Goods(products=(TOBACCO,)),
    ),
    bonuses=(
        Bonus("sale", Decimal(3), goods=Goods(tags=("sale",))),
        Bonus("mugs", Decimal("1.25"), goods=Goods(collections=(str(MUGS),))),
        Bonus("big", Decimal("0.5"), minimum_spend=Decimal(300)),
    ),
)
AFTER = AT + timedelta(days=1)
Told = Sequence[tuple[Event[Body], Body]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "WORK_SECONDS", 0.05)
        patch.setattr(clients, "_FIRST_PAUSE", 0.01)
        async with shopify(run, environment, *SERVICES) as one:
            yield one


async def with_mugs(at: Shopify) -> tuple[str, UUID]:
    """A shop with a collection that its program does not name."""
    name = new_shop()
    there = at.admin.shops[name]
    for number in (SHIRT, TOBACCO, MUG):
        told = {"id": int(number), "title": number, "created_at": AT.isoformat()}
        there.hear("products/create", told)
    there.collections.put(MUGS, Collection(MUGS, "Mugs", "mugs", [MUG], datetime.now(UTC)))
    return name, (await at.install(name)).merchant_id


def history(merchant: UUID) -> Told:
    """The same orders for every shop: some cancelled, some returned in part, some in whole."""
    chance = random.Random(7)
    told: list[tuple[Event[Body], Body]] = [
        (
            shop.PRODUCT_CREATED,
            Product(product_id=SHIRT, title="Shirt", tags=("Sale",), updated_at=AT),
        )
    ]
    for number in range(60):
        prices = [Decimal(chance.randrange(1, 30_000)) / 100 for _ in range(chance.randint(1, 3))]
        lines = tuple(
            Line(
                line_id=str(index), product_id=chance.choice((SHIRT, TOBACCO, MUG)),
                quantity=1, price=price, total=price,
            )
            for index, price in enumerate(prices)
        )  # fmt: skip
        placed = order(
            merchant, chance.choice(CUSTOMERS), order_id=f"o{number}", subtotal=sum(prices),
            lines=lines, test=chance.random() < 0.05,
        )  # fmt: skip
        told.append((shop.ORDER_CREATED, placed))
        fate = chance.random()
        if fate < 0.2:
            told.append((shop.ORDER_CANCELLED, cancelled(placed)))
        elif fate < 0.5:
            parts = (placed.subtotal,) if fate < 0.3 else (Decimal("0.5"), placed.subtotal / 3)
            for index, amount in enumerate(parts):
                told.append((shop.REFUND_CREATED, returned(placed, index, amount)))
    return told


def cancelled(placed: Order) -> Order:
    return msgspec.structs.replace(placed, cancelled_at=AFTER, updated_at=AFTER)


def returned(placed: Order, index: int, amount: Decimal) -> Refund:
    return Refund(
        refund_id=f"{placed.order_id}/{index}",
        order_id=placed.order_id,
        created_at=AFTER,
        merchandise=round(amount, 2),
    )


async def simulate(process: Process, merchant: UUID, request: SimulateProgram) -> ProgramSimulated:
    return await mesh_of(process).call(SIMULATE_PROGRAM, request, service_caller("test", merchant))


async def points_of(process: Process, merchant: UUID) -> dict[str, int]:
    """By customer, what the shop has given for its orders."""
    asked = points.BalancesOf(customer_ids=tuple(member_id(merchant, each) for each in CUSTOMERS))
    found = await mesh_of(process).call(
        points.GET_BALANCES, asked, service_caller("test", merchant)
    )
    held = {each.customer_id: each.spendable for each in found.balances}
    return {each: held.get(member_id(merchant, each), 0) for each in CUSTOMERS}


async def settled(process: Process, merchant: UUID) -> dict[str, int]:
    """Once the shop's last order has been heard: the wallet of somebody who ordered after all."""
    last = order(merchant, "last", order_id="last", subtotal=Decimal(500))
    await say(process, shop.ORDER_CREATED, last, merchant)
    member = points.BalancesOf(customer_ids=(member_id(merchant, "last"),))
    await eventually(
        lambda: mesh_of(process).call(
            points.GET_BALANCES, member, service_caller("test", merchant)
        ),
        lambda found: bool(found.balances),
    )
    return await points_of(process, merchant)


async def publish(process: Process, merchant: UUID, settings: ProgramSettings) -> None:
    await say(process, core.SETTINGS_UPDATED, core.SettingsUpdated(settings=settings), merchant)
    nothing = points.ExplainPurchase(lines=(points.ExplainLine(amount=Decimal(1)),))
    await eventually(
        lambda: mesh_of(process).call(
            points.EXPLAIN_PURCHASE, nothing, service_caller("test", merchant)
        ),
        lambda found: found.settings_version == settings.version,
    )


async def mugs_are_known(process: Process, merchant: UUID) -> None:
    """Products has asked the shop what its program names, and points has heard it."""
    mug = points.ExplainPurchase(
        lines=(points.ExplainLine(product_id=MUG, amount=Decimal(100)),),
    )
    await eventually(
        lambda: mesh_of(process).call(
            points.EXPLAIN_PURCHASE, mug, service_caller("test", merchant)
        ),
        lambda found: found.points == 187,
    )


async def test_a_draft_gives_when_published_what_was_simulated(at: Shopify) -> None:
    """Also by collections that nothing was known of before."""
    (_, today), (_, tomorrow) = await with_mugs(at), await with_mugs(at)
    process = at.process
    await publish(process, tomorrow, DRAFT)
    await mugs_are_known(process, tomorrow)
    given = {}
    for merchant in (today, tomorrow):
        for event, body in history(merchant):
            await say(process, event, body, merchant)
        given[merchant] = await settled(process, merchant)
    found = await simulate(
        process,
        today,
        SimulateProgram(settings=DRAFT, placed_from=AT, placed_before=AFTER),
    )
    assert (found.orders, found.passed_over) == (61, 0)
    # The last order is the thirteenth member's, and in nobody's way.
    assert found.in_force.points_kept == sum(given[today].values()) + 500
    by_draft = sum(given[tomorrow].values()) + 375
    assert found.draft.points_kept == by_draft
    assert (
        found.draft.liability
        == Money(by_draft * Decimal("0.008"), "USD").rounded(Rounding.HALF_UP).amount
    )
    named = {member_id(today, each): each for each in CUSTOMERS}
    shown = {
        named[each.customer_id]: (each.in_force, each.draft)
        for each in (*found.most_gained, *found.most_lost)
        if each.customer_id in named
    }
    assert len(shown) >= 10
    for customer, (before, after) in shown.items():
        assert (before, after) == (given[today][customer], given[tomorrow][customer])
    assert found.winners + found.losers + found.unchanged == found.members


async def test_what_cannot_be_tried_is_told_at_once(at: Shopify) -> None:
    merchant = uuid4()
    bad = SimulateProgram(
        settings=replace(DRAFT, currency="EUR", pending_days=-1),
        placed_from=AFTER,
        placed_before=AT,
        point_value=Decimal(-1),
        expected_redemption=Decimal(2),
    )
    await publish(at.process, merchant, replace(defaults("USD"), version=2))
    with pytest.raises(InvalidRequest) as refused:
        await simulate(at.process, merchant, bad)
    assert {each.pointer for each in refused.value.problems} == {
        "/settings/pending_days",
        "/settings/currency",
        "/placed_from",
        "/point_value",
        "/expected_redemption",
    }


async def refusal(at: Shopify, merchant: UUID, draft: ProgramSettings = DRAFT) -> LoyaltyError:
    with pytest.raises(LoyaltyError) as refused:
        await simulate(at.process, merchant, SimulateProgram(settings=draft))
    return refused.value


async def test_what_shopify_does_not_say_is_not_made_up(at: Shopify) -> None:
    """What is in the collections that only the draft names has to be known."""
    name, merchant = await with_mugs(at)
    at.admin.trouble.next(Instead(503), field="collection", times=4)
    assert isinstance(await refusal(at, merchant), ShopifyUnavailable)
    await simulate(at.process, merchant, SimulateProgram(settings=DRAFT))

    other = Bonus("other", Decimal(2), goods=Goods(collections=("404",)))
    mistaken = await refusal(at, merchant, replace(DRAFT, bonuses=(*DRAFT.bonuses, other)))
    assert [(each.pointer, each.detail) for each in mistaken.problems] == [
        ("/settings", "Shopify has no such collection: 404.")
    ]

    denied = {"errors": [{"message": "", "extensions": {"code": "ACCESS_DENIED"}}]}
    at.admin.trouble.next(Instead(200, denied), field="collection")
    assert isinstance(await refusal(at, merchant), MissingScopes)

    at.admin.grants.uninstall(name)
    assert isinstance(await refusal(at, merchant), AccessLost)


async def test_what_the_program_names_already_is_not_asked_again(at: Shopify) -> None:
    _, merchant = await with_mugs(at)
    await publish(at.process, merchant, DRAFT)
    await mugs_are_known(at.process, merchant)
    asked = at.admin.trouble.asked["collection"]
    draft = replace(DRAFT, bonuses=DRAFT.bonuses[1:2])
    await simulate(at.process, merchant, SimulateProgram(settings=draft))
    assert at.admin.trouble.asked["collection"] == asked
