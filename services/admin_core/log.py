"""Reading the audit log."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from contracts.admin_core import AuditRecord, AuditRecords, GetAuditLogs
from contracts.caller import Caller
from contracts.paging import BAD_CURSOR, limit_problems
from domain.errors import InvalidRequest, Problem
from ports.audit import Audit, AuditLine, Position, Search
from ports.unit import Units

_CURSOR: Final = re.compile(r"([0-9]{1,17})\.([0-9a-f]{32})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Log:
    def __init__(self, units: Units[Audit]) -> None:
        self._units = units

    async def find(self, caller: Caller, request: GetAuditLogs) -> AuditRecords:
        problems = limit_problems(request.limit)
        before = _read(request.cursor, problems)
        if request.since and request.until and request.until <= request.since:
            problems.append(Problem("/until", "must be later than since"))
        if problems:
            raise InvalidRequest(problems=problems)
        search = Search(caller.tenant, request.action, request.since, request.until, before)
        async with self._units() as unit:
            found = await unit.stores.find(search, request.limit + 1)
        page = found[: request.limit]
        return AuditRecords(
            records=tuple(map(_record, page)),
            next_cursor=_write(page[-1]) if len(found) > len(page) else None,
        )


def _write(line: AuditLine) -> str:
    return f"{(line.at - _EPOCH) // timedelta(microseconds=1)}.{line.record_id.hex}"


def _read(cursor: str | None, problems: list[Problem]) -> Position | None:
    if cursor is None:
        return None
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        problems.append(BAD_CURSOR)
        return None
    return Position(_EPOCH + timedelta(microseconds=int(parts[1])), UUID(parts[2]))


def _record(line: AuditLine) -> AuditRecord:
    return AuditRecord(
        record_id=line.record_id,
        action=line.action,
        actor=line.actor,
        subject=line.subject,
        details=line.details,
        occurred_at=line.at,
    )
