"""The report on what stores that share balances have moved for each other's members."""

from uuid import UUID

from contracts.caller import Caller
from contracts.clearing import ClearingLine, ClearingOf, ClearingPage
from contracts.paging import BAD_CURSOR, limit_problems
from domain.errors import InvalidRequest, Problem
from ports.clearing import ClearingAsked, ClearingMark, Clearings
from ports.unit import Units
from services.points.instants import instant_problems


class ClearingReports:
    def __init__(self, units: Units[Clearings]) -> None:
        self._units = units

    async def page(self, caller: Caller, request: ClearingOf) -> ClearingPage:
        problems = limit_problems(request.limit)
        after = _read_cursor(request.cursor, problems)
        since, until = request.since, request.until
        problems += instant_problems({"/since": since, "/until": until})
        if since is not None and until is not None and until < since:
            problems.append(Problem("/until", "is before since"))
        if problems:
            raise InvalidRequest(problems=problems)
        asked = ClearingAsked(caller.tenant, since, until, after, request.limit + 1)
        async with self._units() as unit:
            found = await unit.stores.cleared(asked)
        page = found[: request.limit]
        more = len(found) > len(page)
        return ClearingPage(
            lines=tuple(
                ClearingLine(
                    month=each.mark.month,
                    store=each.mark.store,
                    points_in=each.points_in,
                    points_out=each.points_out,
                    net=each.points_in - each.points_out,
                    moves=each.moves,
                )
                for each in page
            ),
            next_cursor=f"{page[-1].mark.month}.{page[-1].mark.store}" if more else None,
        )


def _read_cursor(cursor: str | None, problems: list[Problem]) -> ClearingMark | None:
    """The sums at which the page before ended; a cursor that is none is added to ``problems``."""
    if cursor is None:
        return None
    month, _, store = cursor.partition(".")
    try:
        return ClearingMark(month, UUID(store))
    except ValueError:
        problems.append(BAD_CURSOR)
        return None
