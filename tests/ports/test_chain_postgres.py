"""What is particular to the chain on PostgreSQL: its numbers of transactions, and values that only
its types have."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.database import Database
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.moving import PostgresPointsStore
from adapters.system import UuidV7
from domain.points.chain import Place, Proof
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.moving import Standing
from infra.embedded.servers import Servers
from ports.chain import Sealed
from ports.ledger import NewEntry, WalletKey
from ports.unit import Units
from services.points.chaining import seal_entries, verify
from tests.ports.stores import on_postgres
from tests.ports.tampering import PostgresTables
from tests.ports.tampering import on_postgres as tampered

AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS: Final = UuidV7()

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Stores(PostgresLedger, PostgresChain):
    """What posts, and what seals."""


@dataclass(frozen=True)
class Rig:
    units: Units[Any]
    database: Database

    async def shop(self) -> UUID:
        """With a member who has a sealed entry that waits, and one that can be spent."""
        key = WalletKey(uuid4(), uuid4())
        await self.post(key, pending=True)
        await self.post(key)
        await seal_entries(self.units)
        return key.merchant_id

    async def post(self, key: WalletKey, **changes: Any) -> None:
        draft = EntryDraft(EntryKind.ADJUST, 5, "", "adjust", str(uuid4()), "")
        async with self.units() as unit:
            await unit.stores.post([NewEntry(IDS.new(), key, draft._replace(**changes), AT)])

    async def verify(self, shop: UUID) -> Proof:
        async with self.database.transaction(AS_OF_NOW) as connection:
            return await verify(PostgresChainReader(connection), shop)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=6)
    async with on_postgres(servers, stores=Stores) as store:
        yield Rig(store.units, database)
    await database.close()


async def a_pending_entry(tables: PostgresTables) -> dict[str, Any]:
    rows = await tables.rows("points_transactions")
    return next(row for row in rows if row["pending"])


async def test_an_entry_whose_id_was_blotted_out_with_it_is_missed(rig: Rig) -> None:
    """Its wallet agrees, and the digests that the block's hash is of are all there."""
    shop = await rig.shop()
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        gone = await a_pending_entry(tables)
        (wallet,) = await tables.rows("wallets")
        block = next(
            each
            for each in await tables.rows("chain_blocks")
            if gone["entry_id"] in each["entry_ids"]
        )
        ids = [None if each == gone["entry_id"] else each for each in block["entry_ids"]]
        await tables.remove("points_transactions", gone)
        await tables.change("wallets", wallet, pending=0, version=wallet["version"] - 1)
        await tables.change("chain_blocks", block, entry_ids=ids)
        proof = await verify(tables.reader, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.BLOCK, str(block["number"]))


@pytest.mark.parametrize("digests", ["ARRAY[NULL, NULL]", "ARRAY[digests, digests]"])
async def test_digests_that_are_none_are_named(rig: Rig, digests: str) -> None:
    shop = await rig.shop()
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        await tables.sql(
            f"UPDATE chain_blocks SET digests = CAST({digests} AS bytea[])"
            " WHERE merchant_id = :shop",
            shop=shop,
        )
        proof = await verify(tables.reader, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.BLOCK, "1")


async def test_a_last_block_that_was_emptied_is_noticed_when_the_next_follows(rig: Rig) -> None:
    shop = await rig.shop()
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        await tables.sql(
            "UPDATE chain_blocks SET digests = '{}' WHERE merchant_id = :shop", shop=shop
        )
        await tables.forge(await a_pending_entry(tables) | {"entry_id": IDS.new(), "line": "2"})
        # Whose transaction is not over, for the others; here it is to be.
        await tables.sql("UPDATE points_transactions SET tx = 1 WHERE line = '2'")
        await tables.sql("UPDATE chain_progress SET sweeping = true")
        sealed = await PostgresChain(tables.connection).seal(100_000, AT)
    assert sealed is not None
    assert sealed.entries >= 1  # other tests' shops may have some, too
    assert shop in sealed.broken


async def test_an_entry_of_a_transaction_that_has_not_been_yet_is_named(rig: Rig) -> None:
    """It would wait to be sealed for ever."""
    shop = await rig.shop()
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        row = await a_pending_entry(tables)
        entry_id = IDS.new()
        await tables.add(
            "points_transactions", row | {"entry_id": entry_id, "line": "2", "tx": 2**62}
        )
        (wallet,) = await tables.rows("wallets")
        changes = {"pending": wallet["pending"] + 5, "version": wallet["version"] + 1}
        await tables.change("wallets", wallet, **changes)
        proof = await verify(tables.reader, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.ENTRY, str(entry_id))


@pytest.mark.parametrize(
    ("table", "column", "place"),
    [
        ("points_transactions", "at", Place.ENTRY),
        ("points_transactions", "expires_at", Place.ENTRY),
        ("lots", "opened_at", Place.LOT),
        ("lots", "expires_at", Place.LOT),
        ("chain_blocks", "sealed_at", Place.BLOCK),
    ],
)
@pytest.mark.parametrize("instant", ["infinity", "-infinity"])
async def test_a_time_that_never_comes_is_named(
    rig: Rig, table: str, column: str, place: Place, instant: str
) -> None:
    shop = await rig.shop()
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        await tables.sql(
            f"UPDATE {table} SET {column} = '{instant}' WHERE merchant_id = :shop", shop=shop
        )
        proof = await verify(tables.reader, shop)
    assert proof.first is not None
    assert proof.first.place is place


@pytest.mark.parametrize(
    "uses",
    [
        '[[[5, 1, "2026-05-01T12:00:00Z", [null, 0], ""], 1]]',
        '[[["x", 1, "2026-05-01T12:00:00Z", [null, 0], ""], 1]]',
        "[" * 2000 + "]" * 2000,
    ],
    ids=["number", "word", "deep"],
)
async def test_lots_that_no_entry_can_use_are_named(rig: Rig, uses: str) -> None:
    shop = await rig.shop()
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        statement = "UPDATE points_transactions SET uses = :uses WHERE merchant_id = :shop"
        await tables.sql(f"{statement} AND NOT pending", shop=shop, uses=uses)
        proof = await verify(tables.reader, shop)
    assert proof.first is not None
    assert proof.first.place is Place.ENTRY


async def test_what_waits_in_a_shop_that_is_being_moved_goes_on_waiting(rig: Rig) -> None:
    """Sealing does not see it, and goes on with the others."""
    key = WalletKey(await rig.shop(), uuid4())
    await rig.post(key)
    points = PostgresPointsStore(rig.database)
    await points.stand(key.merchant_id, Standing.LEAVING)
    await rig.shop()
    proof = await rig.verify(key.merchant_id)
    assert (proof.first, proof.unsealed) == (None, 1)
    await points.stand(key.merchant_id, Standing.HERE)
    await seal_entries(rig.units)
    proof = await rig.verify(key.merchant_id)
    assert (proof.first, proof.unsealed) == (None, 0)


async def test_what_is_in_no_block_is_swept_up_shop_by_shop(rig: Rig) -> None:
    """Of a shop in which nothing is found, though it has more entries than its blocks list, others
    are not kept waiting."""
    shop = await rig.shop()
    others = [await rig.shop() for _ in range(3)]
    async with tampered(rig.database, shop) as tables:
        assert isinstance(tables, PostgresTables)
        chain = PostgresChain(tables.connection)
        await tables.sql("UPDATE chain_progress SET sweeping = true")
        while (sealed := await chain.seal(100_000, AT)) is not None and sealed.is_more:
            pass  # what other tests have left
        await tables.sql("UPDATE chain_progress SET sweeping = true")
        row = await a_pending_entry(tables)
        await tables.add(
            "points_transactions", row | {"customer_id": UUID(int=1), "line": "2", "tx": 1}
        )
        for other in others:
            for line in ("2", "3"):
                new = {"merchant_id": other, "entry_id": IDS.new(), "line": line, "tx": 1}
                await tables.add("points_transactions", row | new)
        found = [await chain.seal(most, AT) for most in (1, 4, 4)]
        for other in others:
            proof = await verify(tables.reader, other)
            assert (proof.entries, proof.unsealed) == (4, 0)
    assert found == [
        Sealed(1, 1, (), is_more=True),
        Sealed(3, 4, (), is_more=True),
        Sealed(1, 1, (), is_more=False),
    ]


async def test_who_keeps_a_transaction_open_is_told_from_who_has_nothing_to_seal(rig: Rig) -> None:
    await seal_entries(rig.units)
    key = WalletKey(uuid4(), uuid4())

    async def sealed() -> Sealed:
        async with rig.units() as unit:
            done = await unit.stores.seal(1000, AT)
        assert isinstance(done, Sealed)
        return done

    async with rig.units() as unit:
        await unit.stores.post(
            [NewEntry(IDS.new(), key, EntryDraft(EntryKind.ADJUST, 1, "", "adjust", "1", ""), AT)]
        )
        await sealed()
        await rig.post(WalletKey(uuid4(), uuid4()))
        held_up = await sealed()
    assert (held_up.entries, held_up.is_held_up) == (0, True)
    after = await sealed()
    assert (after.entries, after.is_held_up) == (2, False)
    idle = await sealed()
    assert (idle.entries, idle.is_held_up) == (0, False)
