"""`loyalnest ledger export`: a shop's whole ledger in a file, as CSV or as JSON lines."""

import argparse
import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO
from uuid import UUID

from infra.cli.ledger_shop import points_database, points_on_mongo, shop_named

if TYPE_CHECKING:
    from domain.points.chain import Stored
    from domain.points.lot_books import Value
    from ports.statements import Exports

AT_ONCE: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of something to compute."""


def add(what: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments."""
    about = "write a shop's whole ledger to a file, with the digests that prove it"
    export = what.add_parser("export", help=about, description=about)
    export.add_argument("--shop", required=True, help="its domain, or our id of it")
    export.add_argument("--to", required=True, type=Path, metavar="FILE")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")


def run(known: argparse.Namespace) -> int:
    """Writes it; a file that is there is replaced once the new one is whole."""
    shop = shop_named(known.shop)
    unfinished = known.to.with_name(f"{known.to.name}.part")
    with open(
        unfinished,
        "w",
        encoding="utf-8",
        newline="",
        opener=lambda path, how: os.open(path, how, 0o600),
    ) as file:
        write = _csv(file) if known.format == "csv" else _json_lines(file)
        entries, head = asyncio.run(_written(shop, write))
    unfinished.replace(known.to)
    print(f"{entries} entries in {known.to}")
    print(f"head {head}" if head else "nothing is sealed yet")
    return 0


async def _written(shop: UUID, write: Callable[["Stored"], None]) -> tuple[int, str]:
    """How many entries there are, and the head of the chain at that moment."""
    from ports.statements import ExportMark

    entries, after = 0, None
    async with _exports_of(shop) as exports:
        head = await exports.head(shop)
        while page := await exports.stored(shop, after, AT_ONCE):
            for stored in page:
                write(stored)
            entries += len(page)
            after = ExportMark(page[-1].customer_id, page[-1].entry_id)
    return entries, "" if head is None else str(head)


@asynccontextmanager
async def _exports_of(shop: UUID) -> AsyncIterator["Exports"]:
    """As of one moment; on MongoDB, what is posted meanwhile may be there or not."""
    if (mongo := points_on_mongo()) is not None:
        from adapters.mongo.exports import MongoExports
        from adapters.mongo.scope import Scope
        from adapters.system import SystemClock

        try:
            scope = Scope(frozenset([shop]))
            async with mongo.transaction(scope, SystemClock()) as transaction:
                yield MongoExports(transaction)
        finally:
            await mongo.close()
        return
    from adapters.postgres.chain import AS_OF_NOW
    from adapters.postgres.statements import PostgresExports

    database = points_database()
    try:
        async with database.transaction(AS_OF_NOW) as connection:
            yield PostgresExports(connection)
    finally:
        await database.close()


def _json_lines(file: TextIO) -> Callable[["Stored"], None]:
    from domain.points.chain import SEALED, digest

    def write(stored: "Stored") -> None:
        row = dict(zip(SEALED, stored.values, strict=True))
        row |= {"time": _time(row["at"]), "digest": digest(stored.values).hex()}
        file.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _csv(file: TextIO) -> Callable[["Stored"], None]:
    from domain.points.chain import SEALED, digest

    table = csv.writer(file)
    table.writerow([*SEALED, "time", "digest"])
    place = SEALED.index("at")

    def write(stored: "Stored") -> None:
        cells = [guarded(each) for each in stored.values]
        table.writerow([*cells, _time(stored.values[place]), digest(stored.values).hex()])

    return write


def guarded(value: "Value") -> "Value":
    """A cell that no spreadsheet computes. Texts only: a negative number is one."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _time(micros: "Value") -> str:
    return (_EPOCH + timedelta(microseconds=int(micros or 0))).isoformat()
