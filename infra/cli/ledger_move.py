"""`loyalnest ledger move`: a shop's points from PostgreSQL to MongoDB or back, proved equal."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from infra.cli.ledger_shop import PATIENCE, shop_named

if TYPE_CHECKING:
    from adapters.mongo.moving import MongoPointsStore
    from adapters.postgres.moving import PostgresPointsStore
    from domain.points.moving import Compared, Table
    from ports.moving import PointsStore
    from services.points.moving import Moved, Mover

_SHORT: Final = 12
"""Digits of a digest that are printed; all of them with ``--json``."""


def add(what: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments."""
    about = "move a shop's points to the other store, with proof that both hold the same"
    move = what.add_parser("move", help=about, description=about)
    move.add_argument("--to", required=True, choices=("postgres", "mongo"))
    whose = move.add_mutually_exclusive_group(required=True)
    whose.add_argument("--shop", help="its domain, or our id of it")
    whose.add_argument("--all", action="store_true", help="every shop, one after the other")
    instead = move.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="compare only, and change nothing")
    instead.add_argument(
        "--abandon", action="store_true", help="let a shop whose move has begun live where it was"
    )
    instead.add_argument(
        "--forget", action="store_true", help="remove what moved shops have left behind"
    )
    move.add_argument("--json", action="store_true", help="print one object for each shop")


def run(known: argparse.Namespace) -> int:
    """Does it; answers the exit code, 1 if anything differs or could not be done."""
    from adapters.mongo.database import Refused

    try:
        return asyncio.run(_run(known))
    except Refused as error:
        print(f"loyalnest: {error}: see docs/mongo.md, Moving.", file=sys.stderr)
        return 1


async def _run(known: argparse.Namespace) -> int:
    from adapters.system import SystemClock
    from domain.errors import LoyaltyError
    from services.points.moving import Mover

    named = None if known.all else await asyncio.to_thread(shop_named, known.shop)
    async with _stores() as (postgres, mongo):
        source, target = (postgres, mongo) if known.to == mongo.name else (mongo, postgres)
        mover = Mover(source, target, SystemClock(), _say)
        failed: set[UUID] = set()
        done: set[UUID] = set()
        # Again, until there is none that came meanwhile.
        while left := [each for each in await _whose(named, source) if each not in done]:
            for shop in left:
                done.add(shop)
                try:
                    is_well = await _one(known, mover, shop, (source, target))
                except LoyaltyError as error:
                    print(f"loyalnest: {error}", file=sys.stderr)
                    is_well = False
                if not is_well:
                    failed.add(shop)
    if known.all and failed:
        print(f"loyalnest: {len(failed)} of {len(done)} shops did not go well.", file=sys.stderr)
    return 1 if failed else 0


async def _whose(named: UUID | None, source: "PointsStore") -> Sequence[UUID]:
    return await source.shops() if named is None else [named]


async def _one(
    known: argparse.Namespace, mover: "Mover", shop: UUID, stores: Sequence["PointsStore"]
) -> bool:
    """Whether all went well with this shop."""
    if known.abandon:
        await mover.abandon(shop)
        print(f"{shop}  lives in {stores[0].name}")
        return True
    if known.forget:
        await mover.forget(shop)
        print(f"{shop}  {stores[0].name} has forgotten it")
        return True
    moved = await (mover.check(shop) if known.check else mover.move(shop))
    if known.json:
        print(json.dumps(_as_json(moved, stores)))
    else:
        _print(moved, stores, is_check=known.check)
    return moved.first is None


@asynccontextmanager
async def _stores() -> "AsyncIterator[tuple[PostgresPointsStore, MongoPointsStore]]":
    """Both, up to date, with nobody else who moves. Raises BadSettings, Unavailable."""
    from adapters.mongo.collections import OF_POINTS
    from adapters.mongo.database import MongoDatabase
    from adapters.mongo.moving import MongoPointsStore
    from adapters.postgres.database import Database
    from adapters.postgres.moving import PostgresPointsStore
    from adapters.runtime.settings import PREFIX, BadSettings, read_setting

    tables = read_setting(f"{PREFIX}POSTGRES_URL", os.environ)
    documents = read_setting(f"{PREFIX}MONGO_URL", os.environ)
    if not (tables and documents):
        raise BadSettings("LOYALNEST_POSTGRES_URL and LOYALNEST_MONGO_URL have to be set.")
    database = Database(tables, "points", patience=PATIENCE)
    mongo = MongoDatabase(documents, "points", OF_POINTS)
    try:
        for storage in (database, mongo):
            await storage.make()
            await storage.migrate()
        postgres = PostgresPointsStore(database)
        async with postgres.alone():
            yield postgres, MongoPointsStore(mongo)
    finally:
        await database.close()
        await mongo.close()


def _say(shop: UUID, table: "Table") -> None:
    if sys.stderr.isatty():
        print(f"{shop}  {table.name} …", file=sys.stderr)


def _as_json(moved: "Moved", stores: Sequence["PointsStore"]) -> dict[str, Any]:
    first = moved.first
    return {
        "shop": str(moved.shop),
        "from": stores[0].name,
        "to": stores[1].name,
        "equal": first is None,
        "lives_there": moved.lives_there,
        "events": moved.events,
        "first_difference": None if first is None else first._asdict(),
        "tables": {
            each.table.name: {
                store.name: {"rows": side.rows, "sha256": side.digest, **side.sums}
                for store, side in zip(stores, (each.source, each.target), strict=True)
            }
            for each in moved.tables
        },
    }


def _print(moved: "Moved", stores: Sequence["PointsStore"], *, is_check: bool) -> None:
    source, target = stores[0].name, stores[1].name
    print(f"{moved.shop}  {source} to {target}")
    if moved.tables:
        print(f"  {'':<20} {source:>12} {target:>12}  SHA-256 of the rows")
    for each in moved.tables:
        _print_table(each)
    if moved.first is not None:
        print(f"  DIFFERS\n  {moved.first}")
        if not is_check:
            print(f"  it is closed in both; move again, or --abandon to go on in {source}")
        return
    if moved.events:
        print(f"  {moved.events} events that nobody had published went along")
    where = f"it lives in {target}" if moved.lives_there else f"it does not live in {target}"
    print(f"  {'all is the same; ' if moved.tables else ''}{where}")


def _print_table(each: "Compared") -> None:
    digests = [side.digest[:_SHORT] for side in (each.source, each.target)]
    print(
        f"  {each.table.name:<20} {each.source.rows:>12} {each.target.rows:>12}"
        f"  {digests[0] if digests[0] == digests[1] else ' '.join(digests)}"
    )
    for name in each.table.sums:
        sums = [side.sums.get(name, 0) for side in (each.source, each.target)]
        print(f"    {name:<18} {sums[0]:>12} {sums[1]:>12}")
