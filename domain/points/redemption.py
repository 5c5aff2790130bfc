"""A redemption: what a member has bought with points, from the reservation to its use or return.

Every step is a function of the redemption as it is, which answers what it becomes and what that
does to points and stock, or None where there is nothing (more) to be done: a repeat, or something
that was quicker. Points leave the wallet once, when it is reserved, and come back at most once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import Kind, LoyaltyError
from domain.points.benefits import CODED, Benefit, GiftCard, StoreCredit
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.rewards import Bought, Reward


class NotCancellable(LoyaltyError):
    code = "REDEMPTION_NOT_CANCELLABLE"
    kind = Kind.CONFLICT
    title = "This redemption cannot be taken back."


class RedemptionState(StrEnum):
    """``reserved``: the points are taken, Shopify has nothing yet. ``issuing``: it was asked, and
    what came of it is not known. ``in_doubt``: that was never found out, staff has to.
    ``completed``: the member has it. ``withdrawing``: it is being made worthless, to be cancelled
    or because it ran out. ``released``: Shopify refused. ``used``: an order carries the code.
    ``returned``: that order went back whole."""

    RESERVED = "reserved"
    ISSUING = "issuing"
    IN_DOUBT = "in_doubt"
    COMPLETED = "completed"
    WITHDRAWING = "withdrawing"
    RELEASED = "released"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    USED = "used"
    RETURNED = "returned"


_S = RedemptionState
TRANSITIONS: Final[Mapping[RedemptionState, frozenset[RedemptionState]]] = {
    _S.RESERVED: frozenset((_S.ISSUING, _S.CANCELLED, _S.USED)),
    _S.ISSUING: frozenset(
        (_S.RESERVED, _S.ISSUING, _S.COMPLETED, _S.RELEASED, _S.IN_DOUBT, _S.USED)
    ),
    _S.IN_DOUBT: frozenset((_S.ISSUING, _S.COMPLETED, _S.RELEASED, _S.CANCELLED, _S.USED)),
    _S.COMPLETED: frozenset((_S.WITHDRAWING, _S.EXPIRED, _S.USED)),
    _S.WITHDRAWING: frozenset((_S.COMPLETED, _S.CANCELLED, _S.EXPIRED, _S.USED)),
    # The shop says that a code was used after all: it did not tell in time.
    _S.RELEASED: frozenset((_S.USED,)),
    _S.CANCELLED: frozenset((_S.USED,)),
    _S.EXPIRED: frozenset((_S.USED,)),
    _S.USED: frozenset((_S.RETURNED,)),
    _S.RETURNED: frozenset(),
}
"""Where a redemption may go from each state."""

_ENDED: Final = frozenset((_S.RELEASED, _S.CANCELLED, _S.EXPIRED, _S.USED, _S.RETURNED))

FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(minutes=15)
GIVE_UP: Final = timedelta(hours=24)
"""How long Shopify is asked to issue something."""
UNREACHED: Final = "Shopify could not be asked."
MOST_TRIES: Final = 100
"""To withdraw what is over anyway; about a day of them."""


@dataclass(frozen=True, slots=True)
class Redemption:
    """A member's purchase of a reward, by the terms of that moment.

    ``points`` were paid by the entry ``paid_by`` and are ``taken`` until they come back;
    ``took_stock`` likewise.
    ``ends_at`` is when the code runs out. ``due_at`` is when something is to be done next, and
    ``tries`` counts how often that was tried. ``external_id`` is Shopify's, "" while not known;
    ``order_id`` the order that carries the code. ``reason`` says in words why it was released. A
    withdrawal is ``for_expiry``, or a cancellation. ``code_digest`` finds it by its code; "" of
    what has none.
    """

    merchant_id: UUID
    redemption_id: UUID
    customer_id: UUID
    shopify_customer_id: str
    reward_id: UUID
    reward_version: int
    title: str
    benefit: Benefit
    points: int
    paid_by: UUID
    state: RedemptionState
    created_at: datetime
    ends_at: datetime | None
    due_at: datetime | None
    sealed_code: str = field(repr=False)
    code_digest: str = field(repr=False)
    returns_on_expiry: bool = False
    member_may_cancel: bool = False
    taken: bool = True
    took_stock: bool = False
    tries: int = 0
    external_id: str = ""
    order_id: str = ""
    reason: str = ""
    for_expiry: bool = False

    @property
    def is_issued(self) -> bool:
        """Whether the member has it to use now."""
        return self.state in (RedemptionState.COMPLETED, RedemptionState.USED)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a redemption has become, the entries its wallet is owed for that, and whether its stock
    is there again."""

    redemption: Redemption
    entries: tuple[EntryDraft, ...] = ()
    stock_back: bool = False


class IllegalMove(LoyaltyError):
    """A fault of ours: every step looks where it comes from."""

    code = "ILLEGAL_REDEMPTION_MOVE"
    kind = Kind.INTERNAL
    title = "A redemption in this state cannot do that."


@dataclass(frozen=True, slots=True)
class NewRedemption:
    """What a new one is made of besides the reward: who takes it, and its code, closed."""

    redemption_id: UUID
    customer_id: UUID
    shopify_customer_id: str
    sealed_code: str = field(repr=False)
    code_digest: str = field(repr=False)


def reserve(reward: Reward, paid: Bought, new: NewRedemption, now: datetime) -> Moved:
    """The points leave the wallet."""
    terms = reward.terms
    coded = isinstance(paid.benefit, CODED)
    days = terms.code_days if coded or isinstance(paid.benefit, GiftCard) else None
    redemption = Redemption(
        merchant_id=reward.merchant_id,
        redemption_id=new.redemption_id,
        customer_id=new.customer_id,
        shopify_customer_id=new.shopify_customer_id,
        reward_id=reward.reward_id,
        reward_version=reward.version,
        title=terms.name,
        benefit=paid.benefit,
        points=paid.points,
        paid_by=new.redemption_id,
        state=RedemptionState.RESERVED,
        created_at=now,
        ends_at=None if days is None else now + timedelta(days=days),
        due_at=now + FIRST_WAIT,
        sealed_code=new.sealed_code,
        code_digest=new.code_digest if coded else "",
        returns_on_expiry=terms.returns_on_expiry,
        member_may_cancel=terms.member_may_cancel,
        took_stock=terms.stock is not None,
    )
    entry = EntryDraft(
        kind=EntryKind.REDEEM,
        points=-paid.points,
        reason="redeemed",
        source=Source.REDEEM,
        source_ref=str(new.redemption_id),
        rule=str(reward.reward_id),
    )
    return Moved(redemption, (entry,))


def begin(reserved: Redemption, now: datetime) -> Redemption:
    """Whoever reserves it is going to ask Shopify at once, by themselves; should they die, it is
    somebody else's turn FIRST_WAIT later."""
    return _asked(reserved, now + FIRST_WAIT)


def ask(redemption: Redemption, now: datetime, lease: timedelta) -> Moved | None:
    """Shopify is going to be asked to issue it; ``lease`` later it is somebody else's turn."""
    if redemption.state not in (RedemptionState.RESERVED, RedemptionState.ISSUING):
        return None
    return Moved(_asked(redemption, now + lease))


def _asked(redemption: Redemption, due_at: datetime) -> Redemption:
    asked = _go(redemption, RedemptionState.ISSUING)
    return replace(asked, due_at=due_at, tries=redemption.tries + 1)


def complete(redemption: Redemption, external_id: str, now: datetime) -> Moved | None:
    """Shopify has issued it. What came to an end meanwhile is withdrawn."""
    known = replace(redemption, external_id=external_id)
    match redemption.state:
        case RedemptionState.ISSUING | RedemptionState.IN_DOUBT:
            done = _go(known, RedemptionState.COMPLETED)
            return Moved(replace(done, due_at=redemption.ends_at, tries=0))
        case _ if redemption.external_id:
            return None
        case RedemptionState.RESERVED:
            return None
        case RedemptionState.USED:
            return Moved(known)
        case _:
            return Moved(replace(known, due_at=now))


def refuse(redemption: Redemption, reason: str) -> Moved | None:
    """Shopify will never issue it, and has not."""
    if redemption.state not in (RedemptionState.ISSUING, RedemptionState.IN_DOUBT):
        return None
    return _over(replace(redemption, reason=reason), RedemptionState.RELEASED)


def try_later(redemption: Redemption, now: datetime) -> Moved | None:
    """What was tried may or may not have worked: again after a while, longer each time."""
    state = redemption.state
    if state is RedemptionState.ISSUING and now >= redemption.created_at + GIVE_UP:
        doubtful = _go(redemption, RedemptionState.IN_DOUBT)
        return Moved(replace(doubtful, due_at=None))
    if redemption.due_at is None:
        return None
    if state in _ENDED and redemption.tries >= MOST_TRIES:
        return Moved(replace(redemption, due_at=None))
    if state is not RedemptionState.ISSUING:  # those were counted when they began
        redemption = replace(redemption, tries=redemption.tries + 1)
    return Moved(replace(redemption, due_at=now + _wait(redemption)))


def _wait(redemption: Redemption) -> timedelta:
    wait: timedelta = FIRST_WAIT * 2 ** min(redemption.tries, 20)
    return min(LONGEST_WAIT, wait)


def not_reached(redemption: Redemption, now: datetime, *, first: bool) -> Moved | None:
    """Shopify could not be asked. If none of the tries before had an unknown end (``first``),
    nothing was issued, and the points can go back when it has lasted too long. Store credit takes
    several questions, so there the last of them says nothing of those before."""
    known = first and not isinstance(redemption.benefit, StoreCredit)
    if redemption.state is not RedemptionState.ISSUING or not known:
        return try_later(redemption, now)
    if now >= redemption.created_at + GIVE_UP:
        return _over(replace(redemption, reason=UNREACHED), RedemptionState.RELEASED)
    return Moved(replace(_go(redemption, RedemptionState.RESERVED), due_at=now + _wait(redemption)))


def ask_again(redemption: Redemption, now: datetime) -> Moved | None:
    """Staff wants to know after all what became of one in doubt."""
    if redemption.state is not RedemptionState.IN_DOUBT:
        return None
    again = _go(redemption, RedemptionState.ISSUING)
    return Moved(replace(again, due_at=now + FIRST_WAIT, tries=0))


def cancel(redemption: Redemption, now: datetime, *, by_member: bool) -> Moved | None:
    """Take it back. What Shopify has issued is withdrawn first; None while that is going on, and
    for what was cancelled before. One in doubt goes back at once: staff has looked.

    Raises NotCancellable.
    """
    if by_member and not redemption.member_may_cancel:
        raise NotCancellable("Members cannot give this reward back.")
    match redemption.state:
        case RedemptionState.CANCELLED:
            return None
        case RedemptionState.WITHDRAWING if not redemption.for_expiry:
            return None
        case RedemptionState.RESERVED:
            return _over(redemption, RedemptionState.CANCELLED)
        case RedemptionState.IN_DOUBT if not by_member:
            return _over(redemption, RedemptionState.CANCELLED)
        case RedemptionState.COMPLETED:
            going = _go(redemption, RedemptionState.WITHDRAWING)
            return Moved(replace(going, due_at=now + FIRST_WAIT, for_expiry=False, tries=0))
        case RedemptionState.ISSUING:
            raise NotCancellable("It is being issued; try again in a moment.")
        case state:
            raise NotCancellable(f"It is {state}.")


def run_out(redemption: Redemption, now: datetime) -> Moved | None:
    """Its time is over. Where the points come back, Shopify is asked first whether it was used."""
    if redemption.state is not RedemptionState.COMPLETED:
        return None
    if redemption.ends_at is None or now < redemption.ends_at:
        return None
    if not redemption.returns_on_expiry:
        return Moved(replace(_go(redemption, RedemptionState.EXPIRED), due_at=None))
    going = _go(redemption, RedemptionState.WITHDRAWING)
    return Moved(replace(going, due_at=now + FIRST_WAIT, for_expiry=True, tries=0))


def withdrawn(redemption: Redemption, *, worthless: bool) -> Moved | None:
    """Shopify has made it ``worthless``; or it was used already, or cannot be taken back."""
    if redemption.state is not RedemptionState.WITHDRAWING:
        # What came to an end before it was known to be there.
        return None if redemption.due_at is None else Moved(replace(redemption, due_at=None))
    if worthless:
        over = RedemptionState.EXPIRED if redemption.for_expiry else RedemptionState.CANCELLED
        return _over(redemption, over)
    if redemption.for_expiry:
        return Moved(replace(_go(redemption, RedemptionState.EXPIRED), due_at=None))
    back = _go(redemption, RedemptionState.COMPLETED)
    return Moved(replace(back, due_at=redemption.ends_at, tries=0))


def use(redemption: Redemption, order_id: str, entry_id: UUID) -> Moved | None:
    """An order carries the code, whatever was thought of it before. Points that came back are taken
    again, by the entry ``entry_id``, if that has to be beyond what the wallet holds."""
    if redemption.state in (RedemptionState.USED, RedemptionState.RETURNED):
        return None
    used = replace(
        _go(redemption, RedemptionState.USED), order_id=order_id, due_at=None, taken=True
    )
    if redemption.taken:
        return Moved(used)
    entry = EntryDraft(
        kind=EntryKind.REDEEM,
        points=-redemption.points,
        reason="used_after_return",
        source=Source.REDEMPTION,
        source_ref=str(redemption.redemption_id),
        rule="used",
    )
    return Moved(replace(used, paid_by=entry_id), (entry,))


def give_back(redemption: Redemption, order_id: str, now: datetime) -> Moved | None:
    """The order that used the code went back whole, or was cancelled. Should the shop give the code
    another life for that, it is withdrawn."""
    if redemption.state is not RedemptionState.USED or redemption.order_id != order_id:
        return None
    moved = _over(redemption, RedemptionState.RETURNED)
    due_at = now if redemption.external_id else None
    return replace(moved, redemption=replace(moved.redemption, due_at=due_at, tries=0))


def _over(redemption: Redemption, state: RedemptionState) -> Moved:
    """It comes to an end, and the points come back."""
    entry = EntryDraft(
        kind=EntryKind.REVERSAL,
        points=redemption.points,
        reason=f"redemption_{state}",
        source=Source.REDEMPTION,
        source_ref=str(redemption.redemption_id),
        rule=state,
        reverses=EntryKind.REDEEM,
        undoes=redemption.paid_by,
    )
    over = replace(_go(redemption, state), due_at=None, taken=False, took_stock=False)
    return Moved(over, (entry,), stock_back=redemption.took_stock)


def _go(redemption: Redemption, state: RedemptionState) -> Redemption:
    if state not in TRANSITIONS[redemption.state]:
        raise IllegalMove
    return replace(redemption, state=state)


def went_back(facts: OrderFacts, refunds: Iterable[RefundFacts]) -> bool:
    """Whether an order was cancelled, or all that was paid for its merchandise was given back,
    shipping kept or not. Where nothing was paid for it, only a cancellation tells."""
    if facts.cancelled:
        return True
    known: dict[str, Decimal] = {}
    for refund in refunds:
        if refund.order_id == facts.order_id:
            # Should one refund be told twice with two amounts, the larger counts, in any order.
            before = known.get(refund.refund_id, refund.merchandise)
            known[refund.refund_id] = max(before, refund.merchandise)
    return 0 < facts.merchandise <= sum(known.values(), Decimal(0))
