"""What a shop was before it is moved, it is after, to the row."""

import json
from uuid import UUID, uuid4

import pytest

from adapters.mongo.chain_documents import block_after
from adapters.mongo.collections import CHAIN_SWEEP, INBOX, LOCKS, MOVES, OF_POINTS, OUTBOX
from adapters.mongo.moving import PLACES
from adapters.postgres import tenancy
from adapters.postgres.chain import AS_OF_NOW
from adapters.postgres.connection import text
from adapters.postgres.moving import TABLES_HERE
from domain.points.ledger import EntryKind
from domain.points.moving import BLOCKS, ENTRIES, TABLES, Row, Standing, Table, row_digest
from ports.ledger import WalletKey
from ports.tenancy import within
from services.points.chaining import seal_entries
from tests.ports.moving.rig import (
    Kept,
    Rig,
    a_life,
    every_document,
    every_row,
    other_than,
    tables_of,
)
from tests.ports.points_life import entry
from tests.ports.stores import SYSTEM_CLOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_there_and_back_a_shop_is_what_it_was(rig: Rig) -> None:
    other, shop = await a_life(rig.postgres), await a_life(rig.postgres)
    before, others = await every_row(rig, shop), await every_row(rig, other)
    assert all(before.values()), "something of everything"
    waiting = await rig.verify(shop, rig.postgres)
    assert waiting
    there = await rig.there.move(shop)
    assert there.first is None
    assert (there.lives_there, there.events) == (True, 1)
    assert {each.table for each in there.tables if not each.source.rows} == set()
    assert await rig.verify(shop, rig.mongo) == waiting
    assert await every_row(rig, shop) == before, "it stays where it was, too"
    back = await rig.back.move(shop)
    assert (back.first, back.lives_there, back.events) == (None, True, 1)
    assert await every_row(rig, shop) == before
    assert await every_row(rig, other) == others
    assert not any((await every_document(rig, other)).values())
    assert await rig.verify(shop, rig.postgres) == waiting


async def test_a_shop_that_began_on_mongodb_is_what_it_was_there(rig: Rig) -> None:
    shop = await a_life(rig.mongo)
    before = await every_document(rig, shop)
    assert all(before.values()), "something of everything"
    assert (await rig.back.move(shop)).lives_there
    await rig.verify(shop, rig.postgres)
    assert (await rig.there.move(shop)).lives_there
    assert await every_document(rig, shop) == before
    await rig.verify(shop, rig.mongo)


async def test_it_goes_on_living_where_it_is_and_its_chain_with_it(rig: Rig, kept: Kept) -> None:
    shop, there = await a_life(kept), other_than(rig, kept)
    head = (await rig.proof(shop, kept)).head
    assert head is not None
    for source, target in ((kept, there), (there, kept)):
        assert (await rig.from_to(source, target).move(shop)).lives_there
        member = WalletKey(shop, uuid4())
        with within([shop]):
            async with target.units() as unit:
                await unit.stores.post([entry(member, 5)])
        await seal_entries(target.across)
        assert await rig.verify(shop, target, since=head) == 0


async def test_what_is_sealed_beyond_a_servers_transactions_is_not_sealed_again(rig: Rig) -> None:
    """By the numbers of another server, which has counted further."""
    shop, member = uuid4(), uuid4()
    with within([shop]):
        async with rig.mongo.units() as unit:
            await unit.stores.post([entry(WalletKey(shop, member), 5)])
    points, now = rig.mongo.points, SYSTEM_CLOCK.now()
    (told,) = [row async for row in points.rows(shop, ENTRIES, now)]
    far = {**told, "tx": 2**50}
    await rig.documents.collection("chain_unsealed").delete_many({"merchant_id": shop})
    await rig.documents.collection("points_transactions").update_one(
        {"merchant_id": shop}, {"$set": {"tx": 2**50}}
    )
    await points.stand(shop, Standing.ARRIVING)
    sealed = (UUID(str(told["entry_id"])), row_digest(shop, ENTRIES, far))
    block = block_after(None, shop, [sealed], 1)
    row: Row = {
        "number": 1, "prev_hash": block.prev.hex(), "hash": block.hash.hex(),
        "entry_ids": json.dumps([told["entry_id"]]), "digests": json.dumps([sealed[1].hex()]),
        "count": 1, "sealed_at": 1,
    }  # fmt: skip
    await points.add(shop, BLOCKS, [row])
    await points.stand(shop, Standing.HERE)
    assert await rig.verify(shop, rig.mongo) == 0
    assert (await rig.back.move(shop)).lives_there
    other = await a_life(rig.postgres)
    for _ in range(2):
        with within([shop]):
            async with rig.postgres.units() as unit:
                await unit.stores.post([entry(WalletKey(shop, member), 5)])
        await seal_entries(rig.postgres.across)
        assert await rig.verify(shop, rig.postgres) == 0
        assert await rig.verify(other, rig.postgres) == 0


async def test_a_reversal_is_still_one_where_it_was_moved_to(rig: Rig, kept: Kept) -> None:
    """What was undone before cannot be undone again after."""
    shop, there = await a_life(kept), other_than(rig, kept)
    await rig.from_to(kept, there).move(shop)
    rows = [row async for row in there.points.rows(shop, ENTRIES, SYSTEM_CLOCK.now())]
    (undone,) = [row for row in rows if row["undoes"] is not None]
    member = WalletKey(shop, UUID(str(undone["customer_id"])))
    again = entry(
        member, -20, kind=EntryKind.REVERSAL, reverses=EntryKind.EARN,
        undoes=UUID(str(undone["undoes"])),
    )  # fmt: skip
    old = next(row for row in rows if row["source"] == "activity")
    same = entry(
        member, 500, source_ref=str(old["source_ref"]), source=old["source"], rule=old["rule"]
    )
    with within([shop]):
        async with there.units() as unit:
            assert list(await unit.stores.post([again, same])) == []


async def test_every_table_with_something_of_a_shop_is_moved(rig: Rig) -> None:
    """Whoever adds one says in ``domain.points.moving`` how it looks, or here why it stays."""
    with_shop = await tables_of(rig, "= 'merchant_id'")
    assert with_shop - {*TABLES_HERE} == {tenancy.MOVES}
    assert {*TABLES_HERE} - with_shop == set()
    assert await tables_of(rig, "IS NOT NULL") - with_shop == {
        "outbox",  # goes along by itself (``unsent``)
        "inbox",  # is of no shop; who listens with it converges without (tests/mesh)
        "chain_progress",  # is about the numbers of transactions of this server
    }
    stay = {MOVES.name, OUTBOX.name, INBOX.name, LOCKS.name, CHAIN_SWEEP.name}
    assert {each.name for each in OF_POINTS} == stay | {
        place.collection.name for place in PLACES.values()
    }
    assert PLACES.keys() == {each.name for each in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_every_column_is_moved(rig: Rig, table: Table) -> None:
    place = PLACES[table.name]
    made_here = {"spent_by", "sealed_code_key", "merchant_id"}
    if table.name not in ("orders", "chain_unsealed"):
        columns = {place.field(name) for name in table.columns} - {"_id"}
        collection = place.collection
        assert {*collection.fields, *collection.optional} - made_here == columns
    if table.name == "chain_unsealed":
        return  # is made of entries and blocks on PostgreSQL
    async with rig.tables.transaction(AS_OF_NOW) as connection:
        found = await connection.execute(
            text(
                "SELECT CAST(column_name AS text) FROM information_schema.columns"
                " WHERE table_name = :name"
            ),
            {"name": table.name},
        )
        beside = {"merchant_id"}
        beside |= {"rewards": {"stock"}, "reward_redemptions": {"sealed_code_key"}}.get(
            table.name, set()
        )
        assert {*found.scalars()} - beside == {*table.columns} - {"refunds"}
