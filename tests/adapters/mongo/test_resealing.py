"""Codes that are kept on MongoDB follow their shop's key."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from adapters.mongo.collections import OF_POINTS, REDEMPTIONS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.resealing import MongoSealedRows
from adapters.mongo.rewards import MongoRedeeming
from adapters.mongo.scope import Scope
from adapters.system import SystemClock
from domain.points.benefits import FreeShipping
from domain.points.redemption import Redemption, RedemptionState
from infra.embedded.mongo import MongoServer
from ports.resealing import Errand, SealedRow
from ports.rewards import RedemptionKey

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = UUID(int=0)


@pytest.fixture
async def database(mongo: MongoServer) -> AsyncIterator[MongoDatabase]:
    database = MongoDatabase(mongo.url, "resealing", OF_POINTS)
    await database.migrate()
    yield database
    await database.close()


def bought(shop: UUID, number: int) -> Redemption:
    return Redemption(
        merchant_id=shop, redemption_id=UUID(int=number), customer_id=uuid4(),
        shopify_customer_id="1", reward_id=uuid4(), reward_version=1, title="a",
        benefit=FreeShipping(), points=5, paid_by=uuid4(), state=RedemptionState.COMPLETED,
        created_at=AT, ends_at=None, due_at=None, sealed_code=f"v2.old.{number}",
        code_digest=str(number),
    )  # fmt: skip


async def test_codes_are_gone_through_and_what_others_hold_is_left_out(
    database: MongoDatabase,
) -> None:
    shop = uuid4()
    scope = Scope(frozenset([shop]))
    base = uuid4().int
    ids = [UUID(int=base + number) for number in range(4)]
    async with database.transaction(scope, SystemClock()) as transaction:
        for each in ids:
            await MongoRedeeming(transaction).add_redemption(bought(shop, each.int))
        await MongoSealedRows(transaction).begin([shop], AT)
    async with database.transaction(scope, SystemClock()) as holder:
        assert await MongoRedeeming(holder).lock_redemption(RedemptionKey(shop, ids[1]))
        async with database.transaction(scope, SystemClock()) as transaction:
            rows = MongoSealedRows(transaction)
            assert await rows.due(AT - timedelta(seconds=1)) == []
            (errand,) = await rows.due(AT)
            assert errand == Errand(shop, START, AT)
            found = await rows.under(errand, ["old", "older"], 3)
            assert [each.row_id for each in found] == [ids[0], ids[2]]
            assert found[0].abouts == {"sealed_code": str(ids[0])}
            await rows.replace(
                shop, [SealedRow(each.row_id, {"sealed_code": "v2.new.x"}, {}) for each in found]
            )
            errand = await rows.advance(errand, found[-1].row_id)
    async with database.transaction(scope, SystemClock()) as transaction:
        rows = MongoSealedRows(transaction)
        assert await rows.due(AT) == [errand]
        assert [each.row_id for each in await rows.under(errand, ["old"], 9)] == [ids[3]]
        assert (await rows.count(shop, "old"), await rows.count(shop, "new")) == (2, 2)
        await rows.put_off(errand, AT + timedelta(minutes=1))
    async with database.transaction(scope, SystemClock()) as transaction:
        rows = MongoSealedRows(transaction)
        assert await rows.due(AT) == []
        await rows.end(errand)  # it was begun again since
        (again,) = await rows.due(AT + timedelta(minutes=1))
        assert again.after == START
        await rows.end(again)
    async with database.transaction(scope, SystemClock()) as transaction:
        assert await MongoSealedRows(transaction).due(AT + timedelta(days=1)) == []
        kept = await MongoRedeeming(transaction).redemption(RedemptionKey(shop, ids[0]))
        assert kept is not None
        assert kept.sealed_code == "v2.new.x"
        assert kept.code_digest == str(ids[0].int)
    assert await database.collection(REDEMPTIONS.name).count_documents({"merchant_id": shop}) == 4
