"""`loyalnest ledger move` beside services that run: what is sold meanwhile is neither lost nor
counted twice, and who is killed begins again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.moving import MongoPointsStore
from domain.errors import LoyaltyError, Unavailable
from domain.points.moving import Standing
from infra.demo_shop.oracle import expected_points
from infra.demo_shop.request import Target, prepare
from infra.demo_shop.sender import Sender
from infra.demo_shop.stream import Plan, deliveries
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.ledger import WalletKey
from ports.tenancy import within
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge
from tests.mesh.said import mesh_of, register
from tests.mesh.wallets import balances
from tests.ports.points_life import OnMongo, OnPostgres, entry, live
from tests.ports.stores import on_mongo, on_postgres

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def both(environment: dict[str, str], mongo: MongoServer) -> dict[str, str]:
    return environment | {"LOYALNEST_MONGO_URL": mongo.url}


@pytest_asyncio.fixture(loop_scope="session")
async def there(mongo: MongoServer) -> AsyncIterator[MongoPointsStore]:
    database = MongoDatabase(mongo.url, "points", OF_POINTS)
    yield MongoPointsStore(database)
    await database.close()


async def begun(environment: Mapping[str, str], *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli.main", "ledger", *words,
        env=os.environ | environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def ledger(environment: Mapping[str, str], *words: str) -> tuple[int, str, str]:
    """Exit code, what was printed, and errors of `loyalnest ledger …`."""
    process = await begun(environment, *words)
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def sender_to(target: Target) -> Sender:
    return Sender(target, connections=4)


async def test_what_is_sold_meanwhile_is_neither_lost_nor_counted_twice(
    run: Run, both: dict[str, str], mongo: MongoServer
) -> None:
    async with run("api_gateway", "auth", "points") as process:
        edge, shop, other = Edge(process), await register(process), await register(process)
        target = Target(edge.world.settings.http_port, edge.secret.decode(), shop.shop_domain)
        plan = Plan(
            seed=5, run="move", orders=240, customers=40,
            now=datetime.now(UTC), span=timedelta(days=365),
        )  # fmt: skip
        told = list(deliveries(plan))
        third = len(told) // 3
        sender = sender_to(target)
        reports = [await sender.send(prepare(told[:third], target))]
        move = ("move", "--to", "mongo", "--shop", shop.shop_domain)
        moving = asyncio.create_task(ledger(both, *move))
        reports.append(await sender.send(prepare(told[third : 2 * third], target)))
        code, out, err = await moving
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == "  all is the same; it lives in mongo"
        # The service still has no word of it, and works for others.
        reports.append(await sender.send(prepare(told[2 * third :], target)))
        mesh = mesh_of(process)
        with pytest.raises(Unavailable, match="being moved"):
            await balances(mesh, shop.merchant_id, ["c1"])
        elsewhere = Target(edge.world.settings.http_port, edge.secret.decode(), other.shop_domain)
        own = await sender_to(elsewhere).send(prepare(told[:third], elsewhere))
        owed = {each: held for each, held in expected_points(own.accepted).items() if held}
        await eventually(
            partial(balances, mesh, other.merchant_id, list(owed)),
            lambda held: held == owed,
        )
        await edge.http.aclose()
    accepted = [each for report in reports for each in report.accepted]
    assert not any(report.refused or report.given_up for report in reports)
    expected = {each: held for each, held in expected_points(accepted).items() if held}
    async with run("points", points_store="mongo", mongo_url=mongo.url) as process:
        await eventually(
            partial(balances, mesh_of(process), shop.merchant_id, list(expected)),
            lambda held: held == expected,
            ignore=[LoyaltyError],
        )
    code, out, err = await ledger(
        both | {"LOYALNEST_POINTS_STORE": "mongo"}, "verify", "--shop", str(shop.merchant_id)
    )
    assert (code, err) == (0, "")
    assert "all agrees" in out


async def test_who_is_killed_begins_again_and_ends_right(
    both: dict[str, str], servers: Servers, there: MongoPointsStore
) -> None:
    shop = uuid4()
    async with on_postgres(servers, stores=OnPostgres, across_shops=False) as store:
        with within([shop]):
            for _ in range(15):
                async with store.units() as unit:
                    await unit.stores.post([entry(WalletKey(shop, uuid4()), 9) for _ in range(400)])
    words = ("move", "--to", "mongo", "--shop", str(shop))
    process = await begun(both, *words)
    await eventually(partial(there.holds, shop))
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert await there.standing(shop) is Standing.ARRIVING
    code, out, err = await ledger(both, *words, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["equal"], told["lives_there"], told["first_difference"]) == (True, True, None)
    sides = told["tables"]["points_transactions"]
    assert sides["postgres"] == sides["mongo"]
    assert (sides["mongo"]["rows"], sides["mongo"]["points"]) == (6000, 54000)
    code, out, _ = await ledger(both, *words)
    assert (code, out.splitlines()[-1]) == (0, "  it lives in mongo")


async def test_the_first_row_that_differs_is_named(
    both: dict[str, str], mongo: MongoServer, servers: Servers
) -> None:
    shop = uuid4()
    async with AsyncExitStack() as opened:
        store = await opened.enter_async_context(
            on_mongo(mongo, servers, stores=OnMongo, across_shops=False)
        )
        with within([shop]):
            async with store.units() as unit:
                await unit.stores.post([entry(WalletKey(shop, uuid4()), 9)])
    named = ("--to", "postgres", "--shop", str(shop))
    code, out, _ = await ledger(both, "move", *named, "--check")
    assert code == 1
    assert "DIFFERS" in out
    assert "is missing where it is moved to" in out
    code, out, _ = await ledger(both, "move", *named)
    assert (code, out.splitlines()[-1]) == (0, "  all is the same; it lives in postgres")
    database = MongoDatabase(mongo.url, "points", OF_POINTS)
    wallets = database.collection("wallets")
    await wallets.update_one({"merchant_id": shop}, {"$inc": {"spendable": 1}})
    code, out, err = await ledger(both, "move", *named, "--check")
    assert (code, err) == (1, "")
    assert out.splitlines()[-1].startswith("  wallets ")
    assert out.splitlines()[-1].endswith(": has another spendable")
    await database.close()
    code, out, err = await ledger(both, "move", *named, "--forget")
    assert (code, out, err) == (0, f"{shop}  mongo has forgotten it\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shop", "nobody.myshopify.com"], "No shop of this name uses LoyalNest."),
        (["--shop", str(UUID(int=3))], f"There is nothing of the shop {UUID(int=3)} in postgres."),
        (["--shop", str(UUID(int=3)), "--abandon"], "is not being moved from postgres"),
        (["--shop", str(UUID(int=3)), "--forget"], "does not live in mongo"),
        (["--shop", str(UUID(int=3)), "--check"], "Neither store knows a shop"),
    ],
)
async def test_what_cannot_be_done_is_said(
    run: Run, both: dict[str, str], words: list[str], said: str
) -> None:
    async with run("auth"):
        code, out, err = await ledger(both, "move", "--to", "mongo", *words)
    assert (code, out) == (1, "")
    assert err.startswith("loyalnest: ")
    assert said in err
    code, _, err = await ledger(
        both | {"LOYALNEST_MONGO_URL": ""}, "move", "--to", "mongo", "--shop", str(UUID(int=3))
    )
    assert (code, "LOYALNEST_MONGO_URL" in err) == (1, True)


@asynccontextmanager
async def servers_of_their_own(folder: Path) -> AsyncIterator[Servers]:
    folder.mkdir()
    async with Servers(folder) as running:
        yield running


async def test_every_shop_is_moved_one_after_the_other(tmp_path: Path, mongo: MongoServer) -> None:
    """On servers of its own: those of the tests have other tests' shops."""
    shops = sorted([uuid4(), uuid4()])
    async with servers_of_their_own(tmp_path / "s") as servers:
        both = servers.environment() | {"LOYALNEST_MONGO_URL": mongo.url}
        async with (
            on_postgres(servers, stores=OnPostgres, across_shops=False) as store,
            on_postgres(servers, stores=OnPostgres) as across,
        ):
            for shop in shops:
                with within([shop]):
                    await live(store.units, across.units, shop)
        every = ("move", "--to", "mongo", "--all")
        code, out, err = await ledger(both, *every, "--check")
        assert code == 1
        assert [line for line in out.splitlines() if "DIFFERS" in line] == ["  DIFFERS"] * 2
        assert err == "loyalnest: 2 of 2 shops did not go well.\n"
        code, out, err = await ledger(both, *every)
        assert (code, err) == (0, "")
        assert [line[:36] for line in out.splitlines() if line[0] != " "] == [*map(str, shops)]
        assert out.count("all is the same; it lives in mongo") == 2
        code, out, _ = await ledger(both, *every)
        assert (code, out.count("  it lives in mongo")) == (0, 2)
