"""The audit record: who did what to what, when, and why it was allowed to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ActorKind(StrEnum):
    STAFF = "staff"
    MEMBER = "member"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change. It is only ever added, never edited.

    ``actor`` is an id, never a name or address; ``action`` is the operation or event
    (``points.v1.Adjust``), ``subject`` the kind and id of what changed (``customer:0190...``).
    ``changes`` names fields with their value before and after; fields that hold personal data
    carry only the fact that they changed (see ``changes_between``). ``merchant_id`` is None for
    what concerns no shop.
    """

    id: UUID
    at: datetime
    merchant_id: UUID | None
    actor_kind: ActorKind
    actor: str
    action: str
    subject: str
    changes: tuple["Change", ...] = ()
    reason: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    field: str
    before: str
    after: str


HIDDEN = "(hidden)"


def changes_between(
    before: Mapping[str, object], after: Mapping[str, object], *, personal: frozenset[str]
) -> tuple[Change, ...]:
    """The fields that differ, by name; the values of ``personal`` ones are not told. A field that
    is missing on one side reads as empty there."""
    found = []
    for field in sorted(before.keys() | after.keys()):
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        hide = field in personal
        found.append(Change(field, _text(old, hide=hide), _text(new, hide=hide)))
    return tuple(found)


def _text(value: object, *, hide: bool) -> str:
    if value is None:
        return ""
    return HIDDEN if hide else str(value)
