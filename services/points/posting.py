"""Posting entries to the ledger and telling the mesh about each of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from msgspec import structs

from contracts.expiry import EXPIRED, PointsExpired
from contracts.kit import Body, Event
from contracts.points import ADJUSTED, EARNED, REDEEMED, REFUNDED, PointsMoved
from domain.points.expiry import ExpiryPolicy, first_look, life_of
from domain.points.ledger import EntryKind, Source
from domain.points.lot import Life
from domain.program import ProgramSettings
from ports.events import Received
from ports.ledger import Ledger, NewEntry, PostedEntry, WalletKey
from ports.unit import Unit

LedgerT = TypeVar("LedgerT", bound=Ledger)

_EVENTS: Final[Mapping[EntryKind, Event[Body]]] = {
    EntryKind.EARN: EARNED,
    EntryKind.REFERRAL: EARNED,
    EntryKind.REFUND: REFUNDED,
    EntryKind.REDEEM: REDEEMED,
}
"""Which event tells of which kind of entry; the others are corrections."""
_MOVES: Final = frozenset((Source.MERGE, Source.POOL))


async def post(
    unit: Unit[LedgerT],
    entries: Sequence[NewEntry],
    causes: Mapping[UUID, Received[Any]] | None = None,
    programs: Mapping[UUID, ProgramSettings] | None = None,
) -> Sequence[PostedEntry]:
    """Post and announce; ``causes`` tells which event led to which entry, by entry id.

    How long the lots live that are opened is set here, by the shops' programs: those given, or what
    is known of them. A shop without one has points that never expire.
    """
    if not entries:
        return ()
    posted = await unit.stores.post(await _with_lives(unit, entries, programs))
    expired: dict[WalletKey, list[PostedEntry]] = defaultdict(list)
    for each in posted:
        entry = each.entry
        draft = entry.draft
        if draft.kind is EntryKind.EXPIRE:
            expired[entry.wallet].append(each)
            continue
        unit.emit(
            _EVENTS.get(draft.kind, ADJUSTED),
            PointsMoved(
                entry_id=entry.entry_id,
                customer_id=entry.wallet.customer_id,
                points=draft.points,
                kind=draft.kind,
                source=draft.source,
                source_ref=draft.source_ref,
                spendable=each.wallet.spendable,
                pending=each.wallet.pending,
                version=each.version,
                occurred_at=entry.at,
            ),
            entry.wallet.merchant_id,
            cause=causes.get(entry.entry_id) if causes else None,
        )
    for key, found in expired.items():
        last = found[-1]
        unit.emit(
            EXPIRED,
            PointsExpired(
                customer_id=key.customer_id,
                points=-sum(each.entry.draft.points for each in found),
                lots=len(found),
                spendable=last.wallet.spendable,
                pending=last.wallet.pending,
                version=last.version,
                occurred_at=last.entry.at,
            ),
            key.merchant_id,
        )
    return posted


async def _with_lives(
    unit: Unit[LedgerT],
    entries: Sequence[NewEntry],
    programs: Mapping[UUID, ProgramSettings] | None,
) -> Sequence[NewEntry]:
    if programs is None:
        merchants = {entry.wallet.merchant_id for entry in entries if _may_open(entry)}
        programs = await unit.stores.programs(merchants) if merchants else {}
    if all(each.expiry.policy is ExpiryPolicy.NEVER for each in programs.values()):
        return entries
    return list(_given_lives(entries, programs))


def _given_lives(
    entries: Iterable[NewEntry], programs: Mapping[UUID, ProgramSettings]
) -> Iterable[NewEntry]:
    lives: dict[tuple[UUID, datetime], tuple[Life, datetime | None]] = {}
    for entry in entries:
        program = programs.get(entry.wallet.merchant_id)
        if program is None or not _may_open(entry):
            yield entry
            continue
        key = (entry.wallet.merchant_id, entry.at)
        if key not in lives:  # nearly all entries of a batch are of one moment
            life = life_of(program.expiry, entry.at, program.time_zone)
            look_at = first_look(program.expiry, life, entry.at, program.time_zone)
            lives[key] = life, look_at
        life, look_at = lives[key]
        yield structs.replace(entry, life=life, look_at=look_at)


def _may_open(entry: NewEntry) -> bool:
    """Whether an entry may open a lot. What is moved between wallets keeps its lots."""
    draft = entry.draft
    return draft.points > 0 and not draft.pending and draft.source not in _MOVES
