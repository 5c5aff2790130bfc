"""The ledger: what an entry is, and which entries an order still owes its member's wallet."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from domain.errors import Kind, LoyaltyError
from domain.points.bonus import NOBODY_SPECIAL, Buyer
from domain.points.clawback import clawback_target
from domain.points.earning import RuleSnapshot, purchase_points, reprice
from domain.points.earning_limits import Counted
from domain.points.lot import Share, still_out
from domain.points.orders import OrderFacts, RefundFacts
from domain.program import EarnOn, ProgramSettings, RefundPolicy


class EntryKind(StrEnum):
    EARN = "earn"
    REDEEM = "redeem"
    ADJUST = "adjust"
    REFUND = "refund"
    EXPIRE = "expire"
    REFERRAL = "referral"
    CAMPAIGN = "campaign"
    BADGE = "badge"
    IMPORT = "import"
    POS = "pos"
    TRANSFER = "transfer"
    REVERSAL = "reversal"


class Source(StrEnum):
    """Where an entry comes from; with ``source_ref`` it says what exactly it is the answer to."""

    ORDER = "order"
    """What an order earned. Reference: the order's id."""
    EDIT = "edit"
    """What an edited order earns more or less. Reference: the order's id; lines 1, 2, ..."""
    REFUND = "refund"
    """What a refund took back. Reference: the refund's id."""
    CANCEL = "cancel"
    """What a cancellation took back. Reference: the order's id."""
    RECOUNT = "recount"
    """How an edit changed the share of earlier refunds. Reference and lines as for EDIT."""
    RELEASE = "release"
    """Pending points became spendable. Reference: the order's id."""
    SIGNUP = "signup"
    """Becoming a member. Reference: the customer's id at Shopify."""
    ACTIVITY = "activity"
    """Something else a member did. Reference: what it is known by where it was done."""
    BIRTHDAY = "birthday"
    """A member's birthday. Reference: the member's id; the line is the calendar year."""
    ADJUST = "adjust"
    """A correction by hand. Reference: the request's idempotency key."""
    REDEEM = "redeem"
    """Points spent on a reward. Reference: the redemption's id."""
    REDEMPTION = "redemption"
    """What became of them later: a reversal of all of them, or its opposite. Reference: the
    redemption's id; the rule says why."""
    MERGE = "merge"
    """Points moved from the wallet of a merged member. Reference: the member's id."""
    POOL = "pool"
    """Points moved between stores of one organisation, to be spent. Reference: what for, the id of
    the entry that spends them. The rule is the other store's id, the line says in which direction.
    """
    EXPIRE = "expire"
    """What was left of a lot when it expired. Reference: the lot's id."""
    REVERSAL = "reversal"
    """An entry undone by hand. Reference: its id; the line is its source."""


_EARNED = frozenset((Source.ORDER, Source.EDIT))
_CLAWED = frozenset((Source.REFUND, Source.CANCEL, Source.RECOUNT))


class MissingSnapshot(LoyaltyError):
    """An earn entry lost the rule it was earned by, so nothing can be taken back from it."""

    code = "MISSING_RULE_SNAPSHOT"
    kind = Kind.INTERNAL
    title = "A ledger entry has no record of its rule."


class EntryDraft(NamedTuple):
    """A ledger entry before the store gives it an id and a time; a posted one reads the same.

    ``points`` are signed and move the pending or the spendable points. ``key`` is unique per
    merchant. ``order_id`` names the order an entry belongs to, "" for none. ``waived`` counts
    points that a claw-back should have taken and the refund policy let go. ``reverses`` says, on
    a REVERSAL, the kind of the entry it undoes.

    ``uses`` says of a posted debit which lots paid it. Of a credit it says into which lots points
    go back, each no more than it had paid; once posted, into which they went. ``undoes`` is the id
    of an entry of the same member that this one undoes, which can be done once: a debit's points go
    back to the lots that paid it, a credit's are first taken from the lot it opened.
    """

    kind: EntryKind
    points: int
    reason: str
    source: str
    source_ref: str
    rule: str
    line: str = ""
    pending: bool = False
    order_id: str = ""
    waived: int = 0
    snapshot: RuleSnapshot | None = None
    reverses: EntryKind | None = None
    uses: tuple[Share, ...] = ()
    undoes: UUID | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes an entry the same entry within one merchant's ledger."""
        return (self.source, self.source_ref, self.rule, self.line)


def signup_entry(settings: ProgramSettings, shopify_customer_id: str) -> EntryDraft | None:
    """The points for becoming a member, None when the program gives none."""
    rule = settings.signup
    if not rule.enabled or rule.points == 0:
        return None
    return EntryDraft(
        kind=EntryKind.EARN,
        points=rule.points,
        reason="signup",
        source=Source.SIGNUP,
        source_ref=shopify_customer_id,
        rule=rule.id,
    )


def due_entries(
    facts: OrderFacts,
    refunds: Iterable[RefundFacts],
    posted: Iterable[EntryDraft],
    settings: ProgramSettings,
    *,
    buyer: Buyer = NOBODY_SPECIAL,
    spendable: int = 0,
    room: int | None = None,
    terms: RuleSnapshot | None = None,
) -> list[EntryDraft]:
    """What must still be posted for one order, given everything known about it; [] when settled.

    ``refunds`` and ``posted`` may hold those of other orders, they are passed over. After posting
    the answer the next one is []. Any order and any repetition of deliveries ends at the same net
    points, because the answer is always the difference between what is and what should be:

    - Nothing, while the order has not earned and does not (test order, not paid or fulfilled where
      the program waits for that, cancelled before it earned).
    - Once earned, terms come from the earn entry's snapshot and never from ``settings``. An edited
      order is priced again by them.
    - Refunds take back up to ``clawback_target``, each under its own reference; a cancellation
      takes the rest.
    - What was undone by hand stays so: an order whose earning was undone ends at 0, whatever comes,
      and what was given back of a claw-back is not taken again.

    ``spendable`` is the wallet's balance, read only under ``RefundPolicy.WITHIN_BALANCE``; that
    policy and ONLY_PENDING depend on when a refund comes, so only UNLIMITED promises the same
    end for every order of events. ``buyer`` is what is known of the member at the time of earning;
    nothing else asks for it. ``room`` is what the purchase rule's limits leave the member on the
    day of the order, None where nothing bounds it; where an order has earned within limits, an edit
    adds no more than that. ``terms`` are ``terms_of(settings)``, where they are known already.
    Raises CurrencyMismatch, MissingSnapshot.
    """
    if facts.test:
        return []
    own = [entry for entry in posted if entry.order_id == facts.order_id]
    back = [refund for refund in refunds if refund.order_id == facts.order_id]
    earn = next((entry for entry in own if entry.source == Source.ORDER), None)
    due: list[EntryDraft] = []
    if earn is None:
        earn = _earn(facts, settings, buyer, room, terms)
        if earn is None:
            return []
        if not own and not back:
            return [earn]  # as nearly always: there is nothing yet that could change it
        due.append(earn)
        own.append(earn)
    if earn.snapshot is None:
        raise MissingSnapshot

    pending = earn.pending and not any(entry.source == Source.RELEASE for entry in own)
    terms = reprice(earn.snapshot, facts)
    if terms.cap is not None and room is not None and not due:
        most = room + sum(entry.points for entry in own if entry.source in _EARNED)
        terms = terms._replace(points=min(terms.points, most))
    # A cancelled order gives everything back, whatever it amounts to now.
    if not facts.cancelled or _is_undone(own):
        edit = _edit(facts.order_id, own, terms, pending)
        if edit is not None:
            due.append(edit)
            own.append(edit)
    allowed = None  # what the policy lets a claw-back take; None is everything
    if settings.refund_policy is not RefundPolicy.UNLIMITED and not pending:
        allowed = 0
        if settings.refund_policy is RefundPolicy.WITHIN_BALANCE:
            allowed = max(0, spendable + sum(entry.points for entry in due))
    due += _claw_backs(facts, back, own, terms, pending, allowed)
    # What comes back is in its lots before anything is taken: what adds up to nothing moves nothing
    # from one lot to another.
    return sorted(due, key=lambda draft: draft.points < 0)


def earned_by(due: Iterable[EntryDraft]) -> Counted:
    """What of an order's entries counts towards limits on earning: what it earned, and what edits
    made of that. What is taken back for refunds was earned all the same."""
    earned = [draft for draft in due if draft.source in _EARNED]
    return Counted(
        sum(draft.source == Source.ORDER for draft in earned), sum(draft.points for draft in earned)
    )


def release(order_id: str, posted: Iterable[EntryDraft]) -> list[EntryDraft]:
    """The two entries that make an order's pending points spendable, once their time has come.

    [] when nothing of the order is pending. Together they add up to 0.
    """
    waiting = [entry for entry in posted if entry.order_id == order_id and entry.pending]
    points = sum(entry.points for entry in waiting)
    if points <= 0:
        return []

    def half(line: str, amount: int, *, pending: bool) -> EntryDraft:
        return EntryDraft(
            kind=EntryKind.TRANSFER,
            points=amount,
            reason="released",
            source=Source.RELEASE,
            source_ref=order_id,
            rule=waiting[0].rule,
            line=line,
            pending=pending,
            order_id=order_id,
        )

    return [half("pending", -points, pending=True), half("spendable", points, pending=False)]


def _earn(
    facts: OrderFacts,
    settings: ProgramSettings,
    buyer: Buyer,
    room: int | None,
    terms: RuleSnapshot | None,
) -> EntryDraft | None:
    if facts.cancelled or earning_moment(settings.earn_on, facts) is None:
        return None
    points, snapshot = purchase_points(settings, facts, buyer, room, terms)
    if points == 0:
        return None
    return EntryDraft(
        kind=EntryKind.EARN,
        points=points,
        reason="purchase",
        source=Source.ORDER,
        source_ref=facts.order_id,
        rule=snapshot.rule,
        pending=settings.pending_days > 0,
        order_id=facts.order_id,
        snapshot=snapshot,
    )


def earning_moment(moment: EarnOn, facts: OrderFacts) -> datetime | None:
    """When the moment came at which the program lets an order earn; None: not yet."""
    match moment:
        case EarnOn.CREATED:
            return facts.created_at
        case EarnOn.PAID:
            return facts.paid_at
        case EarnOn.FULFILLED:
            return facts.fulfilled_at


def _edit(
    order_id: str, own: list[EntryDraft], terms: RuleSnapshot, pending: bool
) -> EntryDraft | None:
    """The difference an edited order makes to what it earned, None for none."""
    difference = terms.points - sum(entry.points for entry in own if entry.source in _EARNED)
    if _is_undone(own):
        difference = -_standing(own, _EARNED)
    if difference == 0:
        return None
    more = difference > 0
    return EntryDraft(
        kind=EntryKind.EARN if more else EntryKind.REVERSAL,
        points=difference,
        reason="order_edited",
        source=Source.EDIT,
        source_ref=order_id,
        rule=terms.rule,
        line=_next_line(own, Source.EDIT),
        pending=pending,
        order_id=order_id,
        snapshot=terms,
        reverses=None if more else EntryKind.EARN,
    )


def _is_undone(own: Iterable[EntryDraft]) -> bool:
    """Whether what the order earned was undone by hand."""
    return any(entry.source == Source.REVERSAL and entry.line == Source.ORDER for entry in own)


def _standing(own: Iterable[EntryDraft], sources: frozenset[Source]) -> int:
    """The points of all entries from these sources, less those of them that were undone by hand."""
    return sum(
        entry.points
        for entry in own
        if entry.source in sources or (entry.source == Source.REVERSAL and entry.line in sources)
    )


def _claw_backs(
    facts: OrderFacts,
    refunds: Iterable[RefundFacts],
    own: list[EntryDraft],
    terms: RuleSnapshot,
    pending: bool,
    allowed: int | None,
) -> list[EntryDraft]:
    """The claw-backs still missing. Each step is the distance to its cumulative target."""
    # Below nothing where more was undone by hand than an edit left; of that nothing can be taken.
    earned = max(0, _standing(own, _EARNED))
    taken = -_standing(own, _CLAWED)
    settled = sum(entry.waived - entry.points for entry in own if entry.source in _CLAWED)
    due: list[EntryDraft] = []
    for step in _steps(facts, refunds, own, terms, earned):
        owed = step.target - settled
        # Only a recount gives points back, and a step that owes nothing leaves no trace.
        if owed == 0 or (owed < 0 and step.source is not Source.RECOUNT):
            continue
        points = owed if allowed is None else min(owed, allowed)
        points = max(points, -taken)  # what was waived was never taken, so it cannot come back
        if allowed is not None:
            allowed -= points
        taken += points
        settled = step.target
        paid = (entry.uses for entry in own if entry.points < 0)
        given_back = (entry.uses for entry in own if entry.points > 0)
        due.append(
            EntryDraft(
                kind=EntryKind.REFUND,
                points=-points,
                reason=step.reason,
                source=step.source,
                source_ref=step.source_ref,
                rule=terms.rule,
                line=step.line,
                pending=pending,
                order_id=facts.order_id,
                waived=owed - points,
                snapshot=terms,
                uses=still_out(chain(*paid), chain(*given_back)) if points < 0 else (),
            )
        )
    return due


class _Step(NamedTuple):
    """A reason to take points back, and how many must be settled in total once it has acted."""

    reason: str
    source: Source
    source_ref: str
    line: str
    target: int


def _steps(
    facts: OrderFacts,
    refunds: Iterable[RefundFacts],
    own: list[EntryDraft],
    terms: RuleSnapshot,
    earned: int,
) -> Iterator[_Step]:
    order_id = facts.order_id
    known: dict[str, RefundFacts] = {}
    for refund in refunds:
        # Should one refund be told twice with two amounts, the larger counts, in any order.
        told = known.get(refund.refund_id)
        if told is None or told.merchandise < refund.merchandise:
            known[refund.refund_id] = refund
    answered = {entry.source_ref for entry in own if entry.source == Source.REFUND}
    refunded = sum((known[key].merchandise for key in known.keys() & answered), Decimal(0))
    fresh = [refund for refund in known.values() if refund.refund_id not in answered]
    for refund in sorted(fresh, key=lambda refund: (refund.created_at, refund.refund_id)):
        refunded += refund.merchandise
        target = min(clawback_target(terms, refunded), earned)
        yield _Step("refund", Source.REFUND, refund.refund_id, "", target)
    target = min(clawback_target(terms, refunded), earned)
    if facts.cancelled:
        target = earned
        if not any(entry.source == Source.CANCEL for entry in own):
            yield _Step("order_cancelled", Source.CANCEL, order_id, "", target)
    yield _Step("order_edited", Source.RECOUNT, order_id, _next_line(own, Source.RECOUNT), target)


def _next_line(own: list[EntryDraft], source: Source) -> str:
    return str(1 + sum(entry.source == source for entry in own))
