"""Bringing in what a shop had before it came: how far that is, and where it is brought in from."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from contracts.kit import Body


class ImportState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Kind(StrEnum):
    """All that there was before a shop came, once; or what has changed since, again and again, as
    webhooks do get lost."""

    HISTORY = "history"
    CHANGES = "changes"


class Phase(StrEnum):
    """What is brought in, one after the other: orders find their customers known."""

    CUSTOMERS = "customers"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A shop's newest import of its kind, of what has changed since ``since`` (None: all there is).
    ``export_id`` is the export at Shopify that is waited for or read,
    ``read_to`` the byte of it up to which all has been told; both begin anew with each phase.
    ``found``, ``customers``, ``orders`` and ``skipped`` count. ``tries`` failed since it last went
    on. ``claim`` changes with whoever works on it, so that one who was too slow keeps nothing."""

    merchant_id: UUID
    import_id: UUID
    started_at: datetime
    kind: Kind = Kind.HISTORY
    since: datetime | None = None
    state: ImportState = ImportState.WAITING
    phase: Phase = Phase.CUSTOMERS
    export_id: str = ""
    read_to: int = 0
    found: int = 0
    customers: int = 0
    orders: int = 0
    skipped: int = 0
    tries: int = 0
    problem: str = ""
    finished_at: datetime | None = None
    claim: int = 0


class Imports(Protocol):
    """Works inside one transaction."""

    async def begin(self, imports: Mapping[UUID, UUID], now: datetime) -> Sequence[UUID]:
        """Begin to import the history (the import's id by shop) where that is not under way;
        answers these shops."""
        ...

    async def follow(
        self, merchant_id: UUID, import_id: UUID, since: datetime, due_at: datetime
    ) -> None:
        """Import what has changed ``since``, from ``due_at`` on, instead of what was before."""
        ...

    async def find(self, merchant_id: UUID, kind: Kind) -> ImportRow | None: ...

    async def take_due(self, now: datetime, until: datetime, limit: int) -> Sequence[ImportRow]:
        """Imports of any shop that are to be worked on, for whoever takes them alone ``until``
        then."""
        ...

    async def keep(self, row: ImportRow, due_at: datetime | None) -> bool:
        """How far it is, and when to go on; False if somebody else has taken it since."""
        ...


class ExportState(StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    """Another one may succeed."""
    REFUSED = "refused"
    """Another one would fail, too."""


@dataclass(frozen=True, slots=True)
class Export:
    """``url`` is where the whole of a complete one is; empty when there is nothing in it.
    ``problem`` says in words why there is none."""

    state: ExportState
    found: int = 0
    url: str = ""
    problem: str = ""


class Told(NamedTuple):
    """One customer or order, as a webhook would tell of it; None for what nobody can understand.
    ``read_to`` is the byte behind it."""

    body: Body | None
    read_to: int


class ExportBusy(Exception):
    """Shopify works on as many exports of the shop as it does at once."""


class History(Protocol):
    """Asks a shop's Shopify; never from inside a transaction.

    All raise ``domain.errors.Unavailable`` when it cannot be asked now, AccessLost when the shop
    has taken our access away, and NotAllowed when it has not granted what this needs.
    """

    async def begin(self, merchant_id: UUID, phase: Phase, since: datetime | None) -> str:
        """Let Shopify export all that there is, or has changed since; its id. Raises
        ExportBusy."""
        ...

    async def look(self, merchant_id: UUID, export_id: str) -> Export: ...

    def read(
        self, merchant_id: UUID, phase: Phase, url: str, read_from: int, *, imported: bool
    ) -> AsyncIterator[Told]:
        """What a complete export holds from this byte on, one after the other. ``imported``: orders
        of long ago are told as such."""
        ...


class NotAllowed(Exception):
    """The shop has not granted LoyalNest what this needs."""


@dataclass(frozen=True, slots=True)
class Message:
    """``message_id`` is the same for every repeat."""

    subject: str
    payload: bytes
    message_id: str


Tell = Callable[[Sequence[Message]], Awaitable[None]]
"""Say all of it to the mesh, where webhooks are told. Raises Unavailable when not all of it is
stored for certain; a repeat does no harm."""
