"""Points expire: from the program's settings over orders to the day they are gone."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from adapters.postgres.connection import Connection, text
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION
from adapters.postgres.units import postgres_units
from adapters.runtime.host import Process
from contracts import core, expiry, points, shop
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import member_id
from domain.errors import InvalidRequest, NotFound
from domain.points.expiry import Expiry, ExpiryPolicy
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import Life
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.unit import Units
from services.points.expiring import expire_points
from tests.conftest import Run, eventually
from tests.mesh.said import heard, mesh_of, order, register, say, times_said, world_of
from tests.mesh.wallets import balance_of

ZONE = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


class At:
    """A clock that stands where it was put."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


def units_at(
    process: Process, at: datetime, stores: Callable[[Any], Ledger] = PostgresLedger
) -> Units[Ledger]:
    """What the run works with, as if it were then."""
    world = world_of(process)
    database = world.database("points")
    return postgres_units(
        database, world.relays["points"], stores, At(at), world.ids, input_keys=[b"k"],
        across_shops=True,
    )  # fmt: skip


class Dies(PostgresLedger):
    """Whose process ends when nearly all has been done."""

    async def look_again(self, at: datetime, looks: Mapping[WalletKey, datetime | None]) -> None:
        raise ZeroDivisionError


async def change(process: Process, merchant: UUID, terms: Expiry) -> int:
    """The version of the program with these terms, once points goes by it."""
    caller = service_caller("test", merchant)
    mesh = mesh_of(process)
    known = await eventually(
        lambda: mesh.call(core.GET_SETTINGS, core.GetSettings(), caller),
        lambda found: found.settings.version >= 1,
        ignore=[NotFound],
    )
    changed = replace(known.settings, expiry=terms, time_zone=ZONE.key)
    request = core.UpdateSettings(settings=changed)
    saved = (await mesh.call(core.UPDATE_SETTINGS, request, caller)).settings
    assert saved.expiry == terms

    async def version() -> int:
        asked = points.ExplainPurchase(lines=(points.ExplainLine(amount=Decimal(1)),))
        return (await mesh.call(points.EXPLAIN_PURCHASE, asked, caller)).settings_version

    return await eventually(version, lambda found: found == saved.version)


async def test_from_the_settings_to_the_day_the_points_are_gone(run: Run) -> None:
    async with run("auth", "core", "points") as process:
        merchant = (await register(process)).merchant_id
        await change(process, merchant, Expiry(ExpiryPolicy.DAYS, 30))
        warned = await heard(process, expiry.EXPIRING, merchant)
        gone = await heard(process, expiry.EXPIRED, merchant)
        for order_id in ("o1", "o2"):
            await say(process, shop.ORDER_CREATED, order(merchant, order_id=order_id), merchant)
        found = await eventually(
            lambda: balance_of(process, merchant),
            lambda balance: balance.spendable == 200,
            ignore=[NotFound],
        )
        end = found.next_expiry_at
        assert end is not None
        last = datetime.now(ZONE).date() + timedelta(days=30)
        assert (end - timedelta(seconds=1)).astimezone(ZONE).date() == last
        assert end.astimezone(ZONE).date() == last + timedelta(days=1)
        assert found.next_expiry_points == 200
        await warn_and_expire(process, merchant, end)
        soon, last = [each.soon for each in warned]
        assert soon == (expiry.ExpiringSoon(expires_at=end, points=200),)
        assert last == (expiry.ExpiringSoon(expires_at=end, points=150, last_chance=True),)
        (expired,) = gone
        assert (expired.points, expired.lots, expired.spendable) == (150, 2, 0)
        assert expired.customer_id == member_id(merchant, "c1")


async def warn_and_expire(process: Process, merchant: UUID, end: datetime) -> None:
    mesh, staff = mesh_of(process), service_caller("test", merchant)
    member = Caller(
        audience=Audience.CUSTOMER, actor="c1", merchant_id=merchant,
        customer_id=member_id(merchant, "c1"), permissions=("points:read",),
    )  # fmt: skip

    async def look(at: datetime) -> None:
        """Two processes at once, one that dies before, and one more after."""
        with pytest.raises(ZeroDivisionError):
            await expire_points(units_at(process, at, Dies))
        units = units_at(process, at)
        await asyncio.gather(expire_points(units), expire_points(units))
        await expire_points(units)

    await expire_points(units_at(process, end - timedelta(days=8)))
    await look(end - timedelta(days=7))
    taken = points.Adjust(customer_id=member_id(merchant, "c1"), points=-50, reason="a mistake")
    await mesh.call(points.ADJUST, taken, staff, idempotency_key=uuid4().hex)
    await look(end - timedelta(days=1))
    lots = await mesh.call(expiry.LIST_LOTS, expiry.LotsOf(limit=1), member)
    more = await mesh.call(expiry.LIST_LOTS, expiry.LotsOf(cursor=lots.next_cursor), member)
    assert [each.remaining for each in (*lots.lots, *more.lots)] == [50, 100]
    assert {each.expires_at for each in (*lots.lots, *more.lots)} == {end}
    assert (lots.lots[0].points, lots.lots[0].order_id) == (100, "o1")
    await look(end)
    left = await balance_of(process, merchant)
    assert (left.spendable, left.expired, left.next_expiry_at) == (0, 150, None)
    request = points.HistoryOf(shopify_customer_id="c1")
    history = (await mesh.call(points.GET_HISTORY, request, staff)).entries
    lines = {each.source_ref: each.points for each in history if each.kind == "expire"}
    assert lines == {str(each.lot_id): -each.remaining for each in (*lots.lots, *more.lots)}
    assert (await mesh.call(expiry.LIST_LOTS, expiry.LotsOf(), member)).lots == ()
    await eventually(
        lambda: times_said(process, expiry.EXPIRED, merchant), lambda found: found == 1
    )
    assert await times_said(process, expiry.EXPIRING, merchant) == 2


async def test_a_program_cannot_have_points_that_expire_before_they_are_warned_of(
    run: Run,
) -> None:
    async with run("auth", "core", "points") as process:
        merchant = (await register(process)).merchant_id
        with pytest.raises(InvalidRequest) as refused:
            await change(process, merchant, Expiry(ExpiryPolicy.DAYS, 5))
        assert [each.pointer for each in refused.value.problems] == ["/expiry/warn_days"]
        with pytest.raises(InvalidRequest):
            await mesh_of(process).call(
                expiry.LIST_LOTS,
                expiry.LotsOf(shopify_customer_id="c1", cursor="9.9"),
                service_caller("test", merchant),
            )


async def test_an_inactive_members_points_expire_and_an_active_ones_do_not(run: Run) -> None:
    async with run("auth", "core", "points") as process:
        merchant = (await register(process)).merchant_id
        await change(process, merchant, Expiry(ExpiryPolicy.INACTIVITY, 60))
        await say(process, shop.ORDER_CREATED, order(merchant), merchant)
        found = await eventually(
            lambda: balance_of(process, merchant),
            lambda balance: balance.spendable == 100,
            ignore=[NotFound],
        )
        end = found.next_expiry_at
        assert end is not None
        key = WalletKey(merchant, member_id(merchant, "c1"))
        late = end - timedelta(days=2)
        spent = EntryDraft(EntryKind.REDEEM, -1, "test", "test", "1", "")
        async with units_at(process, late)() as unit:
            await unit.stores.post([NewEntry(unit.new_id(), key, spent, late)])
        await expire_points(units_at(process, end))
        found = await balance_of(process, merchant)
        assert (found.spendable, found.expired) == (99, 0)
        later = found.next_expiry_at
        assert later is not None
        assert later.astimezone(ZONE).date() == late.astimezone(ZONE).date() + timedelta(days=61)
        await expire_points(units_at(process, later))
        assert (await balance_of(process, merchant)).expired == 99


async def test_a_run_works_off_however_many_are_due_with_others_beside_it(run: Run) -> None:
    merchant, count = uuid4(), 1_100
    async with run("points") as process:
        units = units_at(process, LONG_AGO)
        async with units() as unit:
            await unit.stores.post(
                [
                    NewEntry(
                        unit.new_id(),
                        WalletKey(merchant, uuid4()),
                        EntryDraft(EntryKind.ADJUST, 5, "test", "test", str(number), ""),
                        LONG_AGO - timedelta(days=2),
                        life=Life(LONG_AGO),
                        look_at=LONG_AGO,
                    )
                    for number in range(count)
                ]
            )
        await asyncio.gather(*(expire_points(units) for _ in range(3)))
        await expire_points(units)
        await eventually(
            lambda: times_said(process, expiry.EXPIRED, merchant), lambda found: found == count
        )
        async with units() as unit:
            assert not await unit.stores.take_ageing(LONG_AGO, 1)


async def test_lots_that_do_not_add_up_are_left_alone_and_hold_up_nobody(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    merchant, wrong, right = (uuid4() for _ in range(3))
    async with run("points") as process:
        units = units_at(process, LONG_AGO)
        async with units() as unit:
            for customer_id in (wrong, right):
                draft = EntryDraft(EntryKind.ADJUST, 5, "test", "test", str(customer_id), "")
                key = WalletKey(merchant, customer_id)
                entry = NewEntry(unit.new_id(), key, draft, LONG_AGO - timedelta(days=2))
                lives = structs.replace(entry, life=Life(LONG_AGO), look_at=LONG_AGO)
                await unit.stores.post([lives])
        async with world_of(process).database("points").transaction(ACROSS_SHOPS) as connection:
            tamper = "UPDATE wallets SET spendable = 4 WHERE customer_id = :id"
            await connection.execute(text(tamper), {"id": wrong})
        await expire_points(units)
        await expire_points(units)
        async with units() as unit:
            found = await unit.stores.wallets(merchant, [wrong, right])
        assert [found[each].expired for each in (wrong, right)] == [0, 5]
        assert [each.levelname for each in caplog.records if str(wrong) in each.message] == [
            "ERROR"
        ]
        await expire_points(units_at(process, LONG_AGO + timedelta(days=1)))
        told = [each.levelname for each in caplog.records if str(wrong) in each.message]
        assert told == ["ERROR"] * 2
        async with units() as unit:  # and no other test
            await unit.stores.look_again(LONG_AGO, {WalletKey(merchant, wrong): None})


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.asked = 0

    async def execute(self, *request: Any) -> Any:
        self.asked += 1
        return await self._connection.execute(*request)


async def test_orders_that_earn_cost_one_statement_for_lots_however_many_they_are(
    run: Run,
) -> None:
    asked = []
    async with run("points") as process:
        for kind, points, orders in (
            (EntryKind.EARN, 9, 1), (EntryKind.EARN, 9, 90), (EntryKind.REFUND, -1, 90)
        ):  # fmt: skip
            counted: list[Counted] = []

            def stores(connection: Any, counted: list[Counted] = counted) -> Ledger:
                counted.append(Counted(connection))
                connection_like: Any = counted[-1]
                return PostgresLedger(connection_like)

            async with units_at(process, LONG_AGO, stores)() as unit:
                await unit.stores.post(
                    [
                        NewEntry(
                            unit.new_id(), WalletKey(uuid4(), uuid4()),
                            EntryDraft(kind, points, "x", "x", str(n), "", order_id=str(n)),
                            LONG_AGO,
                        )
                        for n in range(orders)
                    ]
                )  # fmt: skip
            asked.append(counted[0].asked)
    # Entries, wallets, lots. With debits: wallets made and held, what is known, which lots there
    # are; and here no lot is left to be changed.
    assert asked == [3, 3, 6]


async def test_what_there_was_before_there_were_lots_is_one_that_never_expires(run: Run) -> None:
    """The statements of the migration, in a database that has wallets but no lots."""
    migration = import_module("adapters.postgres.migrations.points.0004_lots")
    (convert,) = [each for each in migration._STATEMENTS if "INSERT INTO lots" in each]
    (active,) = [each for each in migration._STATEMENTS if "SET active_at" in each]
    merchant, bought, owing, spent = (uuid4() for _ in range(4))
    async with run("points") as process:
        async with units_at(process, LONG_AGO)() as unit:
            story = [
                (bought, 5, EntryKind.EARN, 1), (bought, 7, EntryKind.ADJUST, 2),
                (owing, -5, EntryKind.REFUND, 1),
                (spent, 5, EntryKind.EARN, 1), (spent, -5, EntryKind.REDEEM, 3),
            ]  # fmt: skip
            entries = [
                NewEntry(
                    unit.new_id(), WalletKey(merchant, customer_id),
                    EntryDraft(kind, points, "test", "test", str(number), ""),
                    LONG_AGO + timedelta(days=day),
                )
                for number, (customer_id, points, kind, day) in enumerate(story)
            ]  # fmt: skip
            await unit.stores.post(entries)
        database = world_of(process).database("points")
        with suppress(ZeroDivisionError):
            async with database.transaction(MIGRATION) as connection:
                await connection.execute(text("DELETE FROM lots"))
                await connection.execute(text("UPDATE wallets SET active_at = NULL"))
                await connection.execute(text(convert))
                await connection.execute(text(active))
                ours = {"merchant_id": merchant}
                lots = await connection.execute(
                    text("SELECT * FROM lots WHERE merchant_id = :merchant_id"), ours
                )
                assert [tuple(each) for each in lots] == [
                    (
                        merchant, bought, entries[1].entry_id, 12, 12,
                        LONG_AGO + timedelta(days=2), None, 0, "",
                    )
                ]  # fmt: skip
                wallets = await connection.execute(
                    text("SELECT * FROM wallets WHERE merchant_id = :merchant_id"), ours
                )
                assert {each.customer_id: each.active_at for each in wallets} == {
                    bought: LONG_AGO + timedelta(days=1),
                    owing: None,
                    spent: LONG_AGO + timedelta(days=3),
                }
                raise ZeroDivisionError
