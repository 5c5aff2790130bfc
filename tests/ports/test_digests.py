"""The same story on PostgreSQL and on MongoDB: every entry has the same digest, to the last bit."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from bson import Int64

from adapters.mongo.chain import MongoChain, MongoChainReader
from adapters.mongo.chain_documents import block_document, read_unsealed, stored_of
from adapters.mongo.collections import BLOCKS, ENTRIES, OF_POINTS, UNSEALED
from adapters.mongo.database import MongoDatabase
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import Document
from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.database import Database
from adapters.postgres.ledger import PostgresLedger
from domain.merging import ToldMerge
from domain.money import Rounding
from domain.points.bonus import Bonus, Goods
from domain.points.chain import SEALED, Kept, Stored, digest
from domain.points.earning import RuleSnapshot
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life
from domain.points.merging import transfers
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.unit import Units
from services.points.chaining import seal_entries, verify
from tests.ports.stores import IDS, on_mongo, on_postgres

AT: Final = datetime(2026, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)
SNAPSHOT: Final = RuleSnapshot(
    rule="über", settings_version=3, rate=Decimal("1.50"), rounding=Rounding.HALF_UP,
    minimum_spend=Decimal(0), include_shipping=True, include_tax=False, base=Decimal("12.30"),
    merchandise=Decimal("12.3"), points=18, cap=20,
    excluded=Goods(tags=("bb", "a", '"\\/')),
    bonuses=(Bonus("twice", Decimal("2.0"), Goods(tags=("ä\u2028\x7f\t\U0001f389",))),),
)  # fmt: skip
TX: Final = SEALED.index("tx")


class OnPostgres(PostgresLedger, PostgresChain):
    """What posts, and what seals."""


class OnMongo(MongoLedger, MongoChain):
    """What posts, and what seals."""

    def __init__(self, transaction: Transaction) -> None:
        MongoLedger.__init__(self, transaction)


class Story:
    """Of a shop, told to a store as often as there are stores, always with the same ids."""

    def __init__(self) -> None:
        self.shop = uuid4()
        self._wallets = [WalletKey(self.shop, uuid4()) for _ in range(3)]
        self._ids = [IDS.new() for _ in range(20)]

    async def tell(self, units: Units[Ledger]) -> None:
        one, other, kept = self._wallets
        ids = iter(self._ids)

        def entry(
            key: WalletKey, points: int, kind: str = "adjust", life: Life = FOREVER, **more: Any
        ) -> NewEntry:
            draft = EntryDraft(EntryKind(kind), points, 'say "hi"\n½', "adjust", "", "")
            entry_id = next(ids)
            draft = draft._replace(**({"source_ref": str(entry_id)} | more))
            return NewEntry(entry_id, key, draft, AT, life=life)

        earned = entry(
            one, 18, "earn", Life(AT + timedelta(days=1), 30),
            source="order", order_id="o1", snapshot=SNAPSHOT, rule="über", line="1", waived=2,
        )  # fmt: skip
        spent = entry(one, -15, "redeem")
        undone: dict[str, Any] = {"undoes": spent.entry_id, "reverses": EntryKind.REDEEM}
        posts = (
            [earned, entry(one, 7), entry(one, 5, pending=True), entry(other, 3), spent],
            [entry(one, 15, "reversal", **undone), entry(one, -2, "expire")],
            [entry(other, -10), entry(other, 4, life=Life(None, 9)), entry(kept, 1)],
        )
        for some in posts:
            async with units() as unit:
                await unit.stores.post(some)
        async with units() as unit:
            told = ToldMerge(one.customer_id, kept.customer_id, 1)
            for left in await unit.stores.merge(self.shop, [told]):
                for move in transfers(
                    left.merged.customer_id, left.wallet, left.version, left.lots
                ):
                    taken = NewEntry(next(ids), left.merged, move.taken, AT)
                    given = NewEntry(next(ids), left.kept, move.given, AT)
                    await unit.stores.post([taken, given])

    async def go_on(self, units: Units[Ledger]) -> None:
        """With an entry that is nowhere yet."""
        draft = EntryDraft(EntryKind.ADJUST, 9, "", "adjust", str(uuid4()), "")
        async with units() as unit:
            await unit.stores.post([NewEntry(IDS.new(), self._wallets[2], draft, AT)])


async def test_every_entry_has_the_same_digest_in_both_stores(
    servers: Servers, mongo: MongoServer
) -> None:
    story = Story()
    async with on_postgres(servers, stores=OnPostgres) as store:
        await story.tell(store.units)
        await seal_entries(store.units)
    async with on_mongo(mongo, servers) as store:
        await story.tell(store.units)
    rows, sealed = await on_postgres_of(servers, story.shop)
    documents, queued = await on_mongo_of(mongo, story.shop)
    assert len(rows) > 12
    assert rows.keys() == documents.keys() == sealed.keys() == queued.keys()
    assert any(row.values[SEALED.index("snapshot")] for row in rows.values())
    assert sum(row.values[SEALED.index("uses")] is not None for row in rows.values()) > 4
    for entry_id, row in rows.items():
        here = stored_of(documents[entry_id])
        assert but_for_tx(here) == but_for_tx(row)
        assert digest(here.values) == queued[entry_id]
        # An entry that moves keeps the number of the transaction that wrote it, and so all of it.
        moved = stored_of(documents[entry_id] | {"tx": row.values[TX]})
        assert digest(moved.values) == sealed[entry_id]


async def test_blocks_that_are_moved_are_proven_where_they_are_now(
    servers: Servers, mongo: MongoServer
) -> None:
    story = Story()
    async with on_postgres(servers, stores=OnPostgres) as store:
        await story.tell(store.units)
        await seal_entries(store.units)
    async with on_mongo(mongo, servers) as store:
        await story.tell(store.units)
    rows, _ = await on_postgres_of(servers, story.shop)
    postgres = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=1)
    async with postgres.transaction(AS_OF_NOW) as connection:
        there = await verify(PostgresChainReader(connection), story.shop)
        blocks = [each async for each in PostgresChainReader(connection).blocks(story.shop)]
    await postgres.close()
    database = MongoDatabase(mongo.url, "points", OF_POINTS)
    await database.collection(UNSEALED.name).delete_many({"merchant_id": story.shop})
    for entry_id, row in rows.items():
        change = {"$set": {"tx": Int64(row.values[TX] or 0)}}
        await database.collection(ENTRIES.name).update_one({"_id": entry_id}, change)
    documents = [block_document(story.shop, each) for each in blocks]
    await database.collection(BLOCKS.name).insert_many(documents)
    here = await verify(MongoChainReader(database), story.shop, there.head)
    assert (here.first, here.entries, here.unsealed) == (None, len(rows), 0)
    assert there.head is not None
    assert here.head == there.head
    # And it goes on from there.
    async with on_mongo(mongo, servers, stores=OnMongo) as store:
        await story.go_on(store.units)
        await seal_entries(store.units)
    after = await verify(MongoChainReader(database), story.shop, there.head)
    await database.close()
    assert (after.first, after.entries, after.unsealed) == (None, len(rows) + 1, 0)
    assert after.head is not None
    assert after.head.number == there.head.number + 1


async def on_postgres_of(
    servers: Servers, shop: UUID
) -> tuple[dict[UUID, Stored], dict[UUID, bytes]]:
    """Entries, and what is sealed of them."""
    database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=1)
    async with database.transaction(AS_OF_NOW) as connection:
        reader = PostgresChainReader(connection)
        found = [each async for each in reader.books(shop) if not isinstance(each, Kept)]
    await database.close()
    rows = {each.stored.entry_id: each.stored for each in found if each.stored is not None}
    return rows, {each.slot.entry_id: each.slot.digest for each in found if each.slot is not None}


async def on_mongo_of(
    mongo: MongoServer, shop: UUID
) -> tuple[dict[UUID, Document], dict[UUID, bytes]]:
    """Entries, and what waits to be sealed of them."""
    database = MongoDatabase(mongo.url, "points", OF_POINTS)
    entries = await database.collection(ENTRIES.name).find({"merchant_id": shop}).to_list(None)
    queued = await database.collection(UNSEALED.name).find({"merchant_id": shop}).to_list(None)
    await database.close()
    pairs = [pair for each in queued for pair in read_unsealed(each)]
    return {each["_id"]: each for each in entries}, dict(pairs)


def but_for_tx(stored: Stored) -> Sequence[object]:
    return [each for place, each in enumerate(stored.values) if place != TX]
