"""Moving a shop between the stores, on the real servers: what it was before, it is after, to the
row."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import choice
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from bson import ObjectId
from sqlalchemy import text

from adapters.mongo.chain import MongoChainReader
from adapters.mongo.chain_documents import block_after
from adapters.mongo.collections import CHAIN_SWEEP, INBOX, LOCKS, MOVES, OF_POINTS, OUTBOX
from adapters.mongo.database import MongoDatabase
from adapters.mongo.moving import PLACES, MongoPointsStore
from adapters.mongo.resealing import MongoSealedRows
from adapters.mongo.scope import Scope
from adapters.postgres import moving, tenancy
from adapters.postgres.chain import AS_OF_NOW, PostgresChainReader
from adapters.postgres.database import Database
from adapters.postgres.moving import TABLES_HERE, PostgresPointsStore
from adapters.postgres.resealing import SealedTable, sealed_rows
from adapters.postgres.tenancy import MIGRATION
from domain.errors import NotFound, Unavailable
from domain.points.bonus import Buyer
from domain.points.chain import Head, Proof
from domain.points.ledger import EntryKind
from domain.points.moving import (
    BLOCKS,
    BUYERS,
    ENTRIES,
    ORDERS,
    TABLES,
    WALLETS,
    Row,
    Standing,
    Table,
    row_digest,
)
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.earning import BuyerFacts, BuyerKey
from ports.ledger import WalletKey
from ports.moving import PointsStore, ShopMoving
from ports.tenancy import within
from ports.unit import Units
from services.points.chaining import seal_entries, verify
from services.points.moving import Mover, NotMovable
from tests.conftest import eventually
from tests.ports.points_life import AT, OnMongo, OnPostgres, begin_resealing, entry, live
from tests.ports.stores import SYSTEM_CLOCK, on_mongo, on_postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

_SEALED: Final = SealedTable("reward_redemptions", "redemption_id", {})


@dataclass(frozen=True)
class Kept:
    """A store of points, with what the service works with there: for the shops at hand, for all,
    and for what is sealed."""

    units: Units[Any]
    across: Units[Any]
    sealed: Units[Any]
    points: PointsStore


@dataclass(frozen=True)
class Rig:
    tables: Database
    documents: MongoDatabase
    postgres: Kept
    mongo: Kept

    def from_to(self, source: Kept, target: Kept) -> Mover:
        return Mover(source.points, target.points, SYSTEM_CLOCK)

    @property
    def there(self) -> Mover:
        return self.from_to(self.postgres, self.mongo)

    @property
    def back(self) -> Mover:
        return self.from_to(self.mongo, self.postgres)

    async def verify(self, shop: UUID, kept: Kept, since: Head | None = None) -> int:
        """Raises AssertionError where a shop's ledger does not agree; answers how many entries wait
        to be sealed."""
        proof = await self.proof(shop, kept, since)
        assert proof.first is None, proof.first
        assert proof.entries
        return proof.unsealed

    async def proof(self, shop: UUID, kept: Kept, since: Head | None = None) -> Proof:
        if kept is self.mongo:
            return await verify(MongoChainReader(self.documents), shop, since)
        async with self.tables.transaction(AS_OF_NOW) as connection:
            return await verify(PostgresChainReader(connection), shop, since)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(servers: Servers, mongo: MongoServer) -> AsyncIterator[Rig]:
    rows = sealed_rows(_SEALED)
    async with AsyncExitStack() as opened:

        async def on(where: Any, *first: Any, **more: Any) -> Units[Any]:
            store = await opened.enter_async_context(where(*first, servers, **more))
            units: Units[Any] = store.units
            return units

        tables = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=6)
        documents = MongoDatabase(mongo.url, "points", OF_POINTS)
        yield Rig(
            tables,
            documents,
            Kept(
                await on(on_postgres, stores=OnPostgres, across_shops=False),
                await on(on_postgres, stores=OnPostgres),
                await on(on_postgres, stores=rows, across_shops=False),
                PostgresPointsStore(tables),
            ),
            Kept(
                await on(on_mongo, mongo, stores=OnMongo, across_shops=False),
                await on(on_mongo, mongo, stores=OnMongo),
                await on(on_mongo, mongo, stores=MongoSealedRows, across_shops=False),
                MongoPointsStore(documents),
            ),
        )
        await tables.close()
        await documents.close()


@pytest.fixture(params=["postgres", "mongo"])
def kept(request: pytest.FixtureRequest, rig: Rig) -> Kept:
    """Either store."""
    found: Kept = getattr(rig, request.param)
    return found


def other_than(rig: Rig, kept: Kept) -> Kept:
    return rig.mongo if kept is rig.postgres else rig.postgres


async def a_life(kept: Kept) -> UUID:
    """A shop of which there is something of everything."""
    shop = uuid4()
    with within([shop]):
        await live(kept.units, kept.across, shop)
        await begin_resealing(kept.sealed, shop)
    return shop


async def every_row(rig: Rig, shop: UUID) -> Mapping[str, Sequence[str]]:
    """What PostgreSQL has of a shop, by table: every row with every column, but that answers are as
    old as a millisecond can tell."""
    found = {}
    async with rig.tables.transaction(AS_OF_NOW) as connection:
        for table in await tables_of(rig, "= 'merchant_id'"):
            rows = await connection.execute(
                text(f"SELECT to_jsonb(t) AS row FROM {table} t WHERE merchant_id = :shop"),
                {"shop": shop},
            )
            told = [dict(row) for row in rows.scalars()]
            if table == "answers":
                told = [{**row, "at": _to_the_millisecond(row["at"])} for row in told]
            found[table] = sorted(json.dumps(row, sort_keys=True) for row in told)
    del found[tenancy.MOVES]
    return found


def _to_the_millisecond(told: str) -> str:
    at = datetime.fromisoformat(told)
    return at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()


async def tables_of(rig: Rig, name: str) -> set[str]:
    """Those with a column of a name."""
    async with rig.tables.transaction(AS_OF_NOW) as connection:
        found = await connection.execute(
            text(
                "SELECT DISTINCT CAST(table_name AS text) FROM information_schema.columns"
                f" WHERE table_schema = 'public' AND column_name {name}"
            )
        )
        return set(found.scalars())


async def every_document(rig: Rig, shop: UUID) -> Mapping[str, Sequence[str]]:
    """What MongoDB has of a shop, by collection, but for names that it gives by itself; of those
    who wait to be sealed, who they are together."""
    found = {}
    for place in PLACES.values():
        name = place.collection.name
        documents = await rig.documents.collection(name).find({"merchant_id": shop}).to_list(None)
        for each in documents:
            if isinstance(each["_id"], ObjectId):
                del each["_id"]
            if "refunds" in each:
                each["refunds"].sort(key=lambda refund: refund["refund_id"])
            each |= {text: json.loads(each[text]) for text in place.texts}
        found[name] = sorted(repr(in_order(each)) for each in documents)
    found["chain_unsealed"] = sorted(
        [str(row) async for row in MongoPointsStore(rig.documents).rows(
            shop, next(each for each in TABLES if each.name == "chain_unsealed"), SYSTEM_CLOCK.now()
        )]
    )  # fmt: skip
    return found


def in_order(value: object) -> object:
    """The same, however its keys came."""
    if isinstance(value, dict):
        return [(name, in_order(value[name])) for name in sorted(value)]
    return [in_order(each) for each in value] if isinstance(value, list) else value


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


class Killed(Exception):
    pass


class Dying:
    """A store whose mover dies at one of its changes, before or after it is made."""

    def __init__(self, store: PointsStore, calls: list[str], dies_at: int) -> None:
        self._store = store
        self._calls = calls
        self._dies_at = dies_at

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in ("stand", "arrive", "clear", "add", "take_over", "drop"):
            return real

        async def call(*arguments: Any) -> Any:
            self._calls.append(name)
            if 2 * len(self._calls) == self._dies_at:
                raise Killed
            done = await real(*arguments)
            if 2 * len(self._calls) + 1 == self._dies_at:
                raise Killed
            return done

        return call


async def test_killed_at_any_change_and_begun_again_it_ends_right(rig: Rig, kept: Kept) -> None:
    shop, there = await a_life(kept), other_than(rig, kept)
    looks = (
        (lambda: every_row(rig, shop))
        if kept is rig.postgres
        else (lambda: every_document(rig, shop))
    )
    before = await looks()
    dies_at, moved = 2, None
    while moved is None:
        calls: list[str] = []
        mover = Mover(
            Dying(kept.points, calls, dies_at), Dying(there.points, calls, dies_at), SYSTEM_CLOCK
        )
        try:
            moved = await mover.move(shop)
        except Killed:
            dies_at += 1
        standings = await kept.points.standing(shop), await there.points.standing(shop)
        lives = [each is Standing.HERE for each in standings]
        assert lives != [True, True] or not await there.points.holds(shop)
    assert dies_at > 2 * len(TABLES), "it was killed at nearly every table"
    assert moved.lives_there
    assert (await rig.from_to(there, kept).move(shop)).lives_there
    assert await looks() == before


async def test_what_is_changed_behind_its_back_is_named_and_does_not_live(
    rig: Rig, kept: Kept
) -> None:
    shop, there = await a_life(kept), other_than(rig, kept)

    class Forgetful(Dying):
        async def add(self, shop: UUID, table: Table, rows: Sequence[Row]) -> None:
            if table is WALLETS:
                *rows, last = rows
                rows = [*rows, {**last, "spendable": int(last["spendable"] or 0) + 1}]
            await there.points.add(shop, table, rows)

    mover = Mover(kept.points, Forgetful(there.points, [], 0), SYSTEM_CLOCK)
    moved = await mover.move(shop)
    assert moved.first is not None
    assert moved.first.table == "wallets"
    assert moved.first.what == "has another spendable"
    assert not moved.lives_there
    for each in (kept, there):
        with within([shop]), pytest.raises(ShopMoving):
            async with each.units() as unit:
                await unit.stores.programs([shop])
    right = rig.from_to(kept, there)
    assert (await right.check(shop)).first == moved.first
    assert (await right.move(shop)).lives_there
    assert (await right.check(shop)).first is None


async def test_each_changed_row_is_named(rig: Rig) -> None:
    shop = await a_life(rig.postgres)
    await rig.there.move(shop)
    lots = rig.documents.collection("lots")
    lot = await lots.find_one_and_update({"merchant_id": shop}, {"$inc": {"left": -1}})
    assert lot is not None
    found = (await rig.there.check(shop)).first
    assert str(found) == f"lots {lot['customer_id']} {lot['lot_id']}: has another remaining"
    await lots.update_one({"_id": lot["_id"]}, {"$inc": {"left": 1}})
    entries = rig.documents.collection("points_transactions")
    stolen = await entries.find_one_and_delete({"merchant_id": shop})
    assert stolen is not None
    found = (await rig.there.check(shop)).first
    assert found is not None
    assert found.row == f"{stolen['customer_id']} {stolen['_id']}"
    assert found.what == "is missing where it is moved to"
    await entries.insert_one(stolen)
    assert (await rig.there.check(shop)).first is None
    async with rig.tables.transaction(MIGRATION) as connection:
        await connection.exec_driver_sql(
            "UPDATE rewards SET taken = taken + 1 WHERE merchant_id = $1", (shop,)
        )
    found = (await rig.there.check(shop)).first
    assert found is not None
    assert (found.table, found.what) == ("rewards", "has another taken")


async def test_who_lives_elsewhere_is_not_worked_for_and_others_are(rig: Rig, kept: Kept) -> None:
    shop, other = await a_life(kept), await a_life(kept)
    await rig.from_to(kept, other_than(rig, kept)).move(shop)
    with within([shop, other]), pytest.raises(ShopMoving) as refused:
        async with kept.units() as unit:
            await unit.stores.lock_wallets([WalletKey(other, uuid4())])
    assert refused.value.shops == {shop}
    with within([other]):
        async with kept.units() as unit:
            await unit.stores.lock_wallets([WalletKey(other, uuid4())])
    late = AT + timedelta(days=999)
    async with kept.across() as unit:
        due = {each.merchant_id for each in await unit.stores.take_due(late, late, 9999)}
        matured = {each.merchant_id for each in await unit.stores.take_matured(late, 9999)}
        ageing = {each.key.merchant_id for each in await unit.stores.take_ageing(late, 9999)}
        for found in (due, matured, ageing):
            assert other in found
            assert shop not in found
        await unit.stores.learn_buyers({BuyerKey(other, uuid4()): BuyerFacts(Buyer("", ""), 1)})


async def test_who_has_begun_on_postgresql_is_waited_for(rig: Rig) -> None:
    shop = await a_life(rig.postgres)
    member = WalletKey(shop, uuid4())
    with within([shop]):
        async with rig.postgres.units() as unit:
            await unit.stores.post([entry(member, 77)])
            moving = asyncio.create_task(rig.there.move(shop))
            _, waits = await asyncio.wait({moving}, timeout=0.5)
            assert waits
    moved = await moving
    assert moved.lives_there
    with within([shop]):
        async with rig.mongo.units() as unit:
            wallet = await unit.stores.wallet(member)
    assert wallet.spendable == 77


async def test_who_does_not_end_on_postgresql_keeps_the_shop_there(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_TRIES", 1)
    shop, other = await a_life(rig.postgres), uuid4()
    with within([other]):
        async with rig.postgres.units() as unit:
            await unit.stores.lock_wallets([WalletKey(other, uuid4())])
            with pytest.raises(Unavailable, match="does not end"):
                await rig.there.move(shop)
            # And those who come meanwhile only wait for a moment.
            async with rig.postgres.units() as another:
                await another.stores.lock_wallets([WalletKey(other, uuid4())])
    assert await rig.postgres.points.standing(shop) is Standing.HERE
    assert (await rig.there.move(shop)).lives_there


@pytest.mark.parametrize("locks", [True, False])
async def test_who_has_begun_on_mongodb_cannot_end(rig: Rig, locks: bool) -> None:
    """Whether it holds a lock of the shop, or writes what needs none."""
    shop = await a_life(rig.mongo)
    member = WalletKey(shop, uuid4())
    with within([shop]):
        with pytest.raises(Unavailable):  # noqa: PT012 - at the end of it
            async with rig.mongo.units() as unit:
                if locks:
                    await unit.stores.post([entry(member, 77)])
                else:
                    told = {BuyerKey(*member): BuyerFacts(Buyer("Gold", ""), 1)}
                    await unit.stores.learn_buyers(told)
                moved = await rig.back.move(shop)
        assert moved.lives_there
        assert (await rig.back.check(shop)).first is None
        async with rig.postgres.units() as unit:
            assert await unit.stores.wallet(member) is None
            assert await unit.stores.buyers([BuyerKey(*member)]) == {}


async def test_who_was_told_just_before_the_shop_left_cannot_commit_after(rig: Rig) -> None:
    """However little is between a transaction's look and its commit: where somebody has taken its
    locks away, nothing of it is written."""
    shop = await a_life(rig.mongo)
    member = WalletKey(shop, uuid4())
    scope = Scope(frozenset([shop]))
    with pytest.raises(Unavailable):  # noqa: PT012 - at the end of it
        async with rig.documents.transaction(scope, SYSTEM_CLOCK) as transaction:
            await transaction.enter()
            await OnMongo(transaction).post([entry(member, 77)])
            await rig.mongo.points.stand(shop, Standing.LEAVING)
            await rig.mongo.points.stand(shop, Standing.HERE)
    found = rig.documents.collection("points_transactions")
    assert await found.find_one({"merchant_id": shop, "customer_id": member.customer_id}) is None


@pytest.mark.parametrize("_again", range(3))
async def test_what_was_acknowledged_goes_along_and_nothing_else(
    rig: Rig, kept: Kept, _again: int
) -> None:
    """Many write while the shop leaves, with locks and without."""
    shop, there = uuid4(), other_than(rig, kept)
    members = [WalletKey(shop, uuid4()) for _ in range(3)]
    buyer = BuyerKey(*members[0])
    acknowledged: set[str] = set()
    learnt: list[int] = []

    async def post() -> None:
        new = entry(choice(members), 1)
        async with kept.units() as unit:
            await unit.stores.post([new])
        acknowledged.add(new.draft.source_ref)

    async def learn() -> None:
        version = len(learnt) + 1
        async with kept.units() as unit:
            await unit.stores.learn_buyers({buyer: BuyerFacts(Buyer("Gold", ""), version)})
        learnt.append(version)

    async def go_on(write: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await write()
            except ShopMoving:
                return
            except Unavailable:
                continue

    async def written() -> int:
        return min(len(acknowledged), 4 * len(learnt))

    with within([shop]):
        writers = [asyncio.create_task(go_on(each)) for each in (*[post] * 6, learn)]
        await eventually(written, lambda count: count >= 20)
        moved = await rig.from_to(kept, there).move(shop)
        await asyncio.gather(*writers)
    assert moved.lives_there
    now = SYSTEM_CLOCK.now()
    rows = [row async for row in there.points.rows(shop, ENTRIES, now)]
    assert {row["source_ref"] for row in rows} == acknowledged
    assert sum(int(row["points"] or 0) for row in rows) == len(acknowledged)
    (known,) = [row async for row in there.points.rows(shop, BUYERS, now)]
    assert known["version"] == max(learnt)
    await rig.verify(shop, there)


async def test_what_nobody_moved_there_is_not_overwritten(rig: Rig, kept: Kept) -> None:
    shop, there = await a_life(kept), other_than(rig, kept)
    with within([shop]):
        async with there.units() as unit:
            await unit.stores.post([entry(WalletKey(shop, uuid4()), 1)])
    with pytest.raises(NotMovable, match="nobody has moved there"):
        await rig.from_to(kept, there).move(shop)
    for each in (kept, there):
        assert await each.points.standing(shop) is Standing.HERE
        with within([shop]):
            async with each.units() as unit:
                await unit.stores.post([entry(WalletKey(shop, uuid4()), 1)])


async def test_a_shop_that_there_is_not_is_said_to_be_none(rig: Rig, kept: Kept) -> None:
    mover = rig.from_to(kept, other_than(rig, kept))
    with pytest.raises(NotFound, match="nothing of the shop"):
        await mover.move(uuid4())
    with pytest.raises(NotFound, match="Neither store knows"):
        await mover.check(uuid4())
    for way in (mover.abandon, mover.forget):
        with pytest.raises(NotMovable):
            await way(uuid4())


async def test_a_move_that_is_given_up_leaves_the_shop_where_it_was(rig: Rig, kept: Kept) -> None:
    shop, there = await a_life(kept), other_than(rig, kept)
    waiting = await rig.verify(shop, kept)
    mover = Mover(kept.points, Dying(there.points, [], 41), SYSTEM_CLOCK)
    with pytest.raises(Killed):
        await mover.move(shop)
    with pytest.raises(NotMovable, match="that has to end first"):
        await rig.from_to(there, kept).move(shop)
    await rig.from_to(kept, there).abandon(shop)
    with within([shop]):
        async with kept.units() as unit:
            await unit.stores.post([entry(WalletKey(shop, uuid4()), 1)])
    assert len(await kept.points.unsent(shop)) == 1
    assert await rig.verify(shop, kept) == waiting + 1
    await seal_entries(kept.across)
    assert await rig.verify(shop, kept) == 0
    assert (await rig.from_to(kept, there).move(shop)).lives_there


async def test_what_was_left_behind_is_forgotten_when_somebody_says_so(
    rig: Rig, kept: Kept
) -> None:
    shop, other, there = await a_life(kept), await a_life(kept), other_than(rig, kept)
    mover = rig.from_to(kept, there)
    with pytest.raises(NotMovable, match="does not live in"):
        await mover.forget(shop)
    await mover.move(shop)
    await mover.forget(shop)
    assert not await kept.points.holds(shop)
    assert await kept.points.holds(other)
    assert await there.points.holds(shop)
    with within([shop]), pytest.raises(ShopMoving):
        async with kept.units() as unit:
            await unit.stores.programs([shop])
    assert (await mover.move(shop)).lives_there, "it has been moved, and is not moved again"
    assert (await rig.from_to(there, kept).move(shop)).lives_there
    await rig.verify(shop, kept)


async def test_two_do_not_move_at_once(rig: Rig) -> None:
    store = PostgresPointsStore(rig.tables)
    async with store.alone():
        with pytest.raises(Unavailable, match="already"):
            async with store.alone():
                pass
    async with store.alone():
        pass


async def test_who_moves_no_more_writes_no_more(rig: Rig, kept: Kept) -> None:
    """As one who was thought dead, and was slow."""
    shop = await a_life(other_than(rig, kept))
    await rig.from_to(other_than(rig, kept), kept).move(shop)
    with pytest.raises(Unavailable, match="does not arrive"):
        await kept.points.clear(shop, WALLETS)
    with pytest.raises(Unavailable, match="does not arrive"):
        await kept.points.add(shop, ORDERS, [])


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
