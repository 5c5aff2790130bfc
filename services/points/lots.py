"""What a member's points are made of: the open lots, page by page."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from contracts.caller import Caller
from contracts.expiry import LotsOf, OpenLot, OpenLots
from contracts.paging import BAD_CURSOR, limit_problems
from domain.errors import InvalidRequest, Problem
from domain.points.expiry import ends_at
from domain.points.lot import Life, Lot, Share
from ports.ledger import Ledger
from ports.unit import Units
from services.points.account import wallet_of
from services.points.next_expiry import zone_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LotLists:
    def __init__(self, units: Units[Ledger]) -> None:
        self._units = units

    async def page(self, caller: Caller, request: LotsOf) -> OpenLots:
        key = wallet_of(caller, request)
        problems = limit_problems(request.limit)
        after = _read_cursor(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.lots(key, after, request.limit + 1)
            ageing = await unit.stores.ageing(key.merchant_id, [key.customer_id])
            zone = await zone_of(unit, key.merchant_id)
        page = found[: request.limit]
        # Idle days of every lot began here, or when it was opened.
        idle = [each.since for each in ageing.get(key.customer_id, ()) if each.life.idle_days]
        active_at = min(idle, default=_EPOCH)
        return OpenLots(
            lots=tuple(
                OpenLot(
                    lot_id=lot.lot_id,
                    points=lot.points,
                    remaining=remaining,
                    opened_at=lot.opened_at,
                    expires_at=ends_at(lot.life, max(lot.opened_at, active_at), zone),
                    order_id=lot.order_id,
                )
                for lot, remaining in page
            ),
            next_cursor=_cursor_at(page[-1].lot) if len(found) > len(page) else None,
        )


def _cursor_at(lot: Lot) -> str:
    """Where in the order of spending a page ended."""
    expires_at = "" if lot.life.expires_at is None else str(_micros(lot.life.expires_at))
    return f"{expires_at}.{_micros(lot.opened_at)}.{lot.lot_id}"


def _read_cursor(cursor: str | None, problems: list[Problem]) -> Share | None:
    """The lot at which the page before ended; a cursor that is none is added to ``problems``."""
    if cursor is None:
        return None
    try:
        expires_at, opened_at, lot_id = cursor.split(".")
        life = Life(_instant(expires_at) if expires_at else None)
        return Share(Lot(UUID(lot_id), 0, _instant(opened_at), life), 0)
    except (ValueError, OverflowError):
        problems.append(BAD_CURSOR)
        return None


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _instant(micros: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))
