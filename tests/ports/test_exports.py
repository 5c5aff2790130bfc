"""One suite over every store for the export: the same entries are told in the same words."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.mongo.exports import MongoExports
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.transaction import Transaction
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.statements import PostgresExports
from domain.money import Rounding
from domain.points.bonus import Goods
from domain.points.chain import SEALED, Stored
from domain.points.earning import RuleSnapshot
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life
from infra.embedded.servers import Servers
from ports.ledger import NewEntry, WalletKey
from ports.statements import ExportMark
from ports.unit import Units
from tests.ports.conftest import Storage, opened_on
from tests.ports.stores import IDS

AT = datetime(2026, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)
MICROS = 1777636800123457
SNAPSHOT = RuleSnapshot(
    rule="über", settings_version=3, rate=Decimal("1.50"), rounding=Rounding.HALF_UP,
    minimum_spend=Decimal(0), include_shipping=True, include_tax=False, base=Decimal("12.30"),
    merchandise=Decimal("12.3"), points=18, excluded=Goods(tags=("bb", "a")), cap=20,
)  # fmt: skip
SNAPSHOT_WRITTEN = '{"cap": 20, "base": "12.30", "rate": "1.50", "rule": "über", "points": 18, '


class OnPostgres(PostgresLedger, PostgresExports):
    """What posts, and what exports."""


class OnMongo(MongoLedger, MongoExports):
    """What posts, and what exports."""

    def __init__(self, transaction: Transaction) -> None:
        MongoLedger.__init__(self, transaction)


@pytest.fixture
async def books(lasting: Storage, servers: Servers) -> AsyncIterator[Units[Any]]:
    async with opened_on(lasting, servers, OnPostgres, OnMongo) as store:
        yield store.units


async def post(
    books: Units[Any], wallet: WalletKey, points: int, *, kind: str = "earn",
    life: Life = FOREVER, **changes: Any,
) -> UUID:  # fmt: skip
    draft = EntryDraft(
        EntryKind(kind), points, 'say "hi"', "adjust", changes.pop("source_ref", str(uuid4())), "",
        **changes,
    )  # fmt: skip
    entry_id = IDS.new()
    async with books() as unit:
        await unit.stores.post([NewEntry(entry_id, wallet, draft, AT, life=life)])
    return entry_id


async def pages(books: Units[Any], shop: UUID, limit: int) -> list[Stored]:
    found: list[Stored] = []
    after = None
    while True:
        async with books() as unit:
            page = await unit.stores.stored(shop, after, limit)
        found += page
        if len(page) < limit:
            return found
        after = ExportMark(page[-1].customer_id, page[-1].entry_id)


async def test_values_are_the_same_to_the_letter_in_every_store(books: Units[Any]) -> None:
    wallet = WalletKey(uuid4(), uuid4())
    shop, member = map(str, wallet)
    life = Life(AT + timedelta(days=1))
    earned = await post(
        books, wallet, 18, life=life, order_id="o1", snapshot=SNAPSHOT, source_ref="a"
    )
    redeemed = await post(books, wallet, -8, kind="redeem", source_ref="b")
    first, second = await pages(books, wallet.merchant_id, 9)
    assert (first.customer_id, first.entry_id) == (wallet.customer_id, earned)
    values = dict(zip(SEALED, first.values, strict=True))
    snapshot = values.pop("snapshot")
    assert isinstance(snapshot, str)
    assert snapshot.startswith(SNAPSHOT_WRITTEN)
    assert json.loads(snapshot) == SNAPSHOT.to_dict()
    assert values.pop("tx")
    ends_at = MICROS + 86_400_000_000
    assert values == {
        "merchant_id": shop, "customer_id": member, "entry_id": str(earned), "kind": "earn",
        "points": 18, "pending": False, "reason": 'say "hi"', "source": "adjust",
        "source_ref": "a", "rule": "", "line": "", "order_id": "o1", "waived": 0,
        "reverses": None, "at": MICROS, "uses": None, "undoes": None, "expires_at": ends_at,
        "idle_days": None,
    }  # fmt: skip
    values = dict(zip(SEALED, second.values, strict=True))
    assert (values["entry_id"], values["snapshot"]) == (str(redeemed), None)
    assert values["uses"] == (
        f'[[["{earned}", 18, "2026-05-01T12:00:00.123457Z",'
        ' ["2026-05-02T12:00:00.123457Z", 0], "o1"], 8]]'
    )
    assert [type(each) for each in second.values if isinstance(each, int)] == [
        int,
        bool,
        *[int] * 3,
    ]


async def test_pages_hold_each_entry_of_the_shop_once_by_member(books: Units[Any]) -> None:
    shop, members = uuid4(), [uuid4() for _ in range(3)]
    for _ in range(3):
        for member in members:
            await post(books, WalletKey(shop, member), 5)
    await post(books, WalletKey(uuid4(), members[0]), 5)
    every = await pages(books, shop, 99)
    keys = [(each.customer_id, each.entry_id) for each in every]
    assert len(keys) == 9
    assert keys == sorted(keys)
    assert await pages(books, shop, 1) == await pages(books, shop, 4) == every
    async with books() as unit:
        assert await unit.stores.head(shop) is None
