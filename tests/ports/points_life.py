"""Everything that can become of a shop's points, told to whatever store keeps them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from msgspec import structs

from adapters.mongo.chain import MongoChain
from adapters.mongo.rewards import MongoRedeeming
from adapters.mongo.transaction import Transaction
from adapters.postgres.chain import PostgresChain
from adapters.postgres.rewards import PostgresRedeeming
from adapters.system import UuidV7
from contracts import points
from domain.merging import ToldMerge
from domain.money import Rounding
from domain.points.benefits import AmountOff
from domain.points.bonus import Buyer, Goods, OrderLine
from domain.points.earning import RuleSnapshot
from domain.points.earning_limits import Counted
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import Life
from domain.points.merging import transfers
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import Reward, RewardKind, RewardTerms
from domain.program import defaults
from ports.activities import CountKey
from ports.earning import BuyerFacts, BuyerKey, CollectionFacts, GoodsFacts, GoodsKey
from ports.ledger import NewEntry, OrderKey, WalletKey
from ports.pooling import Link
from ports.pos import SaleName, TillLine
from ports.unit import Units
from services.points.chaining import seal_entries

AT: Final = datetime(2026, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)
SOON: Final = AT + timedelta(days=30)
IDS: Final = UuidV7()
SNAPSHOT: Final = RuleSnapshot(
    rule='"über" \\ \u2028', settings_version=3, rate=Decimal("1.50"), rounding=Rounding.HALF_UP,
    minimum_spend=Decimal(0), include_shipping=True, include_tax=False, base=Decimal("12.30"),
    merchandise=Decimal("12.3"), points=18, excluded=Goods(tags=("bb", "a")), cap=20,
)  # fmt: skip


class OnPostgres(PostgresRedeeming, PostgresChain):
    """What the service works with, and what seals."""


class OnMongo(MongoRedeeming, MongoChain):
    """What the service works with, and what seals."""

    def __init__(self, transaction: Transaction) -> None:
        MongoRedeeming.__init__(self, transaction)


def entry(wallet: WalletKey, amount: int, **changes: Any) -> NewEntry:
    more = {
        name: changes.pop(name) for name in ("life", "matures_at", "look_at") if name in changes
    }
    draft = EntryDraft(
        kind=EntryKind.EARN, points=amount, reason='say "hi"\n½', source="activity",
        source_ref=str(uuid4()), rule="a",
    )  # fmt: skip
    new = NewEntry(IDS.new(), wallet, draft._replace(**changes), AT)
    return structs.replace(new, **more)


async def live(
    units: Units[Any], across: Units[Any], shop: UUID, members: int = 3
) -> Sequence[WalletKey]:
    """Let something of everything happen, some of it sealed and some not yet; answers who is in it.
    ``units`` are those of ``OnPostgres`` or ``OnMongo`` for this shop, ``across`` for all."""
    people = [WalletKey(shop, uuid4()) for _ in range(members)]
    first, second, merged = people[:3]
    async with units() as unit:
        stores = unit.stores
        await stores.learn_programs({shop: defaults("USD")})
        await stores.learn_buyers(
            {BuyerKey(shop, first.customer_id): BuyerFacts(Buyer("Gold", "loyal"), 7)}
        )
        await stores.learn_goods({GoodsKey(shop, "p1"): GoodsFacts(("$sale", "ü", "a b"), AT)})
        await stores.learn_collections({GoodsKey(shop, "p1"): CollectionFacts(("c2", "c1"), 4)})
        await stores.learn_links({first: Link(uuid4(), uuid4(), 3, AT)})
        await stores.learn_links({second: Link(None, None, 4, AT)})
    await _sell(units, shop, first)
    await _post(units, across, people)
    await _redeem(units, first)
    async with units() as unit:
        told = [ToldMerge(merged.customer_id, second.customer_id, 1)]
        for left in await unit.stores.merge(shop, told):
            moves = transfers(left.merged.customer_id, left.wallet, left.version, left.lots)
            await unit.stores.post(
                [
                    NewEntry(IDS.new(), key, draft, AT)
                    for move in moves
                    for key, draft in ((left.merged, move.taken), (left.kept, move.given))
                ]
            )
    await _else(units, shop, first)
    return people


async def _sell(units: Units[Any], shop: UUID, buyer: WalletKey) -> None:
    """Orders with goods and without, and refunds, one of them of an order nobody has told yet."""
    facts = OrderFacts(
        order_id="o1", customer_id=buyer.customer_id, currency="USD", financial_status="paid",
        created_at=AT, updated_at=AT, merchandise=Decimal("100.10"), tax=Decimal("0.333333"),
        paid_at=SOON, lines=(
            OrderLine("p1", Decimal("60.10"), ("a", "ü"), ("c1",)), OrderLine("", Decimal("40.00")),
        ),
    )  # fmt: skip
    orders = {
        OrderKey(shop, "o1"): facts,
        OrderKey(shop, "Ö2"): replace(facts, order_id="Ö2", lines=(), cancelled_at=SOON),
    }
    refunds = [RefundFacts(each, "o1", Decimal("1.50"), AT) for each in ("r2", "r1")]
    async with units() as unit:
        await unit.stores.lock_orders([*orders, OrderKey(shop, "o3")])
        await unit.stores.learn_orders(orders)
        await unit.stores.learn_refunds({OrderKey(shop, "o1"): refunds})
        early = [RefundFacts("r9", "o3", Decimal("0.10"), SOON)]
        await unit.stores.learn_refunds({OrderKey(shop, "o3"): early})


async def _post(units: Units[Any], across: Units[Any], people: Sequence[WalletKey]) -> None:
    """Points of every kind: lots that end and do not, debts, what waits, what is undone."""
    first, second = people[:2]
    async with units() as unit:
        await unit.stores.post(
            [
                made
                for key in people
                for made in (
                    entry(key, 50, life=Life(SOON), look_at=SOON, snapshot=SNAPSHOT,
                          source="order", order_id="o1"),
                    entry(key, 30, life=Life(None, 90), look_at=SOON),
                    entry(key, 500),
                )
            ]
        )  # fmt: skip
        earned = entry(first, 20, order_id="o1", source="order")
        waits = entry(
            second, 40, pending=True, matures_at=SOON, order_id="Ö2", source="order",
            snapshot=SNAPSHOT,
        )  # fmt: skip
        await unit.stores.post([earned, waits])
    await seal_entries(across)
    async with units() as unit:
        undo = entry(
            first, -20, kind=EntryKind.REVERSAL, reverses=EntryKind.EARN, source="reversal",
            undoes=earned.entry_id,
        )  # fmt: skip
        await unit.stores.post(
            [
                undo,
                entry(first, -60, kind=EntryKind.REDEEM, source="redemption"),
                entry(first, -3, kind=EntryKind.EXPIRE, source="expiry"),
                entry(second, -7, kind=EntryKind.REFUND, waived=2, source="refund"),
            ]
        )
        # A debt.
        await unit.stores.post([entry(second, -900, kind=EntryKind.ADJUST, source="adjust")])


async def _redeem(units: Units[Any], member: WalletKey) -> None:
    """A redemption in every state there is."""
    shop = member.merchant_id
    terms = RewardTerms(name="5 off", kind=RewardKind.DISCOUNT, cost=5, amount=Decimal(5))
    limited = Reward(shop, IDS.new(), 1, replace(terms, stock=9), False, 0, AT, AT)
    async with units() as unit:
        stores = unit.stores
        await stores.add_reward(limited)
        await stores.add_reward(Reward(shop, IDS.new(), 1, terms, True, 0, AT, SOON))
        for number, state in enumerate(RedemptionState):
            redemption = Redemption(
                merchant_id=shop, redemption_id=IDS.new(), customer_id=member.customer_id,
                shopify_customer_id="1", reward_id=limited.reward_id, reward_version=1,
                title="5 off", benefit=AmountOff(Decimal("5.00")), points=5, paid_by=IDS.new(),
                state=state, created_at=AT, ends_at=SOON if number % 2 else None,
                due_at=None if number % 3 else SOON, sealed_code=f"v2.key{number % 2}.x",
                code_digest=f"digest {number}",
            )  # fmt: skip
            await stores.add_redemption(redemption)


async def _else(units: Units[Any], shop: UUID, member: WalletKey) -> None:
    """Tills, limits, keys, an event that nobody publishes."""
    async with units() as unit:
        stores = unit.stores
        await stores.count(
            {(CountKey(shop, member.customer_id, "activity:a"), date(2026, 5, 1)): Counted(2, 60)}
        )
        await stores.name_sales({SaleName(shop, "receipt:1"): "o1"})
        lines = [TillLine("l1", "o1", "c", "s", "", AT), TillLine("l2", "", "c", "", "x", AT)]
        await stores.hold_till(shop, "t")
        await stores.keep_lines(shop, "t", lines)
        assert await unit.journal.claim_key(shop, "points.v1.Adjust", "k1", b"{}") is None
        await unit.journal.keep_answer(shop, "points.v1.Adjust", "k1", b"\x00answer")
        body = points.PointsMoved(
            customer_id=member.customer_id, entry_id=IDS.new(), points=5, kind="adjust",
            source="adjust", source_ref="x", spendable=5, pending=0, version=1, occurred_at=AT,
        )  # fmt: skip
        unit.emit(points.ADJUSTED, body, shop)


async def begin_resealing(rows: Units[Any], shop: UUID) -> None:
    async with rows() as unit:
        await unit.stores.begin([shop], AT)
