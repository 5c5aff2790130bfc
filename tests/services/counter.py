"""The counter where members redeem, on whatever store, with Shopify as the test wants it."""

import secrets
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec

from adapters.crypto.digests import KeyedDigests
from adapters.crypto.sealer import AesGcmSealer
from contracts import rewards as said
from contracts import shop
from contracts.caller import Audience, Caller
from contracts.kit import Body, Event
from contracts.shop import Order, OrderCustomer, member_id
from domain.errors import NotFound
from domain.points.codes import ENTROPY_BYTES
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.redemption import RedemptionState
from domain.points.wallet import EMPTY, Wallet
from ports.events import Received
from ports.ledger import NewEntry, WalletKey
from ports.rewards import Redeeming, RedemptionKey
from ports.tenancy import OtherShops, also_within, within
from ports.unit import Unit, Units
from services.points.earning import apply_shop_events
from services.points.issuing import Fulfilment
from services.points.pooling import Sharing
from services.points.redeeming import Account, Members, Prepared, Redeemer
from services.points.rewards import Offering, create_reward
from services.points.using import Codes
from tests.keys import KeysAtHand
from tests.services.given import StandingClock
from tests.stand_ins.issuing import StandInShopify

StructT = TypeVar("StructT")


class KnownMembers(Members):
    """Everybody is a member, but for nobody."""

    def __init__(self) -> None:
        self.merged: dict[UUID, UUID] = {}

    async def account(self, merchant_id: UUID, customer_id: UUID) -> Account:
        if customer_id.int == 0:
            raise NotFound
        return Account(self.merged.get(customer_id, customer_id), "77")


class Counter:
    """``five_off`` and the like are rewards of the shop; "c1" is a member with ``points``. Where
    ``units`` see only the shops at hand, ``pools`` see all."""

    def __init__(
        self,
        units: Units[Any],
        clock: StandingClock | None = None,
        pools: Units[Any] | None = None,
    ) -> None:
        self.units: Units[Redeeming] = units
        self.clock = clock or StandingClock()
        self.merchant = uuid4()
        self.member = member_id(self.merchant, "c1")
        self.shopify = StandInShopify()
        self.members = KnownMembers()
        keys, sealer = KeysAtHand(), AesGcmSealer()
        self.fulfilment = Fulfilment(units, units, self.shopify, keys, sealer)
        self.digests = KeyedDigests([b"secret", b"older secret"], "reward codes")
        self.sharing = Sharing(units, pools or units)
        self.moved: list[float] = []
        """Points that came from other stores, each time somebody redeemed."""
        self.redeemer = Redeemer(
            units, self.members, keys, sealer, self.digests,
            partial(secrets.token_bytes, ENTROPY_BYTES), self.fulfilment, self.sharing,
            self.moved.append,
        )  # fmt: skip
        self.offering = Offering(units, self.sharing)
        self.codes = Codes(self.digests)
        self.staff = Caller(
            audience=Audience.MERCHANT, actor="staff", merchant_id=self.merchant,
            permissions=("rewards:*",),
        )  # fmt: skip

    def customer(self, name: str = "c1") -> Caller:
        member = member_id(self.merchant, name)
        return Caller(
            audience=Audience.CUSTOMER, actor=str(member), merchant_id=self.merchant,
            customer_id=member, permissions=("rewards:read", "rewards:redeem"),
        )  # fmt: skip

    async def offer(self, **terms: Any) -> UUID:
        """A new reward: 500 points for 5, unless ``terms`` say otherwise."""
        base: dict[str, Any] = {"name": "5 off", "kind": "discount", "cost": 500, "amount": "5"}
        request = _request(said.CreateReward, base | terms)
        async with self.units() as unit:
            return (await create_reward(unit, self.staff, request)).reward_id

    async def give(self, points: int, name: str = "c1") -> None:
        draft = EntryDraft(
            kind=EntryKind.ADJUST, points=points, reason="test", source="adjust",
            source_ref=str(uuid4()), rule="",
        )  # fmt: skip
        key = WalletKey(self.merchant, member_id(self.merchant, name))
        async with self.units() as unit:
            await unit.stores.post([NewEntry(unit.new_id(), key, draft, unit.now())])

    async def wallet(self, name: str = "c1") -> Wallet:
        async with self.units() as unit:
            key = WalletKey(self.merchant, member_id(self.merchant, name))
            return await unit.stores.wallet(key) or EMPTY

    async def reserve(
        self, reward_id: UUID, points: int | None = None, name: str = "c1"
    ) -> said.Redemption:
        """As far as the transaction goes; whoever redeems dies then."""
        return (await self.begin(reward_id, points, name))[0]

    async def begin(
        self, reward_id: UUID, points: int | None = None, name: str = "c1"
    ) -> tuple[said.Redemption, Prepared]:
        """The same, by somebody who lives, with what it takes to finish."""
        caller = self.customer(name)
        request = said.RedeemPoints(reward_id=reward_id, points=points)
        with within([self.merchant]):
            prepared = await self.redeemer.prepare(caller, request)
            try:
                async with self.units() as unit:
                    answer = await self.redeemer.reserve(unit, caller, request, prepared)
            except OtherShops:
                with also_within(await self.redeemer.others(caller, prepared)):
                    async with self.units() as unit:
                        answer = await self.redeemer.reserve(unit, caller, request, prepared)
        return answer, prepared

    async def redeem(
        self, reward_id: UUID, points: int | None = None, name: str = "c1"
    ) -> said.Redemption:
        reserved, prepared = await self.begin(reward_id, points, name)
        with within([self.merchant]):
            return await self.redeemer.finish(self.customer(name), reserved, prepared)

    async def see(self, redemption: said.Redemption) -> said.Redemption:
        request = said.RedemptionRef(redemption_id=redemption.redemption_id)
        return await self.redeemer.one(self.customer(), request)

    async def state(self, redemption: said.Redemption) -> RedemptionState:
        async with self.units() as unit:
            key = RedemptionKey(self.merchant, redemption.redemption_id)
            found = await unit.stores.redemption(key)
        assert found is not None
        return found.state

    async def cancel(self, redemption: said.Redemption, caller: Caller | None = None) -> Any:
        caller = caller or self.staff
        request = said.RedemptionRef(redemption_id=redemption.redemption_id)
        with within([self.merchant]):
            async with self.units() as unit:
                answer = await self.redeemer.cancel(unit, caller, request)
            return await self.redeemer.finish_cancelling(caller, answer)

    async def later(self, **duration: int) -> None:
        """Time goes by, and what is due is done."""
        self.clock.advance(**duration)
        await self.fulfilment.run()

    def order(self, order_id: str = "o1", **changes: Any) -> Order:
        at = self.clock.now()
        base: dict[str, Any] = {
            "order_id": order_id, "number": "#1", "currency": "USD", "test": False,
            "source": "web", "financial_status": "paid", "created_at": at, "updated_at": at,
            "processed_at": at, "subtotal": "15", "shipping": "5", "tax": "0", "total": "20",
        }  # fmt: skip
        customer = OrderCustomer(customer_id=self.member, shopify_customer_id="c1")
        return _request(Order, base | {"customer": customer} | changes)

    def refund(self, refund_id: str, amount: str, order_id: str = "o1") -> shop.Refund:
        return _request(
            shop.Refund,
            {"refund_id": refund_id, "order_id": order_id, "created_at": self.clock.now(),
             "merchandise": amount},
        )  # fmt: skip

    async def happen(self, *bodies: Body) -> None:
        """The shop says so, all at once."""
        async with self.units() as unit:
            await self.apply(unit, *bodies)

    async def apply(self, unit: Unit[Redeeming], *bodies: Body) -> None:
        events = [self._received(body) for body in bodies]
        await apply_shop_events(unit, events, self.codes.settle)

    def _received(self, body: Body) -> Received[Any]:
        event: Event[Any] = (
            shop.REFUND_CREATED if isinstance(body, shop.Refund) else shop.ORDER_PAID
        )
        return Received(str(uuid4()), event, body, self.merchant, self.clock.now())


def _request(kind: type[StructT], values: dict[str, Any]) -> StructT:
    return msgspec.convert(values, kind, strict=False)
