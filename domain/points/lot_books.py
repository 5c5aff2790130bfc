"""What a member's entries say of their lots, to hold the open lots against; in any order."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

Value = str | int | bool | None
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Terms(NamedTuple):
    """What never changes of a lot. Times are microseconds since 1970."""

    opened_at: int
    expires_at: int | None
    idle_days: int
    order_id: str


class KeptLot(NamedTuple):
    """An open lot as it is stored: what it was opened with, and what is left."""

    customer_id: UUID
    lot_id: UUID
    points: int
    remaining: int
    terms: Terms


class _Opened(NamedTuple):
    """A lot that an entry may have opened, with ``most`` points; a debt took the others.
    ``is_known``: from a time when entries did not say all of this."""

    terms: Terms
    most: int
    is_known: bool


class _Told(NamedTuple):
    """A lot that entries took from or gave back to, and what these make together."""

    points: int
    terms: Terms
    moved: int


class LotBooks:
    """Of one member."""

    def __init__(self) -> None:
        self._opened: dict[UUID, _Opened] = {}
        self._told: dict[UUID, _Told] = {}

    def add(self, entry_id: UUID, values: Mapping[str, Value]) -> None:
        """An entry, with what is stored of it. Raises ValueError, TypeError, KeyError or
        RecursionError for one that makes no sense."""
        points = int(values["points"] or 0)
        if values["pending"]:
            return
        back = 0
        for lot, part in json.loads(str(values["uses"] or "[]")):
            lot_id, opened_with, opened_at, (expires_at, idle_days), order_id = lot
            terms = Terms(_instant(opened_at) or 0, _instant(expires_at), idle_days, order_id)
            back += part
            key = UUID(str(lot_id))
            known = self._told.get(key, _Told(opened_with, terms, 0))
            self._told[key] = known._replace(moved=known.moved + (part if points > 0 else -part))
        if points > 0:
            expires_at, idle_days = values["expires_at"], values["idle_days"]
            terms = Terms(
                int(values["at"] or 0),
                None if expires_at is None else int(expires_at),
                int(idle_days or 0),
                str(values["order_id"]),
            )
            self._opened[entry_id] = _Opened(terms, points - back, is_known=values["tx"] != 0)

    def faults(self, lots: Sequence[KeptLot]) -> Iterator[tuple[UUID, str]]:
        """Lots, by id, that are not what the entries say."""
        for lot in lots:
            what = "; ".join(self._differences(lot))
            if what:
                yield lot.lot_id, what
        for lot_id in self._told.keys() - {lot.lot_id for lot in lots}:
            left = self._left(lot_id, self._told[lot_id].points)
            if left:
                yield lot_id, f"is missing, and {left} points of it are left"

    def _differences(self, lot: KeptLot) -> Iterator[str]:
        opened, told = self._opened.get(lot.lot_id), self._told.get(lot.lot_id)
        if opened is None and told is None:
            yield "was opened by no entry"
            return
        if opened is not None and opened.is_known:
            if lot.terms != opened.terms:
                yield "is not what its entry opened"
            if lot.points > opened.most:
                yield f"was opened with {opened.most} points at most, and says {lot.points}"
        if told is not None and (lot.points, lot.terms) != (told.points, told.terms):
            yield "is not what entries took from or gave back to"
        left = self._left(lot.lot_id, lot.points)
        if lot.remaining != left:
            yield f"it has {lot.remaining} points left and entries leave {left}"

    def _left(self, lot_id: UUID, points: int) -> int:
        """Of a lot that came from another wallet, a merged member's or another store's, only what
        came counts here."""
        told = self._told.get(lot_id)
        moved = 0 if told is None else told.moved
        return moved + (points if lot_id in self._opened else 0)


def _instant(written: str | None) -> int | None:
    if written is None:
        return None
    return (datetime.fromisoformat(written) - _EPOCH) // timedelta(microseconds=1)
