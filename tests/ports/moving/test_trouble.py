"""Moves that are killed, given up, begun twice, meddled with: a shop lives in one store, whole."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.postgres.connection import text
from adapters.postgres.moving import PostgresPointsStore
from adapters.postgres.tenancy import MIGRATION
from domain.errors import NotFound, Unavailable
from domain.points.moving import ORDERS, TABLES, WALLETS, Row, Standing, Table
from ports.ledger import WalletKey
from ports.moving import PointsStore, ShopMoving
from ports.tenancy import within
from services.points.chaining import seal_entries
from services.points.moving import Mover, NotMovable
from tests.ports.moving.rig import Kept, Rig, a_life, every_document, every_row, other_than
from tests.ports.points_life import entry
from tests.ports.stores import SYSTEM_CLOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
        await connection.execute(
            text("UPDATE rewards SET taken = taken + 1 WHERE merchant_id = :shop"), {"shop": shop}
        )
    found = (await rig.there.check(shop)).first
    assert found is not None
    assert (found.table, found.what) == ("rewards", "has another taken")


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


async def test_a_shop_that_lives_there_is_not_closed_to_be_looked_at(
    rig: Rig, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever dies while it is would leave it closed, and the next one would empty it."""
    shop, there = await a_life(kept), other_than(rig, kept)
    with within([shop]):
        async with there.units() as unit:
            await unit.stores.post([entry(WalletKey(shop, uuid4()), 1)])

    async def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(kept.points, "stand", die)
    with pytest.raises(NotMovable, match="nobody has moved there"):
        await rig.from_to(there, kept).move(shop)
    assert await kept.points.standing(shop) is Standing.HERE


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
