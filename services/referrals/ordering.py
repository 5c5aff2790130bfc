"""What orders and accounts do to referrals: first orders are remembered, claims that wait for one
are settled. Every order of every shop passes here, and hardly any belongs to a referral."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from contracts.kit import Instant
from contracts.referrals import REFERRAL_COMPLETED
from contracts.shop import CustomerRecord
from contracts.views import View
from domain.points.orders import OrderFacts, merge
from domain.program import defaults
from domain.referrals import DuplicateReferral, machine
from domain.referrals.states import Claimed
from ports.events import Received
from ports.programs import newest_programs
from ports.referrals import AddressKey, MemberKey, ReferralBook, Tracked
from ports.unit import Unit, Units
from services.referrals.settling import Settled, block, carry_out, settle

_DEFAULTS: Final = defaults("USD")  # a shop's currency changes nothing about its referrals
_AT_ONCE: Final = 500
_LATE: Final = timedelta(days=2)
"""How long Shopify goes on delivering: an order placed in time may come that much later."""
REMEMBERED: Final = 3
"""So many of a member's earliest orders are remembered, since the first may be cancelled."""


class Buyer(View, frozen=True, kw_only=True):
    customer_id: UUID
    email_index: str = ""


class BuyersOrder(View, frozen=True, kw_only=True):
    """``contracts.shop.Order`` as far as referrals are concerned."""

    order_id: str
    currency: str
    test: bool
    financial_status: str
    created_at: Instant
    updated_at: Instant
    subtotal: Decimal
    shipping: Decimal
    tax: Decimal
    cancelled_at: Instant | None = None
    customer: Buyer | None = None


class _Batch:
    """What a batch says, gathered by member; guests and test orders are left out."""

    def __init__(self, events: Iterable[Received[Any]]) -> None:
        self.orders: dict[MemberKey, dict[str, OrderFacts]] = defaultdict(dict)
        self.causes: dict[MemberKey, Received[Any]] = {}
        self.owners: set[tuple[AddressKey, UUID]] = set()
        self.by_address: dict[AddressKey, list[MemberKey]] = defaultdict(list)
        for event in events:
            match event.body:
                case BuyersOrder(customer=Buyer() as customer, test=False) as order:
                    member = MemberKey(event.merchant_id, customer.customer_id)
                    facts, known = _facts(order, customer), self.orders[member]
                    before = known.get(facts.order_id)
                    known[facts.order_id] = facts if before is None else merge(before, facts)
                    self.causes[member] = event
                    if customer.email_index:
                        address = AddressKey(event.merchant_id, customer.email_index)
                        self.by_address[address].append(member)
                case CustomerRecord(email_index=index) as account if index:
                    self.owners.add((AddressKey(event.merchant_id, index), account.customer_id))


async def apply_shop_events(unit: Unit[ReferralBook], events: Sequence[Received[Any]]) -> None:
    """Remember first orders and addresses; complete or block the referrals whose friend ordered.

    An order from before the claim that becomes known only after a later one has completed the
    referral changes nothing any more: the rewards are given.
    """
    batch = _Batch(events)
    if batch.orders:
        book = unit.stores
        await book.enter_orders({member.merchant_id for member in batch.orders})
        orders = {member: tuple(found.values()) for member, found in batch.orders.items()}
        news = await book.learn_orders(orders, REMEMBERED)
        for address, members in batch.by_address.items():
            batch.owners.update((address, each.customer_id) for each in members if each in news)
        await _settle(unit, batch)
    await unit.stores.learn_addresses(batch.owners)


async def _settle(unit: Unit[ReferralBook], batch: _Batch) -> None:
    waiting = await unit.stores.waiting(batch.orders, batch.by_address)
    if not waiting:
        return
    friends = {
        member
        for each in waiting
        if isinstance(each.referral, Claimed)
        for member in _friends(each, each.referral, batch)
    }
    known = await unit.stores.first_orders(friends)
    programs = await unit.stores.programs({each.merchant_id for each in waiting})
    now = unit.now()
    moves: list[Settled] = []
    causes: dict[UUID, Received[Any]] = {}
    rewarded: set[MemberKey] = set()
    for tracked in waiting:
        claimed = tracked.referral
        if not isinstance(claimed, Claimed):
            continue
        program = programs.get(tracked.merchant_id, _DEFAULTS)
        for member in _friends(tracked, claimed, batch):
            orders = _together(known.get(member, ()), batch.orders[member])
            moved = settle(tracked, member.customer_id, orders, program, now)
            if moved is None:
                continue
            if moved.event is REFERRAL_COMPLETED:
                if member in rewarded:  # took two codes, by account and by e-mail
                    moved = block(tracked, claimed, DuplicateReferral.code.lower(), now)
                rewarded.add(member)
            moves.append(moved)
            causes[tracked.referral.id] = batch.causes[member]
            break
    await carry_out(unit, moves, causes)


def _friends(tracked: Tracked, claimed: Claimed, batch: _Batch) -> Iterable[MemberKey]:
    """The members in the batch who may be the friend of this referral: by account, by address."""
    member = MemberKey(tracked.merchant_id, claimed.friend_id)
    if member in batch.orders:
        yield member
    if tracked.friend_index:
        yield from batch.by_address.get(AddressKey(tracked.merchant_id, tracked.friend_index), ())


def _together(known: Iterable[OrderFacts], news: Mapping[str, OrderFacts]) -> Iterable[OrderFacts]:
    """Remembered orders and those of the batch, each once, by all that is known of it."""
    by_id = {order.order_id: order for order in known}
    for order in news.values():
        before = by_id.get(order.order_id)
        by_id[order.order_id] = order if before is None else merge(before, order)
    return by_id.values()


async def apply_programs(unit: Unit[ReferralBook], events: Sequence[Received[Any]]) -> None:
    """Keep each shop's program at hand."""
    await unit.stores.learn_programs(newest_programs(events))


async def expire_overdue(units: Units[ReferralBook]) -> None:
    """Close the claims whose friend did not buy in time, once no order can come late any more."""
    while True:
        async with units() as unit:
            now = unit.now()
            overdue = await unit.stores.overdue(now - _LATE, _AT_ONCE)
            moves = [
                replace(tracked, referral=moved.referral)
                for tracked in overdue
                if isinstance(tracked.referral, Claimed)
                and (moved := machine.expire(tracked.referral, now)) is not None
            ]
            await unit.stores.move(moves)
        if len(overdue) < _AT_ONCE:
            return


def _facts(order: BuyersOrder, customer: Buyer) -> OrderFacts:
    return OrderFacts(
        order_id=order.order_id,
        customer_id=customer.customer_id,
        currency=order.currency,
        financial_status=order.financial_status,
        created_at=order.created_at,
        updated_at=order.updated_at,
        merchandise=order.subtotal,
        shipping=order.shipping,
        tax=order.tax,
        cancelled_at=order.cancelled_at,
    )
