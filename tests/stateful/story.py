"""Random stories of one shop, told to the points service and to the model at once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from adapters.memory.ledger import MemoryLedger
from adapters.mongo.ledger import MongoLedger
from adapters.postgres.ledger import PostgresLedger
from contracts import points, shop
from contracts.caller import Audience, Caller
from contracts.core import SETTINGS_UPDATED, SettingsUpdated
from contracts.kit import Body, Event
from contracts.shop import Order, OrderCustomer, Refund, member_id
from domain.points.bonus import NOBODY_SPECIAL
from domain.points.expiry import Expiry, ExpiryPolicy
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.wallet import InsufficientPoints, Wallet
from domain.program import EarnOn, ProgramSettings, PurchaseRule, RefundPolicy, defaults
from ports.earning import BuyerFacts, BuyerKey
from ports.events import Received
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.unit import Units
from services.points.account import adjust
from services.points.earning import apply_mesh_events, apply_shop_events, release_matured
from services.points.expiring import expire_points
from services.points.posting import post
from tests.stateful.model import Model, Paid, Snapshot, Terms
from tests.stateful.telling import Adapters, Told

CUSTOMERS = ("c1", "c2")
DECIMALS = {"USD": 2, "JPY": 0, "BHD": 3}
_MOST_ORDERS = 6


class _Spent:
    """Points that a member has spent, until they come back."""

    def __init__(self, customer: str, amount: int, entry_id: UUID, paid: Paid) -> None:
        self.customer = customer
        self.points = amount
        self.entry_id = entry_id
        self.paid = paid


class Story(Told):
    adapters = Adapters(MemoryLedger, PostgresLedger, MongoLedger)

    def __init__(self) -> None:
        super().__init__()
        self.units: Units[Ledger]
        self.units, _ = self.place.open(self.adapters)
        self.clock = self.place.clock
        self.shop = uuid4()
        self.shops.add(self.shop)
        self.staff = Caller(audience=Audience.MERCHANT, actor="staff", merchant_id=self.shop)
        self.orders: dict[str, Order] = {}
        """As the shop has them now."""
        self.news: list[tuple[str, Event[Body], Body]] = []
        """All that the shop has ever said, by order; deliveries are drawn from it."""
        self.heard: set[int] = set()
        self.spent: list[_Spent] = []
        self.told_at = self.clock.now()

    # --- the program --------------------------------------------------------------------------

    @initialize(
        currency=st.sampled_from(sorted(DECIMALS)),
        rate=st.sampled_from(["1", "0.5", "3"]),
        earn_on=st.sampled_from(EarnOn),
        pending_days=st.sampled_from([0, 0, 3]),
        policy=st.sampled_from(RefundPolicy),
        expiry_days=st.sampled_from([0, 5, 30]),
        zone=st.sampled_from(["UTC", "America/New_York", "Pacific/Auckland"]),
    )
    def begin(
        self, currency: str, rate: str, earn_on: EarnOn, pending_days: int, policy: RefundPolicy,
        expiry_days: int, zone: str,
    ) -> None:  # fmt: skip
        self.currency = currency
        expiry = Expiry()
        if expiry_days:
            expiry = Expiry(ExpiryPolicy.DAYS, expiry_days, warn_days=2)
        self.program = replace(
            defaults(currency),
            version=2,
            time_zone=zone,
            purchase=PurchaseRule(points_per_unit=Decimal(rate)),
            earn_on=earn_on,
            pending_days=pending_days,
            refund_policy=policy,
            expiry=expiry,
        )
        terms = Terms(Decimal(rate), earn_on, pending_days, policy, expiry_days, ZoneInfo(zone))
        self.model = Model(terms, self.clock.now())
        self.run(self._publish(self.program))

    @rule(rate=st.sampled_from(["1", "0.5", "3", "0"]))
    def change_the_rate(self, rate: str) -> None:
        """What has earned goes by what held then."""
        self.program = replace(
            self.program,
            version=self.program.version + 1,
            purchase=PurchaseRule(points_per_unit=Decimal(rate)),
        )
        self.model.terms.rate = Decimal(rate)
        self.run(self._publish(self.program))

    # --- what happens at the shop ----------------------------------------------------------------

    @precondition(lambda self: len(self.orders) < _MOST_ORDERS)
    @rule(
        customer=st.sampled_from(CUSTOMERS), cents=st.integers(0, 30_000), paid=st.booleans(),
        deliver=st.booleans(),
    )  # fmt: skip
    def order(self, customer: str, cents: int, paid: bool, deliver: bool) -> None:
        order_id = f"o{len(self.orders)}"
        at = self._tick()
        amount = self._amount(cents)
        self.orders[order_id] = Order(
            order_id=order_id, number=f"#{order_id}", currency=self.currency, test=False,
            source="web", financial_status="paid" if paid else "pending", created_at=at,
            updated_at=at, processed_at=at, subtotal=amount, shipping=Decimal(7), tax=Decimal(0),
            total=amount + 7,
            customer=OrderCustomer(
                customer_id=member_id(self.shop, customer), shopify_customer_id=customer
            ),
        )  # fmt: skip
        self._say(order_id, deliver)

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(), what=st.sampled_from(["paid", "sent", "cancelled", "edited"]),
        cents=st.integers(0, 30_000), deliver=st.booleans(),
    )  # fmt: skip
    def change(self, data: st.DataObject, what: str, cents: int, deliver: bool) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.orders)))
        at = self._tick()
        changes: dict[str, Any] = {
            "paid": {"financial_status": "paid"},
            "sent": {"fulfilled": True},
            "cancelled": {"cancelled_at": at},
            "edited": {"subtotal": self._amount(cents)},
        }
        self.orders[order_id] = msgspec.structs.replace(
            self.orders[order_id], updated_at=at, **changes[what]
        )
        self._say(order_id, deliver)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), cents=st.integers(0, 20_000), deliver=st.booleans())
    def refund(self, data: st.DataObject, cents: int, deliver: bool) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.orders)))
        told = Refund(
            refund_id=f"r{len(self.news)}", order_id=order_id, created_at=self._tick(),
            merchandise=self._amount(cents),
        )  # fmt: skip
        self.news.append((order_id, shop.REFUND_CREATED, told))
        if deliver:
            self._deliver([len(self.news) - 1])

    # --- what arrives ------------------------------------------------------------------------

    @precondition(lambda self: self.news)
    @rule(data=st.data())
    def hear_anything(self, data: st.DataObject) -> None:
        """Some news of one order, late, early, again, several at once."""
        order_id = data.draw(st.sampled_from(sorted({each[0] for each in self.news})))
        of_it = [index for index, each in enumerate(self.news) if each[0] == order_id]
        self._deliver(data.draw(st.lists(st.sampled_from(of_it), min_size=1, max_size=4)))

    # --- what members and staff do --------------------------------------------------------------

    @rule(customer=st.sampled_from(CUSTOMERS), amount=st.integers(1, 300))
    def spend(self, customer: str, amount: int) -> None:
        key = self._wallet(customer)
        paid = self.model.spend(customer, amount)
        entry_id = self.run(self._spend(key, amount))
        assert (paid is None) == (entry_id is None)
        if paid is not None and entry_id is not None:
            self.spent.append(_Spent(customer, amount, entry_id, paid))

    @precondition(lambda self: self.spent)
    @rule(data=st.data(), twice=st.booleans())
    def give_back(self, data: st.DataObject, twice: bool) -> None:
        spent = data.draw(st.sampled_from(self.spent))
        self.spent.remove(spent)
        for _ in range(1 + twice):
            self.run(self._give_back(spent))
        self.model.give_back(spent.customer, spent.points, spent.paid)

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        amount=st.integers(-200, 200).filter(lambda amount: amount != 0),
    )
    def correct_by_hand(self, customer: str, amount: int) -> None:
        fine = self.model.adjust(customer, amount)
        assert self.run(self._adjust(customer, amount)) == fine

    # --- the calendar ----------------------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 11, 24, 25, 72, 24 * 9]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)
        self.model.now = self.clock.now()
        self.run(self._calendar())
        self.model.release()
        self.model.expire()

    # --- what must be -----------------------------------------------------------------------------

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        type(self).steps += 1
        for customer in CUSTOMERS:
            expected = self.model.wallet(customer)
            wallet, lots = self.run(self._look(self._wallet(customer)))
            found = (wallet.spendable, wallet.pending, wallet.spent, wallet.expired)
            assert found == expected.numbers, customer
            assert lots == expected.left, customer

    # --- how -------------------------------------------------------------------------------------

    def _amount(self, cents: int) -> Decimal:
        return Decimal(cents).scaleb(-DECIMALS[self.currency])

    def _tick(self) -> Any:
        """Snapshots of one instant would leave open which is newer."""
        self.told_at = max(self.told_at + timedelta(milliseconds=1), self.clock.now())
        return self.told_at

    def _wallet(self, customer: str) -> WalletKey:
        return WalletKey(self.shop, member_id(self.shop, customer))

    def _say(self, order_id: str, deliver: bool) -> None:
        self.news.append((order_id, shop.ORDER_UPDATED, self.orders[order_id]))
        if deliver:
            self._deliver([len(self.news) - 1])

    def _deliver(self, indices: list[int]) -> None:
        order_id = self.news[indices[0]][0]
        self.run(self._hear([self.news[index] for index in indices]))
        self.heard |= set(indices)
        for index in indices:
            match self.news[index][2]:
                case Order() as told:
                    assert told.customer is not None
                    self.model.tell(
                        order_id,
                        told.customer.shopify_customer_id,
                        Snapshot(
                            told.updated_at,
                            told.subtotal,
                            told.financial_status == "paid",
                            told.fulfilled,
                            told.cancelled_at is not None,
                        ),
                    )
                case Refund() as refund:
                    self.model.tell_refund(order_id, refund.refund_id, refund.merchandise)
        self.model.settle(order_id)

    async def _hear(self, news: list[tuple[str, Event[Body], Body]]) -> None:
        async with self.units() as unit:
            events = [
                Received(str(uuid4()), event, body, self.shop, self.clock.now())
                for _, event, body in news
            ]
            await apply_shop_events(unit, events)

    async def _publish(self, program: ProgramSettings) -> None:
        body = SettingsUpdated(settings=program)
        told: Received[Any] = Received(
            str(uuid4()), SETTINGS_UPDATED, body, self.shop, self.clock.now()
        )
        async with self.units() as unit:
            await apply_mesh_events(unit, [told])
            # Members of the shop, who can be given points before they have any.
            known = {
                BuyerKey(*self._wallet(each)): BuyerFacts(NOBODY_SPECIAL, 1) for each in CUSTOMERS
            }
            await unit.stores.learn_buyers(known)

    async def _spend(self, key: WalletKey, amount: int) -> UUID | None:
        async with self.units() as unit:
            wallet = (await unit.stores.lock_wallets([key]))[key]
            if wallet.spendable < amount:
                return None
            entry_id = unit.new_id()
            draft = EntryDraft(
                kind=EntryKind.REDEEM, points=-amount, reason="reward", source=Source.REDEEM,
                source_ref=str(entry_id), rule="",
            )  # fmt: skip
            await post(unit, [NewEntry(entry_id, key, draft, unit.now())])
            return entry_id

    async def _give_back(self, spent: _Spent) -> None:
        async with self.units() as unit:
            draft = EntryDraft(
                kind=EntryKind.REVERSAL, points=spent.points, reason="returned",
                source=Source.REDEMPTION, source_ref=str(spent.entry_id), rule="",
                reverses=EntryKind.REDEEM, undoes=spent.entry_id,
            )  # fmt: skip
            entry = NewEntry(unit.new_id(), self._wallet(spent.customer), draft, unit.now())
            await post(unit, [entry])

    async def _adjust(self, customer: str, amount: int) -> bool:
        request = points.Adjust(
            customer_id=member_id(self.shop, customer), points=amount, reason="test"
        )
        try:
            async with self.units() as unit:
                await adjust(unit, self.staff, request)
        except InsufficientPoints:
            return False
        return True

    async def _calendar(self) -> None:
        await release_matured(self.units)
        await expire_points(self.units)

    async def _look(self, key: WalletKey) -> tuple[Wallet, list[tuple[int, Any]]]:
        async with self.units() as unit:
            wallet = await unit.stores.wallet(key)
            lots = await unit.stores.lots(key, None, 1000)
        left = [(share.points, share.lot.life.expires_at) for share in lots]
        return wallet or Wallet(), sorted(left, key=lambda each: (str(each[1]), each[0]))
