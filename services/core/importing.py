"""A shop's customers and orders of before it came, told to the mesh as its webhooks tell of them.

Shopify exports them, customers first; the export is read piece by piece, and after each piece it is
kept how far that is. Whoever is killed in between has told a piece that nobody has kept: it is told
again under the same ids, and every service takes each order and customer for what it is, however
often it is told. What was bought before the shop came counts for all but points, as the program's
``earns_from`` says (``services.core.settings``).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import msgspec

from contracts.caller import Caller
from contracts.imports import Import
from contracts.installs import AccessLost, ShopConnected
from contracts.kit import Nothing
from contracts.shop import CUSTOMER_UPDATED, ORDER_UPDATED, CustomerRecord
from domain.errors import LoyaltyError, NotFound
from domain.keys import KeysDestroyed
from ports.events import Received
from ports.imports import (
    Export,
    ExportBusy,
    ExportState,
    History,
    ImportRow,
    Imports,
    ImportState,
    Kind,
    Message,
    NotAllowed,
    Phase,
    Tell,
    Told,
)
from ports.tenancy import within
from ports.unit import Unit, Units

log = logging.getLogger(__name__)

WORK_SECONDS: Final = 1.0
CHANGES_EVERY: Final = timedelta(hours=6)
"""Webhooks that Shopify never delivered are made up for within this time."""
_OVERLAP: Final = timedelta(minutes=10)
_AFTER_FAILURE: Final = timedelta(days=1)
_AT_ONCE: Final = 4
_LEASE: Final = timedelta(seconds=90)
_PIECE: Final = 200
"""Customers or orders that are told at once."""
_PIECE_SECONDS: Final = 20.0
_PIECES: Final = 10
"""Of one shop, before it is another's turn."""
_PER_SECOND: Final = 500
"""Told of one shop at most: what happens now must not wait behind what was long ago."""
_LOOK_AGAIN: Final = timedelta(seconds=2)
_MOST_TRIES: Final = 12
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_encode: Final = msgspec.json.Encoder().encode


async def begin(unit: Unit[Imports], events: Sequence[Received[Any]]) -> None:
    """Shops that have come, or come back, get their history."""
    came = {event.merchant_id for event in events if isinstance(event.body, ShopConnected)}
    await unit.stores.begin({each: unit.new_id() for each in sorted(came)}, unit.now())


class Importing:
    """``across`` sees the imports of all shops."""

    def __init__(
        self,
        units: Units[Imports],
        across: Units[Imports],
        history: History,
        tell: Tell,
    ) -> None:
        self._units = units
        self._across = across
        self._history = history
        self._tell = tell

    async def get(self, caller: Caller, _request: Nothing) -> Import:
        async with self._units() as unit:
            found = await unit.stores.find(caller.tenant, Kind.HISTORY)
        if found is None:
            raise NotFound("Nothing was ever brought in for this shop.")
        return _answer(found)

    async def start(self, caller: Caller, request: Nothing) -> Import:
        async with self._units() as unit:
            await unit.stores.begin({caller.tenant: unit.new_id()}, unit.now())
        return await self.get(caller, request)

    async def run(self) -> None:
        """Bring the imports that are due a step further."""
        async with self._across() as unit:
            now = unit.now()
            due = await unit.stores.take_due(now, now + _LEASE, _AT_ONCE)
        await asyncio.gather(*map(self._work, due))

    async def _work(self, row: ImportRow) -> None:
        with within([row.merchant_id]):
            try:
                await self._step(row)
            except (AccessLost, KeysDestroyed):
                await self._fail(row, "The shop has taken away LoyalNest's access to Shopify.")
            except NotAllowed:
                await self._fail(row, "The shop has not granted LoyalNest to read this at Shopify.")
            except ExportBusy:
                await self._later(row, "Shopify still works on other exports of the shop.")
            except LoyaltyError as error:
                log.warning("import of %s: %s", row.merchant_id, type(error).__name__)
                await self._later(row, "Shopify, or a part of LoyalNest, does not answer now.")
            except Exception:
                # Its time comes again; the others must not wait for it.
                log.exception("import of %s was not brought further", row.merchant_id)
                await self._later(row, "Something went wrong on our side.")

    async def _step(self, row: ImportRow) -> None:
        """Begin an export, wait for it, or read some of it."""
        if not row.export_id:
            export_id = await self._history.begin(row.merchant_id, row.phase, row.since)
            begun = replace(row, state=ImportState.RUNNING, export_id=export_id, read_to=0)
            await self._keep(begun, _LOOK_AGAIN)
            return
        export = await self._history.look(row.merchant_id, row.export_id)
        match export.state:
            case ExportState.RUNNING:
                await self._keep(replace(row, found=export.found), _LOOK_AGAIN)
            case ExportState.COMPLETE:
                await self._read(replace(row, found=export.found), export)
            case ExportState.FAILED:  # another one, from the start
                await self._later(replace(row, export_id="", read_to=0), export.problem)
            case ExportState.REFUSED:
                await self._fail(row, export.problem)

    async def _read(self, row: ImportRow, export: Export) -> None:
        reading = self._history.read(
            row.merchant_id,
            row.phase,
            export.url,
            row.read_to,
            imported=row.kind is Kind.HISTORY,
        )
        async with aclosing(_pieces(reading)) as pieces:
            told = 0
            async for piece in pieces:
                began = asyncio.get_running_loop().time()
                await self._tell(_messages(row, piece))
                row = _further(row, piece)
                told += 1
                is_turn_over = told == _PIECES
                if not await self._keep(row, timedelta() if is_turn_over else _LEASE):
                    return  # somebody else has taken it, as this took too long
                if is_turn_over:
                    return
                took = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.0, len(piece) / _PER_SECOND - took))
        if row.phase is Phase.CUSTOMERS:
            orders = replace(row, phase=Phase.ORDERS, export_id="", read_to=0, found=0)
            await self._keep(orders, timedelta())
        else:
            await self._done(row)

    async def _done(self, row: ImportRow) -> None:
        """What has changed since this began comes next, after a while."""
        async with self._units() as unit:
            now = unit.now()
            done = replace(row, state=ImportState.DONE, finished_at=now, tries=0, problem="")
            if await unit.stores.keep(done, None):
                since = row.started_at - _OVERLAP
                await unit.stores.follow(row.merchant_id, unit.new_id(), since, now + CHANGES_EVERY)

    async def _keep(self, row: ImportRow, pause: timedelta) -> bool:
        async with self._units() as unit:
            return await unit.stores.keep(row, unit.now() + pause)

    async def _later(self, row: ImportRow, problem: str) -> None:
        # What was kept meanwhile holds.
        async with self._units() as unit:
            kept = await unit.stores.find(row.merchant_id, row.kind)
            if kept is None or kept.claim != row.claim:
                return
            tries = kept.tries + 1
            if tries < _MOST_TRIES:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tries)
                later = replace(kept, tries=tries, problem=problem, export_id=row.export_id)
                later = replace(later, read_to=kept.read_to if row.export_id else 0)
                await unit.stores.keep(later, unit.now() + pause)
                return
        await self._fail(kept, problem)

    async def _fail(self, row: ImportRow, problem: str) -> None:
        async with self._units() as unit:
            now = unit.now()
            failed = replace(row, state=ImportState.FAILED, problem=problem, finished_at=now)
            if await unit.stores.keep(failed, None) and row.since is not None:
                # Access that is lost comes back without notice.
                await unit.stores.follow(
                    row.merchant_id, unit.new_id(), row.since, now + _AFTER_FAILURE
                )


async def _pieces(reading: AsyncIterator[Told]) -> AsyncGenerator[list[Told], None]:
    """Smaller ones where reading takes long, so that each is kept while it is still ours."""
    piece: list[Told] = []
    now = asyncio.get_running_loop().time
    began = now()
    async for told in reading:
        piece.append(told)
        if len(piece) == _PIECE or now() - began > _PIECE_SECONDS:
            yield piece
            piece, began = [], now()
    if piece:
        yield piece


def _messages(row: ImportRow, piece: Sequence[Told]) -> list[Message]:
    """Where a thing is in the export makes its id: the same when it is read again."""
    return [
        Message(
            (CUSTOMER_UPDATED if row.phase is Phase.CUSTOMERS else ORDER_UPDATED).subject(
                row.merchant_id
            ),
            _encode(told.body),
            f"import:{row.import_id}:{row.export_id}:{told.read_to}",
        )
        for told in piece
        if told.body is not None
    ]


def _further(row: ImportRow, piece: Sequence[Told]) -> ImportRow:
    understood = sum(told.body is not None for told in piece)
    customers = sum(isinstance(told.body, CustomerRecord) for told in piece)
    return replace(
        row,
        read_to=piece[-1].read_to,
        customers=row.customers + customers,
        orders=row.orders + understood - customers,
        skipped=row.skipped + len(piece) - understood,
        tries=0,
        problem="",
    )


def _answer(row: ImportRow) -> Import:
    return Import(
        state=row.state,
        phase=row.phase,
        found=row.found,
        customers=row.customers,
        orders=row.orders,
        skipped=row.skipped,
        problem=row.problem,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
