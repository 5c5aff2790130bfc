"""The ledger's entries for activities and birthdays."""

from datetime import date
from uuid import UUID

from domain.points.activities import ActivityRule, BirthdayRule
from domain.points.ledger import EntryDraft, EntryKind, Source


def activity_entry(rule: ActivityRule, reference: str, points: int) -> EntryDraft:
    """``points`` for what ``reference`` names, which counts once in a shop."""
    return EntryDraft(
        kind=EntryKind.EARN,
        points=points,
        reason=rule.id,
        source=Source.ACTIVITY,
        source_ref=reference,
        rule=rule.id,
    )


def birthday_entry(rule: BirthdayRule, customer_id: UUID, day: date) -> EntryDraft:
    """The points for a birthday, of which there is one in a calendar year."""
    return EntryDraft(
        kind=EntryKind.EARN,
        points=rule.points,
        reason="birthday",
        source=Source.BIRTHDAY,
        source_ref=str(customer_id),
        rule=rule.id,
        line=str(day.year),
    )
