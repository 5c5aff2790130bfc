"""The wallet: what a member's entries add up to, and what an adjustment by hand may do to it."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.errors import Kind, LoyaltyError
from domain.points.ledger import EntryDraft, EntryKind, Source

MAX_ADJUSTMENT = 1_000_000


class InsufficientPoints(LoyaltyError):
    code = "INSUFFICIENT_POINTS"
    kind = Kind.REFUSED
    title = "The wallet does not hold that many spendable points."


class InvalidPoints(LoyaltyError):
    code = "INVALID_POINTS"
    kind = Kind.INVALID
    title = "Points are whole, not zero, and at most a million at a time."


class Wallet(NamedTuple):
    """A member's points. ``spendable`` may be negative after an unlimited claw-back; ``spent`` and
    ``expired`` count up. Total and lifetime follow from the four, so they can never disagree."""

    spendable: int = 0
    pending: int = 0
    spent: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.spendable + self.pending

    @property
    def lifetime(self) -> int:
        """Every point ever given, less what was corrected: a claw-back or a manual debit lowers
        it, spending and expiry do not."""
        return self.spendable + self.pending + self.spent + self.expired


EMPTY = Wallet()


def together(wallets: Iterable[Wallet]) -> Wallet:
    """The wallets of one person, who was several members once, as one."""
    spendable = pending = spent = expired = 0
    for each in wallets:
        spendable += each.spendable
        pending += each.pending
        spent += each.spent
        expired += each.expired
    return Wallet(spendable, pending, spent, expired)


def apply(wallet: Wallet, entry: EntryDraft) -> Wallet:
    """The wallet after ``entry``. A reversal undoes the kind of entry it names: reversing a
    redemption lowers ``spent``, reversing an earn lowers ``lifetime``."""
    points = entry.points
    spendable, pending = wallet.spendable, wallet.pending
    if entry.pending:
        pending += points
    else:
        spendable += points
    kind = entry.reverses or entry.kind
    spent = wallet.spent - points if kind is EntryKind.REDEEM else wallet.spent
    expired = wallet.expired - points if kind is EntryKind.EXPIRE else wallet.expired
    return Wallet(spendable, pending, spent, expired)


def adjustment(wallet: Wallet, points: int, reason: str, request_key: str) -> EntryDraft:
    """The entry for a correction by hand: ``points`` whole, not zero, within a million.

    Raises InvalidPoints, or InsufficientPoints for a debit beyond the spendable points: a claw-back
    may leave a wallet negative, a person may not.
    """
    if type(points) is not int or points == 0 or abs(points) > MAX_ADJUSTMENT:
        raise InvalidPoints
    if points < 0 and wallet.spendable + points < 0:
        raise InsufficientPoints
    return EntryDraft(
        kind=EntryKind.ADJUST,
        points=points,
        reason=reason,
        source=Source.ADJUST,
        source_ref=request_key,
        rule="",
    )
