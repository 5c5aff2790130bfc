"""The audit record: who did what to what, when, and why it was allowed to."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class ActorKind(StrEnum):
    STAFF = "staff"
    MEMBER = "member"
    ADMIN = "admin"
    SERVICE = "service"


class AuditRecord(NamedTuple):
    """One change. It is only ever added, never edited.

    ``actor`` is an id, never a name or address; ``action`` is the operation or event
    (``points.v1.Adjust``), ``subject`` the kind and id of what changed (``customer:0190...``).
    ``changes`` names fields with their value before and after, as events tell them, which hold no
    personal data. ``merchant_id`` is None for what concerns no shop.
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


class Change(NamedTuple):
    field: str
    before: str
    after: str
