"""Whether the orders of a friend complete a claimed referral: the same answer at the claim and at
every later order, whichever of them is seen first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import replace as replace_fields

from contracts.kit import Body, Event
from contracts.referrals import REFERRAL_BLOCKED, REFERRAL_COMPLETED, ReferralChanged
from domain.points.orders import OrderFacts
from domain.program import EarnOn, ProgramSettings
from domain.referrals import machine
from domain.referrals.errors import NotFirstOrder, SelfReferral
from domain.referrals.events import ReferralCompleted
from domain.referrals.machine import Rejected
from domain.referrals.states import Claimed, Completed, state_name
from ports.events import Received
from ports.referrals import ReferralBook, Tracked
from ports.unit import Unit
from services.referrals.friends import friend_of


@dataclass(frozen=True, slots=True)
class Settled:
    """A referral after its last move, and what the mesh is to hear of it."""

    tracked: Tracked
    event: Event[Body]
    body: ReferralChanged


def settle(
    tracked: Tracked,
    friend_id: UUID,
    orders: Iterable[OrderFacts],
    program: ProgramSettings,
    at: datetime,
) -> Settled | None:
    """What the orders of the member ``friend_id`` make of the referral they claimed.

    The earliest order since the claim that reaches the minimum spend completes it. Blocked when
    the friend turns out to be the advocate, or had bought before and only new customers count.
    None while neither is so. Cancelled and test orders are none.
    """
    if not isinstance(tracked.referral, Claimed):
        return None
    claimed = replace(tracked.referral, friend_id=friend_id)
    if friend_id == claimed.advocate_id:
        return block(tracked, claimed, SelfReferral.code.lower(), at)
    counting = sorted(
        (order for order in orders if not order.cancelled and not order.test),
        key=lambda order: (order.created_at, order.order_id),
    )
    if program.referral.new_customers_only and has_bought(counting, claimed.claimed_at):
        return block(tracked, claimed, NotFirstOrder.code.lower(), at)
    for order in counting:
        if order.created_at < _whole_second(claimed.claimed_at):
            continue
        if program.earn_on is EarnOn.PAID and not order.paid:
            continue
        amount = _spend(order, program)
        qualified = machine.qualify(
            claimed,
            program.referral,
            order_id=order.order_id,
            spend=amount,
            first_order=True,
            at=order.created_at,
        )
        if not isinstance(qualified, Rejected):
            done = machine.complete(qualified.referral, program.referral, at)
            return _completed(tracked, done.referral, done.event, amount)
    return None


def has_bought(orders: Iterable[OrderFacts], before: datetime) -> bool:
    """Whether one of the orders, neither cancelled nor a test, was placed before that instant."""
    limit = _whole_second(before)
    return any(
        order.created_at < limit for order in orders if not order.cancelled and not order.test
    )


def block(tracked: Tracked, claimed: Claimed, reason: str, at: datetime) -> Settled:
    """``reason`` is the slug of what does not qualify."""
    moved = machine.block(claimed, reason, at)
    after = replace(tracked, referral=moved.referral)
    return Settled(after, REFERRAL_BLOCKED, replace_fields(changed(after, at), reason=reason))


def _completed(
    tracked: Tracked, referral: Completed, event: ReferralCompleted, amount: Decimal
) -> Settled:
    after = replace(tracked, referral=referral)
    body = replace_fields(
        changed(after, event.at),
        order_id=event.order_id,
        advocate_points=event.advocate_points,
        friend_points=event.friend_points,
        order_amount=amount,
    )
    return Settled(after, REFERRAL_COMPLETED, body)


def changed(tracked: Tracked, at: datetime) -> ReferralChanged:
    """What the mesh hears of any move."""
    referral = tracked.referral
    return ReferralChanged(
        referral_id=referral.id,
        advocate_id=referral.advocate_id,
        friend_id=friend_of(tracked),
        state=state_name(referral),
        occurred_at=at,
    )


async def carry_out(
    unit: Unit[ReferralBook],
    settled: Sequence[Settled],
    causes: Mapping[UUID, Received[Any]] | None = None,
) -> None:
    """Store the moves, and say those that nobody else had made first. ``causes`` tells which
    event led to which, by referral."""
    done = await unit.stores.move([each.tracked for each in settled])
    for each in settled:
        referral_id = each.tracked.referral.id
        if referral_id in done:
            cause = causes.get(referral_id) if causes else None
            unit.emit(each.event, each.body, each.tracked.merchant_id, cause=cause)


def _spend(order: OrderFacts, program: ProgramSettings) -> Decimal:
    """What of the order counts (shop currency): its merchandise, and what the program adds."""
    amount = order.merchandise
    if program.spend.include_shipping:
        amount += order.shipping
    if program.spend.include_tax:
        amount += order.tax
    return amount


def _whole_second(at: datetime) -> datetime:
    """Shopify tells the time of an order in whole seconds; a claim just before it must count."""
    return at.replace(microsecond=0)
