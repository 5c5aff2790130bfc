"""What was and why: balances of the past, statements that explain every line, the whole ledger."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from contracts.caller import Caller
from contracts.paging import BAD_CURSOR, cursor_of, limit_problems
from contracts.points import Balance, BalanceOf
from contracts.statements import (
    ExportedEntry,
    ExportOf,
    ExportPage,
    PaidBy,
    Statement,
    StatementLine,
    StatementOf,
)
from domain.errors import InvalidRequest, NotFound, Problem
from domain.points.chain import SEALED, Stored, digest
from domain.points.pooling import other_shop
from domain.points.statement import Line, lines
from ports.statements import ExportMark, Exports, Mark, Statements
from ports.unit import Units
from services.points.account import Accounts, wallet_of
from services.points.balances import balance_of
from services.points.instants import instant_problems

_FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=2**128 - 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY: Final = "This shop has no such member with points."


class Past:
    def __init__(self, units: Units[Statements], now: Accounts) -> None:
        self._units = units
        self._now = now

    async def balance(self, caller: Caller, request: BalanceOf) -> Balance:
        """What it is, or what it was once everything of that instant had happened."""
        if request.at is None:
            return await self._now.balance(caller, request)
        key = wallet_of(caller, request)
        if problems := instant_problems({"/at": request.at}):
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            wallet = await unit.stores.wallet_before(key, Mark(request.at, _LAST))
        if wallet is None:
            raise NotFound(_NOBODY)
        return balance_of(key.customer_id, wallet, None)

    async def statement(self, caller: Caller, request: StatementOf) -> Statement:
        key = wallet_of(caller, request)
        problems = limit_problems(request.limit)
        after = cursor_of(request.cursor, problems)
        since, until = request.since or _EPOCH, request.until
        problems += instant_problems({"/since": since, "/until": until})
        if until is not None and until < since:
            problems.append(Problem("/until", "is before since"))
        if problems:
            raise InvalidRequest(problems=problems)
        start, end = Mark(since, _FIRST), None if until is None else Mark(until, _FIRST)
        async with self._units() as unit:
            stores = unit.stores
            opening = await stores.wallet_before(key, start)
            closing = await stores.wallet_before(key, end)
            if opening is None or closing is None:
                raise NotFound(_NOBODY)
            before = opening
            if after is not None:
                start = _following(await stores.mark_of(key, after))
                before = await stores.wallet_before(key, start) or opening
            found = await stores.entries_from(key, start, end, request.limit + 1)
        page = found[: request.limit]
        return Statement(
            opening=balance_of(key.customer_id, opening, None),
            closing=balance_of(key.customer_id, closing, None),
            lines=tuple(_line(each) for each in lines(before, page)),
            next_cursor=str(page[-1].entry_id) if len(found) > len(page) else None,
        )


def _following(mark: Mark | None) -> Mark:
    """Right after a place. Raises InvalidRequest for none."""
    if mark is None:
        raise InvalidRequest(problems=[BAD_CURSOR])
    return mark._replace(entry_id=UUID(int=mark.entry_id.int + 1))


def _line(line: Line) -> StatementLine:
    entry, draft, wallet = line.entry, line.entry.draft, line.wallet
    terms = draft.snapshot
    return StatementLine(
        entry_id=entry.entry_id,
        at=entry.at,
        kind=draft.kind,
        points=draft.points,
        pending=draft.pending,
        words=line.words,
        reason=draft.reason,
        source=draft.source,
        source_ref=draft.source_ref,
        spendable=wallet.spendable,
        waiting=wallet.pending,
        order_id=draft.order_id,
        rule=draft.rule,
        settings_version=None if terms is None else terms.settings_version,
        rate="" if terms is None else str(terms.rate),
        fixed=0 if terms is None else terms.fixed,
        spend="" if terms is None else str(terms.base),
        currency=entry.currency,
        waived=draft.waived,
        lots=tuple(
            PaidBy(
                lot_id=lot.lot_id,
                points=points,
                opened_at=lot.opened_at,
                expires_at=lot.life.expires_at,
            )
            for lot, points in draft.uses
        ),
        undoes=draft.undoes,
        undone_by=entry.undone_by,
        other_store=other_shop(draft),
    )


class Exporter:
    def __init__(self, units: Units[Exports]) -> None:
        self._units = units

    async def page(self, caller: Caller, request: ExportOf) -> ExportPage:
        problems = limit_problems(request.limit)
        after = _read_cursor(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.stored(caller.tenant, after, request.limit + 1)
            head = await unit.stores.head(caller.tenant)
        page = found[: request.limit]
        more = len(found) > len(page)
        return ExportPage(
            entries=tuple(_exported(each) for each in page),
            head="" if head is None else str(head),
            next_cursor=f"{page[-1].customer_id}.{page[-1].entry_id}" if more else None,
        )


def _exported(stored: Stored) -> ExportedEntry:
    columns: dict[str, Any] = dict(zip(SEALED, stored.values, strict=True))
    ids = {
        name: None if columns[name] is None else UUID(columns[name])
        for name in ("merchant_id", "customer_id", "entry_id", "undoes")
    }
    time = _EPOCH + timedelta(microseconds=columns["at"])
    return ExportedEntry(**columns | ids, time=time, digest=digest(stored.values).hex())


def _read_cursor(cursor: str | None, problems: list[Problem]) -> ExportMark | None:
    """The entry at which the page before ended; a cursor that is none is added to ``problems``."""
    if cursor is None:
        return None
    customer_id, _, entry_id = cursor.partition(".")
    try:
        return ExportMark(UUID(customer_id), UUID(entry_id))
    except ValueError:
        problems.append(BAD_CURSOR)
        return None
