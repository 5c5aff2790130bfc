"""Gamification on real servers: badges once, and leaderboards that survive losing their copy."""

import random
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from redis.exceptions import RedisError

from adapters.postgres.badges import PostgresStandings
from adapters.postgres.database import Database
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from adapters.runtime.settings import Settings
from contracts import auth, core, gamification, points, shop
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import member_id
from domain.errors import InvalidRequest
from domain.leaderboard import period_keys
from domain.program import ProgramSettings
from infra.embedded.servers import Servers
from ports.badges import Earned, MemberKey
from ports.leaderboard import Board
from tests.conftest import Run, eventually
from tests.mesh.said import heard, order, say, world_of


async def call(process: Process, merchant: UUID, operation: Any, request: Any) -> Any:
    return await world_of(process).mesh.call(operation, request, service_caller("test", merchant))


async def badges_of(process: Process, merchant: UUID, customer: str) -> list[str]:
    request = gamification.ListBadges(customer_id=member_id(merchant, customer))
    found = await call(process, merchant, gamification.LIST_BADGES, request)
    return [each.badge for each in found.badges]


async def board_of(
    process: Process, merchant: UUID, period: str = "month", limit: int = 10
) -> list[tuple[int, UUID, int]]:
    request = gamification.GetLeaderboard(period=period, limit=limit)
    found = await call(process, merchant, gamification.GET_LEADERBOARD, request)
    return [(each.rank, each.customer_id, each.points) for each in found.ranks]


async def earn(
    process: Process, merchant: UUID, customer: str, number: int, at: datetime | None = None
) -> None:
    body = points.PointsMoved(
        entry_id=uuid4(),
        customer_id=member_id(merchant, customer),
        points=number,
        kind="earn",
        source="order",
        source_ref="o1",
        spendable=number,
        pending=0,
        version=1,
        occurred_at=at or datetime.now(UTC),
    )
    message_id = str(uuid4())
    for _ in range(2):
        await say(process, points.EARNED, body, merchant, message_id)


async def test_a_first_order_earns_its_badge_once(run: Run) -> None:
    merchant = uuid4()
    async with run("gamification") as process:
        awarded = await heard(process, gamification.BADGE_AWARDED, merchant)
        for body in (
            msgspec.structs.replace(order(merchant, "guest", order_id="o0"), customer=None),
            order(merchant, "tester", order_id="o1", test=True),
            order(merchant, "sorry", order_id="o2", cancelled_at=datetime.now(UTC)),
            order(merchant, "anna", order_id="o3"),
            order(merchant, "anna", order_id="o4"),
        ):
            await say(process, shop.ORDER_CREATED, body, merchant)
            await say(process, shop.ORDER_PAID, body, merchant)
        await say(process, shop.ORDER_CREATED, order(merchant, "last", order_id="o5"), merchant)
        await eventually(lambda: badges_of(process, merchant, "last"))
        assert await badges_of(process, merchant, "anna") == ["first_order"]
        for nobody in ("tester", "sorry", "guest"):
            assert await badges_of(process, merchant, nobody) == []
        assert await badges_of(process, uuid4(), "anna") == []

        by_hand = gamification.AwardBadge(
            customer_id=member_id(merchant, "sorry"), badge="first_order"
        )
        first = await call(process, merchant, gamification.AWARD_BADGE, by_hand)
        assert await call(process, merchant, gamification.AWARD_BADGE, by_hand) == first
        unknown = gamification.AwardBadge(customer_id=uuid4(), badge="x'; DROP TABLE")
        with pytest.raises(InvalidRequest):
            await call(process, merchant, gamification.AWARD_BADGE, unknown)

        async def all_said() -> bool:
            people = ("anna", "last", "sorry")
            return sorted(each.customer_id for each in awarded) == sorted(
                member_id(merchant, each) for each in people
            )

        await eventually(all_said)


async def test_a_leaderboard_ranks_members_by_what_they_earned(run: Run) -> None:
    merchant, other = uuid4(), uuid4()
    async with run("gamification") as process:
        for customer, number in (("anna", 5), ("ben", 3), ("ben", 4), ("carl", 7), ("dora", 1)):
            await earn(process, merchant, customer, number)
        await earn(process, merchant, "dora", -3)
        await earn(process, merchant, "dora", 30, datetime.now(UTC) - timedelta(days=400))
        await earn(process, other, "erik", 50)
        level = sorted((member_id(merchant, "ben"), member_id(merchant, "carl")), reverse=True)
        expected = [
            (1, level[0], 7), (1, level[1], 7), (3, member_id(merchant, "anna"), 5),
            (4, member_id(merchant, "dora"), 1),
        ]  # fmt: skip
        for period in ("day", "week", "month"):
            await eventually(partial(board_of, process, merchant, period), expected.__eq__)
        assert (await board_of(process, merchant, "all"))[0] == (1, member_id(merchant, "dora"), 31)
        assert await board_of(process, merchant, limit=1) == expected[:1]
        assert await board_of(process, uuid4()) == []
        with pytest.raises(InvalidRequest) as caught:
            await board_of(process, merchant, "year", 101)
        assert [each.pointer for each in caught.value.problems] == ["/period", "/limit"]


async def test_a_member_sees_their_own_badges_and_their_own_place(run: Run) -> None:
    merchant = uuid4()
    anna, ben = (member_id(merchant, name) for name in ("anna", "ben"))
    member = Caller(
        audience=Audience.CUSTOMER,
        actor="anna",
        merchant_id=merchant,
        customer_id=anna,
        permissions=("gamification:read",),
    )
    async with run("gamification") as process:
        for customer, number in (("anna", 5), ("ben", 9)):
            await earn(process, merchant, customer, number)
        await say(process, shop.ORDER_CREATED, order(merchant, "ben"), merchant)
        await eventually(partial(badges_of, process, merchant, "ben"))
        await eventually(partial(board_of, process, merchant), lambda ranks: len(ranks) == 2)
        mesh = world_of(process).mesh
        for asked in (None, ben):
            request = gamification.ListBadges(customer_id=asked)
            assert (await mesh.call(gamification.LIST_BADGES, request, member)).badges == ()
        board = await mesh.call(gamification.GET_LEADERBOARD, gamification.GetLeaderboard(), member)
        assert [(each.customer_id, each.points) for each in board.ranks] == [
            (gamification.SOMEBODY, 9), (anna, 5),
        ]  # fmt: skip
        with pytest.raises(InvalidRequest):
            await call(process, merchant, gamification.LIST_BADGES, gamification.ListBadges())


async def test_days_begin_at_the_shops_own_midnight(run: Run) -> None:
    east, west = uuid4(), uuid4()
    async with run("gamification") as process:
        install = auth.MerchantCreated(
            shop_domain="x", currency="USD", time_zone="America/New_York",
            installed_at=datetime.now(UTC),
        )  # fmt: skip
        for zone, merchant in (("Pacific/Kiritimati", east), ("Etc/GMT+12", west)):
            program = ProgramSettings(currency="USD", version=2, time_zone=zone)
            await say(
                process, core.SETTINGS_UPDATED, core.SettingsUpdated(settings=program), merchant
            )
            await say(process, auth.MERCHANT_CREATED, install, merchant)  # late: an older truth

            async def known(merchant: UUID = merchant, zone: str = zone) -> bool:
                units = world_of(process).units_across_shops("gamification", PostgresStandings)
                async with units() as unit:
                    return await unit.stores.zones([merchant]) == {merchant: zone}

            await eventually(known)
            await earn(process, merchant, "anna", 5)
            await eventually(partial(board_of, process, merchant, "day"))
        request = gamification.GetLeaderboard(period="day")
        keys = [
            (await call(process, merchant, gamification.GET_LEADERBOARD, request)).key
            for merchant in (east, west)
        ]
        assert keys[0] > keys[1]  # 26 hours apart: never the same day


async def test_the_copy_may_be_flushed_or_away(run: Run, tmp_path: Path) -> None:
    merchant = uuid4()
    anna, ben = member_id(merchant, "anna"), member_id(merchant, "ben")
    async with (
        Servers(tmp_path, names=["valkey"]) as servers,
        run("gamification", valkey_url=servers.environment()["LOYALNEST_VALKEY_URL"]) as process,
    ):
        await earn(process, merchant, "anna", 5)
        await eventually(lambda: board_of(process, merchant), [(1, anna, 5)].__eq__)
        await world_of(process).valkey.flushall()
        await earn(process, merchant, "ben", 9)
        both = [(1, ben, 9), (2, anna, 5)]
        await eventually(lambda: board_of(process, merchant), both.__eq__)

        await servers.stop("valkey")
        await earn(process, merchant, "anna", 5)
        changed = [(1, anna, 10), (2, ben, 9)]
        await eventually(lambda: board_of(process, merchant), changed.__eq__)
        await servers.start("valkey")
        # It came back with what it had: without the points earned meanwhile, so it is distrusted.
        month = f"leaderboard:{merchant}:{datetime.now(UTC):%Y-%m}"

        async def in_the_copy() -> float | None:
            assert await board_of(process, merchant) == changed
            return await world_of(process).valkey.zscore(month, str(anna))

        await eventually(in_the_copy, (10.0).__eq__, ignore=[RedisError])


async def test_points_that_come_late_count_where_their_period_is_not_over(run: Run) -> None:
    merchant = uuid4()
    now = datetime.now(UTC)
    async with run("gamification") as process:
        for days in (0, 400, 0, 91):
            await earn(process, merchant, "anna", 1, now - timedelta(days=days))
        anna = member_id(merchant, "anna")
        await eventually(partial(board_of, process, merchant, "all"), [(1, anna, 4)].__eq__)
        for period in ("day", "week", "month"):
            assert await board_of(process, merchant, period) == [(1, anna, 2)], period


async def test_points_of_one_batch_count_like_points_one_by_one(
    environment: dict[str, str],
) -> None:
    chance = random.Random(5)
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    database = Database(Settings.from_environment(environment).postgres_url, "gamification")
    await database.make()
    await database.migrate()
    try:
        whole, single = uuid4(), uuid4()
        moments = [start + timedelta(days=chance.randrange(60)) for _ in range(200)]
        async with database.transaction(ACROSS_SHOPS) as connection:
            store = PostgresStandings(connection)

            def earned(merchant: UUID, number: int, at: datetime) -> Earned:
                member = MemberKey(merchant, member_id(UUID(int=0), str(number % 3)))
                return Earned(member, period_keys(at, UTC), number)

            await store.add(earned(whole, n, at) for n, at in enumerate(moments))
            for n, at in enumerate(moments):
                await store.add([earned(single, n, at)])
            newest = max(moments)
            for period, key in period_keys(newest, UTC).items():
                one, other = [
                    [
                        (s.customer_id, s.points)
                        for s in await store.top(Board(period, key, m), None)
                    ]
                    for m in (whole, single)
                ]
                assert one == other
                assert one
    finally:
        await database.close()
