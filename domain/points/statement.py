"""What a line of a statement says: the wallet after it, and in plain words why it is there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from domain.money import Rounding, exponent, is_currency
from domain.points.bonus import ONE, Bonus
from domain.points.earning import RuleSnapshot
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.wallet import Wallet, apply

_ROUNDED: Final = {
    Rounding.DOWN: "rounded down",
    Rounding.UP: "rounded up",
    Rounding.HALF_UP: "rounded to the nearest",
    Rounding.HALF_EVEN: "rounded to the nearest, halves to even",
}
_OF_KIND: Final = {
    EntryKind.EARN: "Earned",
    EntryKind.REDEEM: "Spent on a reward",
    EntryKind.ADJUST: "Corrected by hand",
    EntryKind.REFUND: "Taken back",
    EntryKind.EXPIRE: "Expired",
    EntryKind.REFERRAL: "For a referral",
    EntryKind.CAMPAIGN: "From a campaign",
    EntryKind.BADGE: "For a badge",
    EntryKind.IMPORT: "Brought along from another program",
    EntryKind.POS: "Earned at a till",
    EntryKind.TRANSFER: "Moved",
    EntryKind.REVERSAL: "Undone",
}
_OF_SOURCE: Final = {
    Source.SIGNUP: "For becoming a member",
    Source.BIRTHDAY: "For a birthday",
    Source.CANCEL: "Taken back because the order was cancelled",
    Source.REFUND: "Taken back for a refund",
    Source.RECOUNT: "Counted anew what refunds take back, because the order was edited",
    Source.RELEASE: "Waiting points became spendable",
    Source.MERGE: "Moved between two accounts of one member",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A posted entry; ``undone_by`` is the entry that undid it later, ``currency`` that of the
    order it belongs to, empty for none."""

    entry_id: UUID
    draft: EntryDraft
    at: datetime
    undone_by: UUID | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry, the wallet after it and what it says for itself."""

    entry: Entry
    wallet: Wallet
    words: str


def lines(opening: Wallet, entries: Iterable[Entry]) -> Iterator[Line]:
    """``entries`` one after another, beginning with the wallet before the first of them."""
    wallet = opening
    for entry in entries:
        wallet = apply(wallet, entry.draft)
        yield Line(entry, wallet, in_words(entry.draft, entry.currency))


def in_words(draft: EntryDraft, currency: str) -> str:
    """Why an entry is there, without anything about a person."""
    said = _cause(draft)
    if draft.snapshot is not None and draft.source in (Source.ORDER, Source.EDIT):
        said = f"{said}: {terms_in_words(draft.snapshot, currency)}"
    if draft.waived > 0:
        said = f"{said}; {_points(draft.waived)} more were not asked back"
    return f"{said} (waiting)" if draft.pending and draft.source != Source.RELEASE else said


def _cause(draft: EntryDraft) -> str:
    match draft.source:
        case Source.ORDER:
            return f"Order {draft.source_ref}"
        case Source.EDIT:
            return f"Order {draft.source_ref} was edited"
        case Source.CANCEL | Source.REFUND | Source.RECOUNT if draft.order_id:
            return f"{_OF_SOURCE[Source(draft.source)]} (order {draft.order_id})"
        case Source.ACTIVITY:
            return f"For an activity ({draft.rule})"
        case Source.POOL:
            return "Moved here from another store" if draft.points > 0 else "Moved to another store"
        case Source.REDEMPTION:
            return (
                "A redemption was undone" if draft.points > 0 else "A redemption stands after all"
            )
    if draft.undoes is not None:
        return f"Undoes an entry: {draft.reverses or draft.kind}"
    try:
        return _OF_SOURCE[Source(draft.source)]
    except (KeyError, ValueError):
        return _OF_KIND[draft.kind]


def terms_in_words(terms: RuleSnapshot, currency: str) -> str:
    """What an order earned by, such as "1 point per 1.00 USD on 393.00 USD, Gold ×1.25, rounded
    down"."""
    if terms.fixed:
        said = [f"{_points(terms.fixed)} per order"]
    else:
        one, spend = _amount(ONE, currency), _amount(terms.base, currency)
        said = [f"{_points(terms.rate)} per {one} on {spend}"]
    said += [_bonus(each) for each in terms.bonuses]
    if len(terms.bonuses) > 1:
        said.append("the greatest of them" if terms.overlap == "best" else "all of them")
    if terms.cap is not None and terms.points >= terms.cap:
        return ", ".join([*said, f"limited to {_points(terms.cap)}"])
    return ", ".join([*said, _ROUNDED[terms.rounding]])


def _bonus(bonus: Bonus) -> str:
    sort, _, name = bonus.id.partition(":")
    called = name if sort == "tier" else f"bonus {bonus.id}"
    some = "" if bonus.goods.everything else " on some of the goods"
    return f"{called} ×{_plain(bonus.factor)}{some}"


def _points(points: int | Decimal) -> str:
    return f"{_plain(Decimal(points))} point{'' if points == 1 else 's'}"


def _plain(number: Decimal) -> str:
    """Without zeros at the end or an exponent."""
    return f"{number.normalize():f}"


def _amount(amount: Decimal, currency: str) -> str:
    """In the currency's own decimals, and more where there are more."""
    if not is_currency(currency):
        return _plain(amount)
    decimals = max(exponent(currency), -int(amount.normalize().as_tuple().exponent))
    return f"{amount:.{decimals}f} {currency}"
