"""What is particular to the chain on MongoDB: its queue, its moments, entries from before it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient
from pymongo.errors import WriteError

from adapters.mongo.chain import MongoChain, MongoChainReader
from adapters.mongo.collections import (
    BLOCKS,
    CHAIN_SWEEP,
    ENTRIES,
    LOCKS,
    OF_POINTS,
    UNSEALED,
    WALLETS,
)
from adapters.mongo.database import MongoDatabase
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.scope import ACROSS_SHOPS
from adapters.mongo.slots import Slots
from adapters.system import SystemClock, UuidV7
from domain.errors import Unavailable
from domain.points.chain import BLOCK_SIZE, Block, Found, Kept, Place, Proof
from domain.points.ledger import EntryDraft, EntryKind
from infra.embedded.mongo import MongoServer
from ports.chain import Sealed
from ports.ledger import NewEntry, WalletKey
from services.points.chaining import verify

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS = UuidV7()
ALL = 20_000


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(mongo: MongoServer) -> AsyncIterator[MongoDatabase]:
    """Of no other tests: what is sealed here is sealed for all shops."""
    database = MongoDatabase(mongo.url, "chain", OF_POINTS)
    await database.migrate()
    yield database
    await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def database(made: MongoDatabase) -> MongoDatabase:
    for each in OF_POINTS:
        await made.collection(each.name).delete_many({})
    return made


def entry(key: WalletKey, points: int = 5, **changes: Any) -> NewEntry:
    draft = EntryDraft(EntryKind.ADJUST, points, "", "adjust", str(uuid4()), "")
    return NewEntry(IDS.new(), key, draft._replace(**changes), AT)


async def post(database: MongoDatabase, *entries: NewEntry) -> None:
    async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        await MongoLedger(transaction).post(entries)


async def seal(database: MongoDatabase, most: int = ALL) -> Sealed | None:
    async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        return await MongoChain(transaction).seal(most, AT)


async def proven(database: MongoDatabase, shop: UUID, seconds: float = 60) -> Proof:
    return await verify(MongoChainReader(database, seconds), shop)


async def forget_the_chain(database: MongoDatabase) -> None:
    """Let entries be as a version of the service wrote them that knew of none."""
    await database.collection(UNSEALED.name).delete_many({})
    await database.collection(ENTRIES.name).update_many(
        {}, {"$unset": {"tx": 1}}, bypass_document_validation=True
    )


async def test_what_one_transaction_posts_is_one_document_of_the_queue(
    database: MongoDatabase,
) -> None:
    shop = uuid4()
    await post(database, *(entry(WalletKey(shop, uuid4())) for _ in range(7)))
    queue = database.collection(UNSEALED.name)
    assert await queue.count_documents({}) == 1
    assert await seal(database) == Sealed(1, 7, [], is_more=False)
    assert await queue.count_documents({}) == 0
    assert await seal(database) == Sealed(0, 0, [], is_more=False)


async def test_a_long_queue_is_sealed_in_blocks_and_in_turns(database: MongoDatabase) -> None:
    shop = uuid4()
    for _ in range(3):
        keys = [WalletKey(shop, uuid4()) for _ in range(BLOCK_SIZE // 2 + 1)]
        await post(database, *map(entry, keys))
    assert await seal(database, BLOCK_SIZE) == Sealed(2, BLOCK_SIZE + 2, [], is_more=True)
    assert await seal(database, BLOCK_SIZE) == Sealed(1, BLOCK_SIZE // 2 + 1, [], is_more=False)
    blocks = await database.collection(BLOCKS.name).find().sort("number").to_list(None)
    assert [each["count"] for each in blocks] == [BLOCK_SIZE, 2, BLOCK_SIZE // 2 + 1]
    assert len(blocks[0]["entry_ids"]) == 16 * BLOCK_SIZE
    proof = await proven(database, shop)
    assert (proof.first, proof.unsealed) == (None, 0)


async def test_one_seals_at_a_time(database: MongoDatabase) -> None:
    await post(database, entry(WalletKey(uuid4(), uuid4())))
    async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        held = await MongoChain(transaction).seal(ALL, AT)
        assert await seal(database) is None
    assert held == Sealed(1, 1, [], is_more=False)
    assert await seal(database) == Sealed(0, 0, [], is_more=False)


async def test_who_lost_the_lock_seals_nothing(database: MongoDatabase) -> None:
    """Another took over because it took too long: one of them must not be believed."""
    shop = uuid4()
    await post(database, entry(WalletKey(shop, uuid4())))

    async def too_late() -> None:
        async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
            await MongoChain(transaction).seal(ALL, AT)
            await database.collection(LOCKS.name).delete_many({})

    with pytest.raises(Unavailable):
        await too_late()
    assert (await proven(database, shop)).unsealed == 1
    assert await seal(database) == Sealed(1, 1, [], is_more=False)


async def test_a_last_block_that_was_changed_is_noticed_when_the_next_follows(
    database: MongoDatabase,
) -> None:
    shop = uuid4()
    await post(database, entry(WalletKey(shop, uuid4())))
    await seal(database)
    await database.collection(BLOCKS.name).update_many({}, {"$set": {"digests": b"x" * 32}})
    await post(database, entry(WalletKey(shop, uuid4())))
    assert await seal(database) == Sealed(1, 1, [shop], is_more=False)


async def test_what_is_changed_before_it_is_sealed_is_noticed_too(database: MongoDatabase) -> None:
    shop = uuid4()
    new = entry(WalletKey(shop, uuid4()))
    await post(database, new)
    entries = database.collection(ENTRIES.name)
    await entries.update_one({"_id": new.entry_id}, {"$set": {"reason": "a bribe"}})
    await seal(database)
    proof = await proven(database, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.ENTRY, str(new.entry_id))


async def test_a_moment_that_the_server_has_forgotten_is_said_to_be(
    database: MongoDatabase, mongo: MongoServer
) -> None:
    async def read_on(turns: Iterable[int]) -> None:
        async with database.moment() as moment:
            for _ in turns:
                await moment.shops(WALLETS)
                await post(database, entry(WalletKey(uuid4(), uuid4())))

    until_forgotten = count()
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo.url)
    change = {"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0}
    was = await admin.admin.command(change)
    try:
        with pytest.raises(Unavailable, match="does not know that moment any more"):
            async with asyncio.timeout(20):
                await read_on(until_forgotten)
    finally:
        await admin.admin.command(change | {"minSnapshotHistoryWindowInSeconds": was["was"]})
        await admin.close()
    await read_on(range(next(until_forgotten)))


async def test_a_disk_that_is_full_is_said_to_be() -> None:
    slots = Slots()
    slots._known.execute("PRAGMA max_page_count = 9")
    block = Block(1, b"", b"", [uuid4() for _ in range(BLOCK_SIZE)], [b"x" * 32] * 999, 1, 0)
    with pytest.raises(OSError, match="no room in TMPDIR"):
        slots.add(block)
    slots.close()


async def test_every_member_may_be_told_of_another_moment(database: MongoDatabase) -> None:
    """Whatever is posted and sealed meanwhile: each member's books are whole."""
    shop = uuid4()
    keys = [WalletKey(shop, UUID(int=number)) for number in range(1, 6)]
    await post(database, *map(entry, keys))
    await seal(database)
    await post(database, entry(keys[3]))
    proof = Proof(shop)
    reader = MongoChainReader(database, moment_seconds=0)
    async for block in reader.blocks(shop):
        proof.block(block)
    proof.blocks_done()
    members = []
    async for told in reader.books(shop):
        if isinstance(told, Found):
            proof.entry(told)
            continue
        members.append(told.customer_id)
        proof.kept(told)
        await post(database, entry(keys[2]), entry(keys[4], -1))
        await seal(database)
    assert members == [key.customer_id for key in keys]
    # Of the third two more are seen, of the fourth one, of the last four.
    assert (proof.first, proof.entries, proof.unsealed) == (None, 5 + 2 + 1 + 4, 2 + 1 + 4)
    assert proof.head is not None
    assert proof.head.number == 1
    after = await proven(database, shop)
    assert (after.first, after.unsealed) == (None, 0)


async def test_one_moment_sees_nothing_of_what_comes_after(database: MongoDatabase) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, UUID(int=number)) for number in range(1, 4)]
    await post(database, *map(entry, keys))
    reader = MongoChainReader(database)
    async for _ in reader.blocks(shop):
        raise AssertionError("nothing is sealed yet")
    versions = []
    async for told in reader.books(shop):
        if isinstance(told, Kept):
            versions.append(told.version)
            await post(database, *map(entry, keys))
    assert versions == [1, 1, 1]


async def test_it_reads_nothing_of_another_shop(database: MongoDatabase) -> None:
    shop, other = uuid4(), uuid4()
    member = uuid4()
    await post(database, entry(WalletKey(shop, member)))
    await seal(database)
    await post(database, entry(WalletKey(shop, member)))
    reader = MongoChainReader(database)
    assert [each async for each in reader.blocks(other)] == []
    assert [each async for each in reader.books(other)] == []
    assert await reader.shops() == [shop]


async def test_entries_from_before_there_was_a_chain_are_swept_up_once(
    database: MongoDatabase,
) -> None:
    shop, key = uuid4(), WalletKey(uuid4(), uuid4())
    await post(database, *(entry(WalletKey(shop, uuid4())) for _ in range(5)))
    await forget_the_chain(database)
    entries = database.collection(ENTRIES.name)
    await post(database, entry(key))
    old = await proven(database, shop)
    assert (old.first, old.unsealed) == (None, 5)
    assert await seal(database) == Sealed(2, 6, [], is_more=False)
    for each in (shop, key.merchant_id):
        proof = await proven(database, each)
        assert (proof.first, proof.unsealed) == (None, 0)
    swept = await database.collection(CHAIN_SWEEP.name).find_one({})
    assert swept is not None
    assert swept["done"]
    # From here on nobody adds such an entry, and one that is there is no old one.
    late = await entries.find_one({"merchant_id": shop})
    assert late is not None
    late = late | {"_id": IDS.new(), "source_ref": "late"}
    with pytest.raises(WriteError) as refused:
        await entries.insert_one(late)
    assert refused.value.code == 121
    await entries.insert_one(late, bypass_document_validation=True)
    assert await seal(database) == Sealed(0, 0, [], is_more=False)
    proof = await proven(database, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.ENTRY, str(late["_id"]))


async def test_a_sweep_goes_on_where_it_was(
    database: MongoDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.mongo.chain._SWEPT_AT_ONCE", 2)
    shop = uuid4()
    await post(database, *(entry(WalletKey(shop, uuid4())) for _ in range(5)))
    await forget_the_chain(database)
    found = [await seal(database) for _ in range(3)]
    assert found == [
        Sealed(1, 2, [], is_more=True),
        Sealed(1, 2, [], is_more=True),
        Sealed(1, 1, [], is_more=False),
    ]
    assert (await proven(database, shop)).first is None


@pytest.mark.parametrize(
    "change",
    [
        {"points": 5.0},
        {"points": "5"},
        {"customer_id": "nobody"},
        {"kind": b"earn"},
        {"snapshot": {"at": AT}},
        {"uses": "none"},
        {"uses": [{"lot_id": 1}]},
        {"more": 1},
        {"at": AT},
    ],
    ids=str,
)
async def test_what_is_no_value_of_an_entry_is_named_too(
    database: MongoDatabase, change: dict[str, object]
) -> None:
    shop = uuid4()
    new = entry(WalletKey(shop, uuid4()))
    await post(database, new, entry(WalletKey(shop, uuid4())))
    await seal(database)
    entries = database.collection(ENTRIES.name)
    await entries.update_one(
        {"_id": new.entry_id}, {"$set": change}, bypass_document_validation=True
    )
    proof = await proven(database, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.ENTRY, str(new.entry_id))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"number": "1"}, "0"),
        ({"number": 1.0}, "0"),
        ({"hash": "x"}, "1"),
        ({"prev_hash": None}, "1"),
        ({"digests": []}, "1"),
        ({"entry_ids": "x"}, "1"),
        ({"sealed_at": AT}, "1"),
    ],
    ids=str,
)
async def test_what_is_no_block_is_named_too(
    database: MongoDatabase, change: dict[str, object], name: str
) -> None:
    shop = uuid4()
    await post(database, entry(WalletKey(shop, uuid4())))
    await seal(database)
    await database.collection(BLOCKS.name).update_one(
        {"merchant_id": shop}, {"$set": change}, bypass_document_validation=True
    )
    proof = await proven(database, shop)
    assert proof.first is not None
    assert (proof.first.place, proof.first.name) == (Place.BLOCK, name)


async def test_many_services_seal_everything_once(
    database: MongoDatabase, mongo: MongoServer
) -> None:
    """Each with a client of its own, as processes have them."""
    shop = uuid4()
    others = [MongoDatabase(mongo.url, database.service, OF_POINTS) for _ in range(3)]

    async def posting() -> None:
        for _ in range(10):
            await post(database, *(entry(WalletKey(shop, uuid4())) for _ in range(5)))

    async def sealing(one: MongoDatabase) -> None:
        while not posted.done():
            await seal(one)

    posted = asyncio.create_task(posting())
    await asyncio.gather(posted, *map(sealing, others))
    await seal(database)
    for each in others:
        await each.close()
    proof = await proven(database, shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 50, 0)
