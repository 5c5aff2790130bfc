"""`bench redeem`: redemptions a second, all on one wallet, and over many; on both stores.

A redemption is what a member waits for: reserved in one transaction, issued by a Shopify that
answers at once, completed in another. The floor takes points from a wallet with the bare driver,
twice a transaction with one row each, which is what lasts of a redemption.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg

from adapters.mongo.rewards import MongoRedeeming
from adapters.postgres.rewards import PostgresRedeeming
from contracts.shop import member_id
from domain.points.ledger import EntryDraft, EntryKind
from infra.embedded.servers import Servers
from ports.ledger import NewEntry, WalletKey
from ports.unit import Units
from tests.bench.report import Result, ratio
from tests.bench.servers import mongod
from tests.ports.stores import on_mongo, on_postgres
from tests.services.counter import Counter

_MEMBERS: Final = 10_000
_RICH: Final = 900_000
_COST: Final = 5
_IN_FLIGHT: Final = 8

_TABLES: Final = """
CREATE TABLE wallets (customer bigint PRIMARY KEY, points bigint) WITH (fillfactor = 80);
CREATE TABLE entries (id uuid PRIMARY KEY, customer bigint, points bigint);
CREATE TABLE redemptions (id uuid PRIMARY KEY, customer bigint, state text, code bytea);
"""

Redeem = Callable[[int], Awaitable[object]]
"""Redeems for the member of this number."""


async def bench(seconds: float) -> Result:
    """A sixth of ``seconds`` each: two stores and a floor, one wallet and many."""
    each = seconds / 6
    found: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = await stack.enter_async_context(Servers(folder / "servers"))
        mongo = await mongod(stack, folder / "mongo")
        postgres = await stack.enter_async_context(on_postgres(servers, stores=PostgresRedeeming))
        documents = await stack.enter_async_context(on_mongo(mongo, servers, stores=MongoRedeeming))
        async with _bare(servers) as bare:
            ways = {
                "postgres": await _product(postgres.units),
                "mongo": await _product(documents.units),
                "floor": bare,
            }
            for name, redeem in ways.items():
                for wallets in (1, _MEMBERS):
                    found[f"{name}, {_said(wallets)}"] = await _per_second(redeem, wallets, each)
    figure, floor = found[f"postgres, {_said(1)}"], found[f"floor, {_said(1)}"]
    details: dict[str, object] = {
        name: f"{value:,.0f} redemptions/s" for name, value in found.items()
    }
    return Result(
        bench="redeem",
        figure=figure,
        unit="redemptions/s",
        floor=floor,
        ratio=ratio(figure, floor),
        details=details,
        notes=[f"{_IN_FLIGHT} at once. The figure is one wallet on PostgreSQL."],
    )


def _said(wallets: int) -> str:
    return "one wallet" if wallets == 1 else f"{wallets:,} wallets"


async def _per_second(redeem: Redeem, wallets: int, seconds: float) -> float:
    started = time.perf_counter()
    done = 0

    async def again_and_again(first: int) -> None:
        nonlocal done
        number = first
        while time.perf_counter() - started < seconds:
            await redeem(number * 7919 % wallets)
            number += _IN_FLIGHT
            done += 1

    await asyncio.gather(*(again_and_again(first) for first in range(_IN_FLIGHT)))
    return done / (time.perf_counter() - started)


async def _product(units: Units[Any]) -> Redeem:
    counter = Counter(units)
    reward = await counter.offer(cost=_COST)
    for first in range(0, _MEMBERS, 500):
        async with units() as unit:
            gifts = [
                NewEntry(
                    unit.new_id(),
                    WalletKey(counter.merchant, member_id(counter.merchant, str(number))),
                    _gift(),
                    unit.now(),
                )
                for number in range(first, first + 500)
            ]
            await unit.stores.post(gifts)

    async def redeem(number: int) -> None:
        await counter.redeem(reward, name=str(number))

    return redeem


def _gift() -> EntryDraft:
    return EntryDraft(
        kind=EntryKind.ADJUST, points=_RICH, reason="a start", source="adjust",
        source_ref=str(uuid4()), rule="",
    )  # fmt: skip


@asynccontextmanager
async def _bare(servers: Servers) -> AsyncIterator[Redeem]:
    url = servers.environment()["LOYALNEST_POSTGRES_URL"]
    owner = await asyncpg.connect(f"{url}/postgres")
    await owner.execute("CREATE DATABASE floor")
    await owner.close()
    async with asyncpg.create_pool(f"{url}/floor", min_size=4, max_size=_IN_FLIGHT) as pool:
        await pool.execute(_TABLES)
        await pool.execute(
            "INSERT INTO wallets SELECT n, $1 FROM generate_series(0, $2) AS n", _RICH, _MEMBERS
        )

        async def redeem(number: int) -> None:
            made = uuid4()
            async with pool.acquire() as connection:
                async with connection.transaction():
                    await connection.execute(
                        "UPDATE wallets SET points = points - $2"
                        " WHERE customer = $1 AND points >= $2", number, _COST,
                    )  # fmt: skip
                    await connection.execute(
                        "INSERT INTO entries VALUES ($1, $2, $3)", made, number, -_COST
                    )
                    await connection.execute(
                        "INSERT INTO redemptions VALUES ($1, $2, 'reserved', $3)",
                        made, number, made.bytes,
                    )  # fmt: skip
                await connection.execute(
                    "UPDATE redemptions SET state = 'completed' WHERE id = $1", made
                )

        yield redeem
