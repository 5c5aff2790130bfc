"""One suite over every store for what a shop's members hold together."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.mongo.ledger import MongoLedger
from adapters.mongo.liability import MongoHoldings
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.liability import PostgresHoldings
from domain.points.bonus import Buyer
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life
from infra.embedded.servers import Servers
from ports.earning import BuyerFacts, BuyerKey
from ports.ledger import NewEntry, WalletKey
from ports.liability import ExpiringHolding, TierHolding
from ports.unit import Units
from tests.ports.conftest import Storage, opened_on
from tests.ports.stores import IDS

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
DRAFT = EntryDraft(EntryKind.EARN, 0, "test", "adjust", "", "")


class OnPostgres(PostgresLedger, PostgresHoldings):
    """What posts, and what adds up."""


class OnMongo(MongoLedger, MongoHoldings):
    """What posts, and what adds up."""


@pytest.fixture
async def books(lasting: Storage, servers: Servers) -> AsyncIterator[Units[Any]]:
    async with opened_on(lasting, servers, OnPostgres, OnMongo) as store:
        yield store.units


async def post(
    books: Units[Any], shop: UUID, customer: UUID, points: int, *, kind: str = "earn",
    at: datetime = AT, life: Life = FOREVER, **changes: Any,
) -> None:  # fmt: skip
    """One entry, as it is."""
    draft = DRAFT._replace(kind=EntryKind(kind), points=points, source_ref=str(uuid4()), **changes)
    async with books() as unit:
        await unit.stores.post(
            [NewEntry(IDS.new(), WalletKey(shop, customer), draft, at, life=life)]
        )


async def held(books: Units[Any], shop: UUID, at: datetime | None = None) -> list[TierHolding]:
    async with books() as unit:
        return list(await unit.stores.held(shop, at))


async def expiring(books: Units[Any], shop: UUID, zone: str) -> list[ExpiringHolding]:
    async with books() as unit:
        return list(await unit.stores.expiring(shop, zone))


async def test_a_shop_without_members_holds_nothing(books: Units[Any]) -> None:
    shop = uuid4()
    assert await held(books, shop) == await held(books, shop, AT) == []
    assert await expiring(books, shop, "UTC") == []


async def test_wallets_are_added_up_by_tier_now_and_then(books: Units[Any]) -> None:
    shop, gold, silver, debtor = (uuid4() for _ in range(4))
    other = uuid4()
    async with books() as unit:
        await unit.stores.learn_buyers(
            {
                BuyerKey(shop, gold): BuyerFacts(Buyer("Gold", ""), 1),
                BuyerKey(shop, silver): BuyerFacts(Buyer("Silver", ""), 1),
                # The same member of another shop is in another tier there.
                BuyerKey(other, gold): BuyerFacts(Buyer("Tin", ""), 1),
            }
        )
    await post(books, shop, gold, 1000)
    await post(books, shop, gold, -300, kind="redeem")
    await post(books, shop, gold, 50, kind="reversal", reverses=EntryKind.REDEEM)
    await post(books, shop, gold, -100, kind="expire")
    await post(books, shop, silver, 70, pending=True)
    await post(books, shop, silver, -20, kind="adjust")
    await post(books, shop, debtor, -50, kind="adjust")
    await post(books, other, gold, 5000)
    expected = [
        TierHolding("", 0, 0, 0, -50, 0, 0),
        TierHolding("Gold", 1, 650, 0, 0, 250, 100),
        TierHolding("Silver", 1, 0, 70, -20, 0, 0),
    ]
    assert await held(books, shop) == expected
    assert await held(books, shop, AT) == expected
    later = AT + timedelta(microseconds=1)
    await post(books, shop, debtor, 333, at=later)
    assert (await held(books, shop, AT)) == expected
    assert (await held(books, shop, later))[0] == TierHolding("", 1, 283, 0, 0, 0, 0)
    assert await held(books, shop, later) == await held(books, shop)
    assert await held(books, shop, AT - timedelta(microseconds=1)) == []


async def test_points_expire_in_the_months_of_the_shops_time_zone(books: Units[Any]) -> None:
    shop, member = uuid4(), uuid4()
    # Midnight of June the 1st in Kathmandu is a quarter past six in the evening before, in UTC.
    june = datetime(2026, 5, 31, 18, 15, tzinfo=UTC)
    last_of_may = june - timedelta(microseconds=1)
    for points, ends_at in ((1, last_of_may), (20, june), (300, june + timedelta(hours=6))):
        await post(books, shop, member, points, life=Life(ends_at))
    await post(books, shop, member, 4000)
    await post(books, shop, member, 50000, life=Life(idle_days=9))
    await post(books, uuid4(), member, 600000, life=Life(june))
    assert await expiring(books, shop, "Asia/Kathmandu") == [
        ("", 54000),
        ("2026-05", 1),
        ("2026-06", 320),
    ]
    assert await expiring(books, shop, "UTC") == [("", 54000), ("2026-05", 21), ("2026-06", 300)]
    # The server may have heard of a zone by an older name only.
    assert sum(each.points for each in await expiring(books, shop, "Europe/Kyiv")) == 54321
