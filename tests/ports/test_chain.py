"""One suite over every store for the chain of hashes: nothing is left out, and every tampering is
named."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from adapters.mongo.chain import MongoChain, MongoChainReader
from adapters.mongo.collections import ENTRIES, OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.transaction import Transaction
from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.connection import text
from adapters.postgres.database import Database
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.tenancy import MIGRATION
from adapters.system import UuidV7
from domain.merging import ToldMerge
from domain.points.chain import SEALED, Fault, Head, Place, Proof, head_of
from domain.points.earning import RuleSnapshot, purchase_points
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.merging import transfers
from domain.program import defaults
from infra.embedded.servers import Servers
from ports.chain import ChainReader, Sealed
from ports.ledger import NewEntry, WalletKey
from ports.unit import Unit, Units
from services.points.chaining import seal_entries, verify
from tests.domain.shop import order
from tests.ports import tampering
from tests.ports.conftest import Storage
from tests.ports.stores import on_mongo, on_postgres
from tests.ports.tampering import Tables, Tampering

AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS: Final = UuidV7()
MEMBERS: Final = 12
BLOCKS: Final = 6
TAMPERINGS: Final = 100

pytestmark = pytest.mark.asyncio(loop_scope="module")


class OnPostgres(PostgresLedger, PostgresChain):
    """What posts, and what seals."""


class OnMongo(MongoLedger, MongoChain):
    """What posts, and what seals."""

    def __init__(self, transaction: Transaction) -> None:
        MongoLedger.__init__(self, transaction)


@dataclass(frozen=True)
class Rig:
    units: Units[Any]
    reader: Callable[[], AbstractAsyncContextManager[ChainReader]]
    tables: Callable[[UUID], AbstractAsyncContextManager[Tables]]
    columns: Callable[[], Awaitable[set[str]]]
    """Of an entry."""
    postgres: Database | None = None
    """Where the store is PostgreSQL."""

    async def post(self, *entries: NewEntry) -> None:
        async with self.units() as unit:
            await unit.stores.post(entries)

    async def seal(self) -> None:
        await seal_entries(self.units)

    async def verify(self, shop: UUID, since: Head | None = None) -> Proof:
        async with self.reader() as reader:
            return await verify(reader, shop, since)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(kept: Storage, servers: Servers) -> AsyncIterator[Rig]:
    if isinstance(kept, str):
        database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=6)

        @asynccontextmanager
        async def of_now() -> AsyncIterator[ChainReader]:
            async with database.transaction(AS_OF_NOW) as connection:
                yield PostgresChainReader(connection)

        async def columns() -> set[str]:
            async with database.transaction(AS_OF_NOW) as connection:
                found = await connection.execute(
                    text(
                        "SELECT column_name FROM information_schema.columns"
                        " WHERE table_name = 'points_transactions'"
                    )
                )
                return set(found.scalars())

        async with on_postgres(servers, stores=OnPostgres) as store:
            tables = partial(tampering.on_postgres, database)
            yield Rig(store.units, of_now, tables, columns, database)
        await database.close()
        return
    server, driver = kept
    documents = MongoDatabase(server.url, "points", OF_POINTS, driver=driver)

    @asynccontextmanager
    async def reading() -> AsyncIterator[ChainReader]:
        yield MongoChainReader(documents)

    async def fields() -> set[str]:
        return {"entry_id", *ENTRIES.fields, *ENTRIES.optional}

    async with on_mongo(server, servers, driver=driver, stores=OnMongo) as store:
        yield Rig(store.units, reading, partial(tampering.on_mongo, documents), fields)
    await documents.close()


def entry(key: WalletKey, points: int, **changes: Any) -> NewEntry:
    draft = EntryDraft(
        kind=EntryKind.ADJUST, points=points, reason='"so" was\u2028 it \\ ½\n', source="adjust",
        source_ref=str(uuid4()), rule="",
    )  # fmt: skip
    return NewEntry(IDS.new(), key, draft._replace(**changes), AT + timedelta(microseconds=7))


async def some_history(rig: Rig) -> UUID:
    """A shop with a little of everything, in several blocks, and some of it not sealed yet."""
    shop = uuid4()
    random = Random(20260501)
    terms: RuleSnapshot = purchase_points(defaults("USD"), order("100")).snapshot
    members = [WalletKey(shop, uuid4()) for _ in range(MEMBERS)]
    for _ in range(BLOCKS):
        entries = [
            made
            for key in members
            for made in (
                entry(key, random.randint(50, 500), kind=EntryKind.EARN, source="order",
                      order_id=str(uuid4()), snapshot=terms),
                entry(key, -random.randint(1, 20), kind=EntryKind.REDEEM),
                entry(key, random.randint(1, 20), pending=True),
                entry(key, -3, kind=EntryKind.EXPIRE),
                entry(key, 2, kind=EntryKind.REVERSAL, reverses=EntryKind.EXPIRE),
            )
        ]  # fmt: skip
        await rig.post(*entries)
        await rig.seal()
    await rig.post(*(entry(key, 1) for key in members))
    return shop


async def test_all_is_sealed_and_agrees(rig: Rig) -> None:
    shop = await some_history(rig)
    proof = await rig.verify(shop)
    assert proof.first is None
    assert (proof.entries, proof.members) == (MEMBERS * (BLOCKS * 5 + 1), MEMBERS)
    assert proof.unsealed == MEMBERS
    assert proof.head is not None
    assert proof.head.number == BLOCKS
    await rig.seal()
    after = await rig.verify(shop, since=head_of(str(proof.head)))
    assert (after.first, after.unsealed) == (None, 0)
    assert after.head is not None
    assert after.head.number == BLOCKS + 1


async def test_who_was_merged_undone_or_in_debt_agrees(rig: Rig) -> None:
    """Lots that go to another wallet, are paid back, or open with what a debt leaves."""
    shop = uuid4()
    old, new, spare = (WalletKey(shop, uuid4()) for _ in range(3))
    earned, spent = entry(old, 100), entry(old, -30, kind=EntryKind.REDEEM)
    await rig.post(earned, entry(old, 40), entry(new, 5), entry(new, -25), entry(new, 30), spent)
    await rig.post(entry(spare, 7))
    for merged, kept, version in ((old, new, 1), (new, spare, 2)):
        async with rig.units() as unit:
            told = ToldMerge(merged.customer_id, kept.customer_id, version)
            for left in await unit.stores.merge(shop, [told]):
                moves = transfers(left.merged.customer_id, left.wallet, left.version, left.lots)
                await unit.stores.post(
                    [
                        NewEntry(IDS.new(), key, draft, AT)
                        for move in moves
                        for key, draft in ((left.merged, move.taken), (left.kept, move.given))
                    ]
                )
        assert (await rig.verify(shop)).first is None, version
    undoing = {"kind": EntryKind.REVERSAL, "source": "reversal"}
    await rig.post(entry(old, 30, undoes=spent.entry_id, reverses=EntryKind.REDEEM, **undoing))
    await rig.post(entry(new, -100, undoes=earned.entry_id, reverses=EntryKind.ADJUST, **undoing))
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.unsealed) == (None, 0)
    async with rig.units() as unit:
        wallet = await unit.stores.wallet(old)
    assert wallet is not None
    assert wallet.spendable == 57


async def test_a_long_transaction_leaves_no_gap(rig: Rig) -> None:
    """What a transaction posts that began first and ended last is sealed, too."""
    shop = uuid4()
    one, other = (WalletKey(shop, uuid4()) for _ in range(2))
    async with rig.units() as unit:
        await unit.stores.post([entry(one, 1)])
        await rig.post(entry(other, 2))
        await rig.seal()
        during = await rig.verify(shop)
    assert (during.first, during.entries) == (None, 1)
    if rig.postgres is not None:
        assert during.unsealed == 1  # it waits for the one before
    await rig.seal()
    after = await rig.verify(shop)
    assert (after.first, after.entries, after.unsealed) == (None, 2, 0)


async def test_many_who_seal_while_many_post_seal_everything_once(rig: Rig) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, uuid4()) for _ in range(5)]

    async def some() -> None:
        for _ in range(10):
            await rig.post(*(entry(key, 1) for key in keys))

    await asyncio.gather(some(), some(), *(rig.seal() for _ in range(20)))
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 100, 0)


async def test_what_was_not_committed_is_not_told_as_sealed(rig: Rig) -> None:
    heard: list[Sealed] = []
    await rig.seal()
    await rig.post(entry(WalletKey(uuid4(), uuid4()), 1))

    @asynccontextmanager
    async def dying() -> AsyncIterator[Unit[Any]]:
        async with rig.units() as unit:
            yield unit
            raise LookupError

    with pytest.raises(LookupError):
        await seal_entries(dying, heard.append)
    assert heard == []
    await seal_entries(rig.units, heard.append)
    assert [each.entries for each in heard] == [1]


async def test_every_column_is_sealed(rig: Rig) -> None:
    assert await rig.columns() == set(SEALED)


async def test_a_restored_dump_counts_on_and_nothing_is_left_out(rig: Rig) -> None:
    """Another server's transactions have lower numbers than those that were sealed."""
    shop = uuid4()
    key = WalletKey(shop, uuid4())
    await rig.post(entry(key, 1))
    await rig.seal()
    if rig.postgres is not None:  # MongoDB numbers none, so there is nothing that could differ
        async with rig.postgres.transaction(MIGRATION) as connection:
            await connection.run(
                "UPDATE chain_progress SET cluster = 1, sealed_to = sealed_to + 1000000"
            )
    await rig.post(entry(key, 2))  # with a number that counts as sealed
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 2, 0)
    await rig.post(entry(key, 3))
    assert (await rig.verify(shop)).unsealed == 1
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 3, 0)


async def test_a_history_that_was_rewritten_as_a_whole_is_told_by_the_head(rig: Rig) -> None:
    other, shop = await some_history(rig), await some_history(rig)
    kept = (await rig.verify(shop)).head
    assert kept is not None
    async with rig.tables(shop) as tables:
        for table in ("points_transactions", "chain_blocks", "wallets", "lots"):
            for row in await tables.rows(table):
                await tables.remove(table, row)
        gone = await verify(tables.reader, shop)
        assert gone.first is None  # nothing is there, and that agrees
        gone = await verify(tables.reader, shop, kept)
        assert gone.first is not None
        assert (gone.first.place, gone.first.name) == (Place.BLOCK, str(BLOCKS))
    another = await rig.verify(other, kept)
    assert another.first is not None
    assert (another.first.place, another.first.name) == (Place.BLOCK, str(BLOCKS))


@pytest.mark.parametrize(
    "written",
    ["", "1", "1:", "x:00", "0:" + "0" * 64, "1:" + "0" * 63, "1_0:" + "0" * 64, "1: " + "0" * 64],
)
async def test_what_is_no_head_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="a colon and 64 hexadecimal digits"):
        head_of(written)


@pytest.mark.slow
async def test_each_of_a_hundred_tamperings_is_named(rig: Rig) -> None:
    shop = await some_history(rig)
    assert (await rig.verify(shop)).first is None
    random = Random(20260501)
    for number in range(TAMPERINGS):
        async with rig.tables(shop) as tables:
            how, expected = await Tampering(tables, random).done(number)
            proof = await verify(tables.reader, shop)
        assert proof.first is not None, f"{number}: {how} was not noticed"
        first: Fault = proof.first
        assert (first.place, first.name) in expected, f"{number}: {how}: {first}, not {expected}"
    assert (await rig.verify(shop)).first is None
