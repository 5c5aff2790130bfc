"""The fast copy of the leaderboards on a real Valkey: whatever it loses, no half board is shown."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from adapters.valkey.leaderboard import ValkeyLeaderboards
from domain.errors import Unavailable
from domain.leaderboard import Period
from infra.embedded.servers import Servers
from ports.leaderboard import Board, Score

ANNA, BEN, CARL = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    home: Path = tmp_path_factory.mktemp("valkey")
    async with Servers(home, names=["valkey"]) as servers:
        yield servers.environment()["LOYALNEST_VALKEY_URL"]


@pytest_asyncio.fixture
async def valkey(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url, socket_timeout=2)
    await client.flushall()
    yield client
    await client.aclose()


def board(period: Period = Period.MONTH, key: str = "2026-05") -> Board:
    return Board(period, key, uuid4())


def points(of: Board, **each: int) -> dict[Board, dict[UUID, int]]:
    people = {"anna": ANNA, "ben": BEN, "carl": CARL}
    return {of: {people[name]: number for name, number in each.items()}}


def scores(of: Board, **each: int) -> list[Score]:
    return [Score(of, who, number) for who, number in points(of, **each)[of].items()]


def stored(found: Sequence[Score]):
    async def load() -> Sequence[Score]:
        return found

    return load


async def test_a_board_is_shown_once_it_is_whole(valkey: Redis) -> None:
    boards, of = ValkeyLeaderboards(valkey), board()
    assert await boards.top(of, 10) is None
    await boards.rebuild(of, stored(scores(of, anna=5, ben=7, carl=7)))
    assert await boards.top(of, 10) == scores(of, carl=7, ben=7, anna=5)
    assert await boards.top(of, 1) == scores(of, carl=7)
    assert await boards.top(board(), 10) is None


async def test_nothing_is_kept_of_a_board_that_nobody_has_asked_for(valkey: Redis) -> None:
    boards, asked_for, other = ValkeyLeaderboards(valkey), board(), board()
    await boards.rebuild(asked_for, stored(scores(asked_for, anna=1)))
    await boards.show(points(other, anna=5) | points(asked_for, anna=5))
    assert await valkey.keys() == [f"leaderboard:{asked_for.merchant_id}:2026-05".encode()]
    assert await boards.top(other, 10) is None
    assert await boards.top(asked_for, 10) == scores(asked_for, anna=5)


async def test_an_empty_board_is_whole_too(valkey: Redis) -> None:
    boards, of = ValkeyLeaderboards(valkey), board()
    await boards.rebuild(of, stored([]))
    assert await boards.top(of, 10) == []


async def test_repeats_and_late_updates_do_no_harm(valkey: Redis) -> None:
    boards, of = ValkeyLeaderboards(valkey), board()

    async def load_while_updates_come_in() -> Sequence[Score]:
        found = scores(of, anna=5, ben=7)
        await boards.show(points(of, anna=9))
        return found

    await boards.rebuild(of, load_while_updates_come_in)
    await boards.show(points(of, anna=6))
    await boards.show(points(of, anna=9))
    assert await boards.top(of, 10) == scores(of, anna=9, ben=7)


async def test_what_is_lost_or_distrusted_is_rebuilt(valkey: Redis) -> None:
    boards, of = ValkeyLeaderboards(valkey), board()
    await boards.rebuild(of, stored(scores(of, anna=5)))
    await valkey.flushall()
    await boards.show(points(of, ben=1))
    assert await boards.top(of, 10) is None
    await boards.rebuild(of, stored(scores(of, anna=5, ben=1)))
    await boards.distrust()
    assert await boards.top(of, 10) is None

    async def load_and_distrust() -> Sequence[Score]:
        await boards.distrust()
        return scores(of, anna=5)

    await boards.rebuild(of, load_and_distrust)
    assert await boards.top(of, 10) is None


@pytest.mark.parametrize("begun_again", [False, True])
async def test_a_board_that_is_lost_while_its_scores_are_looked_for_is_not_whole(
    valkey: Redis, begun_again: bool
) -> None:
    boards, of = ValkeyLeaderboards(valkey), board()

    async def die() -> Sequence[Score]:
        raise Unavailable

    async def load_and_lose() -> Sequence[Score]:
        found = scores(of, anna=5)
        await valkey.flushall()
        await boards.show(points(of, anna=9))  # nobody has asked for it now
        if begun_again:
            with suppress(Unavailable):
                await boards.rebuild(of, die)
        return found

    await boards.rebuild(of, load_and_lose)
    assert await boards.top(of, 10) is None


async def test_two_who_rebuild_at_once_make_one_board(valkey: Redis) -> None:
    boards, others, of = ValkeyLeaderboards(valkey), ValkeyLeaderboards(valkey), board()

    async def load_while_another_does() -> Sequence[Score]:
        found = scores(of, anna=5)
        await others.rebuild(of, stored(scores(of, anna=5, ben=7)))
        return found

    await boards.rebuild(of, load_while_another_does)
    assert await boards.top(of, 10) == scores(of, ben=7, anna=5)


@pytest.mark.parametrize("found", [{}, {"anna": 1}])
async def test_boards_that_are_over_go_by_themselves(valkey: Redis, found: dict[str, int]) -> None:
    boards = ValkeyLeaderboards(valkey)
    day, ever = board(Period.DAY, "2026-05-01"), board(Period.ALL, "all")
    for each in (day, ever):
        await boards.rebuild(each, stored(scores(each, **found)))
    assert 86_400 < await valkey.ttl(f"leaderboard:{day.merchant_id}:2026-05-01") <= 2 * 86_400
    assert await valkey.ttl(f"leaderboard:{ever.merchant_id}:all") == -1


async def test_a_copy_that_is_away_is_unavailable() -> None:
    boards, of = ValkeyLeaderboards(Redis(port=1, socket_connect_timeout=1)), board()
    for attempt in (
        boards.show(points(of, anna=1)),
        boards.top(of, 1),
        boards.rebuild(of, stored([])),
        boards.distrust(),
    ):
        with pytest.raises(Unavailable):
            await attempt
