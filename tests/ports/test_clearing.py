"""One suite over every store for what stores that share balances have moved."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.mongo.clearing import MongoClearings
from adapters.mongo.ledger import MongoLedger
from adapters.postgres.clearing import PostgresClearings
from adapters.postgres.ledger import PostgresLedger
from contracts.caller import Audience, Caller
from contracts.clearing import ClearingLine, ClearingOf, ClearingPage
from domain.errors import InvalidRequest
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import Lot, Share
from domain.points.pooling import given, taken
from infra.embedded.servers import Servers
from ports.ledger import NewEntry, WalletKey
from ports.unit import Units
from services.points.clearing import ClearingReports
from tests.ports.conftest import Storage, opened_on
from tests.ports.stores import IDS

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


class OnPostgres(PostgresLedger, PostgresClearings):
    """What posts, and what adds up."""


class OnMongo(MongoLedger, MongoClearings):
    """What posts, and what adds up."""


class Books:
    def __init__(self, units: Units[Any]) -> None:
        self.units = units

    async def move(self, from_shop: UUID, to_shop: UUID, points: int, at: datetime) -> None:
        """Both halves, of a member who has as many points."""
        reference, member = uuid4(), uuid4()
        gift = EntryDraft(EntryKind.ADJUST, points, "test", "adjust", str(uuid4()), "")
        lot = IDS.new()
        share = Share(Lot(lot, points, at), points)
        async with self.units() as unit:
            there = WalletKey(from_shop, member)
            await unit.stores.post([NewEntry(lot, there, gift, at)])
            for shop, draft in (
                (from_shop, taken(reference, to_shop, points)),
                (to_shop, given(reference, from_shop, points, (share,))),
            ):
                await unit.stores.post([NewEntry(IDS.new(), WalletKey(shop, member), draft, at)])

    async def page(self, shop: UUID, **asked: Any) -> ClearingPage:
        staff = Caller(audience=Audience.MERCHANT, actor="staff", merchant_id=shop)
        return await ClearingReports(self.units).page(staff, ClearingOf(**asked))


@pytest.fixture
async def books(lasting: Storage, servers: Servers) -> AsyncIterator[Books]:
    async with opened_on(lasting, servers, OnPostgres, OnMongo) as store:
        yield Books(store.units)


def line(month: str, store: UUID, came: int, went: int, moves: int) -> ClearingLine:
    return ClearingLine(
        month=month, store=store, points_in=came, points_out=went, net=came - went, moves=moves
    )


async def test_moves_are_added_up_by_month_and_store(books: Books) -> None:
    shop = uuid4()
    one, other = sorted(uuid4() for _ in range(2))
    await books.move(one, shop, 10, MAY)
    await books.move(one, shop, 5, JUNE - INSTANT)
    await books.move(shop, one, 7, MAY + timedelta(days=3))
    await books.move(shop, other, 100, JUNE - INSTANT)
    await books.move(other, shop, 1, JUNE)
    await books.move(one, other, 1_000, JUNE)
    found = await books.page(shop)
    assert found.next_cursor is None
    assert list(found.lines) == [
        line("2026-05", one, 15, 7, 3),
        line("2026-05", other, 0, 100, 1),
        line("2026-06", other, 1, 0, 1),
    ]
    # Both ends are told the same.
    assert list((await books.page(one)).lines) == [
        line("2026-05", shop, 7, 15, 3),
        line("2026-06", other, 0, 1_000, 1),
    ]
    assert (await books.page(uuid4())).lines == ()


async def test_a_stretch_of_time_begins_with_its_first_instant_and_ends_before_its_last(
    books: Books,
) -> None:
    shop, other = uuid4(), uuid4()
    for points, at in ((1, MAY - INSTANT), (20, MAY), (300, JUNE - INSTANT), (4_000, JUNE)):
        await books.move(other, shop, points, at)
    assert [each.points_in for each in (await books.page(shop, since=MAY, until=JUNE)).lines] == [
        320
    ]
    assert [each.points_in for each in (await books.page(shop, since=JUNE)).lines] == [4_000]
    assert [each.points_in for each in (await books.page(shop, until=MAY)).lines] == [1]
    assert (await books.page(shop, since=MAY, until=MAY)).lines == ()


async def test_sums_come_page_by_page(books: Books) -> None:
    shop = uuid4()
    others = sorted(uuid4() for _ in range(3))
    for number, other in enumerate(others):
        await books.move(other, shop, 1 + number, MAY)
        await books.move(shop, other, 10 + number, JUNE)
    lines: list[ClearingLine] = []
    cursor = None
    for expected in (4, 2):
        page = await books.page(shop, limit=4, cursor=cursor)
        assert len(page.lines) == expected
        lines += page.lines
        cursor = page.next_cursor
    assert cursor is None
    assert [(each.month, each.store) for each in lines] == [
        (month, other) for month in ("2026-05", "2026-06") for other in others
    ]


@pytest.mark.parametrize(
    ("asked", "pointers"),
    [
        ({"limit": 0}, ["/limit"]),
        ({"cursor": "2026-05.x"}, ["/cursor"]),
        ({"cursor": "x"}, ["/cursor"]),
        ({"since": JUNE, "until": MAY, "limit": 251}, ["/limit", "/until"]),
    ],
)
async def test_what_is_wrong_with_a_question_is_all_said(
    books: Books, asked: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await books.page(uuid4(), **asked)
    assert [each.pointer for each in refused.value.problems] == pointers
