"""Points kept on MongoDB: signed webhooks in, and every wallet as it must be, also when the server
is killed while they come."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.chain import MongoChainReader
from contracts import points
from contracts.caller import service_caller
from contracts.shop import member_id
from domain.errors import DuplicateRequest, LoyaltyError
from domain.points.chain import Proof
from infra.demo_shop.oracle import expected_points
from infra.demo_shop.request import Target, prepare
from infra.demo_shop.sender import Sender
from infra.demo_shop.stream import Plan, deliveries
from infra.embedded.mongo import MongoServer
from services.points.chaining import verify
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge
from tests.mesh.said import mesh_of, register, times_said, world_of
from tests.mesh.wallets import balances

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_wallet_is_right_although_mongodb_was_killed_meanwhile(
    run: Run, mongo: MongoServer
) -> None:
    settings = {"points_store": "mongo", "mongo_url": mongo.url}
    async with run("api_gateway", "auth", "points", **settings) as process:
        edge = Edge(process)
        shop = await register(process)
        target = Target(edge.world.settings.http_port, edge.secret.decode(), shop.shop_domain)
        plan = Plan(
            seed=11, run="mongo", orders=300, customers=60,
            now=datetime.now(UTC), span=timedelta(days=365),
        )  # fmt: skip
        told = list(deliveries(plan))
        half = len(told) // 2
        sender = Sender(target, connections=8)
        reports = [await sender.send(prepare(told[:half], target))]
        await mongo.kill()
        try:
            reports.append(await sender.send(prepare(told[half:], target)))
            assert (await process.report())["points"] == "The storage is not available."
        finally:
            await mongo.start()
        accepted = [each for report in reports for each in report.accepted]
        assert not any(report.refused or report.given_up for report in reports)
        expected = {each: held for each, held in expected_points(accepted).items() if held}
        customers = list(expected)
        mesh = mesh_of(process)
        found = await eventually(
            lambda: balances(mesh, shop.merchant_id, customers),
            lambda held: held == expected,
            ignore=[LoyaltyError],
        )
        assert len(found) > 30
        # What was committed was said, once for each entry, also what the crash left behind.
        caller = service_caller("test", shop.merchant_id)
        entries = 0
        for customer_id in {member_id(shop.merchant_id, each) for each in customers}:
            page = points.HistoryOf(customer_id=customer_id, limit=250)
            entries += len((await mesh.call(points.GET_HISTORY, page, caller)).entries)

        async def said() -> int:
            kinds = (points.EARNED, points.REFUNDED, points.ADJUSTED)
            return sum([await times_said(process, each, shop.merchant_id) for each in kinds])

        assert await eventually(said, lambda times: times >= entries) >= entries
        # And the service seals on, with nothing left out and nothing twice.
        database = world_of(process).mongo["points"]

        async def proof() -> Proof:
            return await verify(MongoChainReader(database), shop.merchant_id)

        sealed = await eventually(proof, lambda found: found.unsealed == 0)
        assert (sealed.first, sealed.entries) == (None, entries)
        assert sealed.head is not None
        await edge.http.aclose()


async def test_a_correction_is_made_once_for_each_key(run: Run, mongo: MongoServer) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    gift = points.Adjust(customer_id=member_id(merchant, "c1"), points=50, reason="sorry")
    async with run("points", points_store="mongo", mongo_url=mongo.url) as process:
        mesh = mesh_of(process)
        first = await mesh.call(points.ADJUST, gift, staff, idempotency_key="k1")
        assert await mesh.call(points.ADJUST, gift, staff, idempotency_key="k1") == first
        assert first.balance.spendable == 50
        other = msgspec.structs.replace(gift, points=51)
        with pytest.raises(DuplicateRequest):
            await mesh.call(points.ADJUST, other, staff, idempotency_key="k1")
