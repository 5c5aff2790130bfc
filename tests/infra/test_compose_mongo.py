"""mongo.yaml adds what exists; the role it gives the service suffices, and adds entries only."""

import os
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from adapters.mongo.chain import MongoChain, MongoChainReader
from adapters.mongo.collections import (
    BLOCKS,
    CHAIN_SWEEP,
    ENTRIES,
    OF_POINTS,
    PROGRAMS,
    UNSEALED,
)
from adapters.mongo.database import MongoDatabase, Refused
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.moving import MongoPointsStore
from adapters.mongo.scope import ACROSS_SHOPS
from adapters.postgres.database import Database
from adapters.postgres.moving import PostgresPointsStore
from adapters.runtime.settings import BadSettings, Settings
from adapters.system import SystemClock
from domain.points.ledger import EntryDraft, EntryKind
from domain.program import defaults
from infra.embedded.home import Home
from infra.embedded.mongo import MongoServer
from infra.embedded.ports import free_port
from infra.embedded.secrets import load
from infra.embedded.servers import Servers
from ports.chain import Sealed
from ports.ledger import NewEntry, WalletKey
from services.points.chaining import verify
from services.points.moving import Mover
from tests.infra.deployment import COMPOSE_DIR, containers, read_yaml
from tests.infra.test_compose import SETTINGS, make_secrets
from tests.ports.points_life import OnPostgres, live
from tests.ports.stores import on_postgres

ADDED = read_yaml(COMPOSE_DIR / "mongo.yaml")
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROLE: dict[str, Any] = msgspec.json.decode((COMPOSE_DIR / "mongo" / "role.json").read_bytes())


def make(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMPOSE_DIR / "make-mongo-secrets.sh"), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_is_added_fits_what_is_there(tmp_path: Path) -> None:
    assert make(tmp_path).returncode == 1  # the others come first
    assert make_secrets(tmp_path).returncode == 0
    assert make(tmp_path).returncode == 0
    assert "nothing was changed" in make(tmp_path).stderr
    assert ADDED["services"].keys() - containers().keys() == {"mongo"}
    given = ADDED["services"]["points"]["environment"]
    assert {each.removesuffix("_FILE") for each in given} <= SETTINGS.keys()
    used = {secret for each in ADDED["services"].values() for secret in each["secrets"]}
    assert used == ADDED["secrets"].keys()
    for name, each in ADDED["secrets"].items():
        assert each["file"] == f"./state/secrets/{name}"
        assert (tmp_path / each["file"]).stat().st_mode & 0o777 == 0o600
    for volume in ADDED["services"]["mongo"]["volumes"]:
        source = volume.split(":")[0]
        there = tmp_path if source.startswith("./state/") else COMPOSE_DIR
        assert (there / source).exists(), source
    secrets = tmp_path / "state" / "secrets"
    password = (secrets / "mongo_password").read_text().strip()
    assert f"loyalnest:{password}@" in (secrets / "mongo_url").read_text()


def test_the_service_reads_its_settings(tmp_path: Path) -> None:
    url = tmp_path / "mongo_url"
    url.write_text("mongodb://loyalnest:x@mongo:27017/?replicaSet=rs0\n")
    key = tmp_path / "key"
    key.write_text("x")
    needed = {name: "x" for name, each in SETTINGS.items() if each.metadata["required"]}
    mounted = {"LOYALNEST_POINTS_STORE": "mongo", "LOYALNEST_MONGO_URL_FILE": str(url)}
    more = {"LOYALNEST_MASTER_KEY_FILE": str(key), "LOYALNEST_JWT_KEY_FILE": str(key)}
    settings = Settings.from_environment(needed | more | mounted)
    assert settings.mongo_url.startswith("mongodb://loyalnest:")


class WithUsers(MongoServer):
    """As in production: nobody without a password, however near."""

    def command(self) -> list[str]:
        key = self.home.run / "mongo-key"
        key.write_text("k" * 64)
        key.chmod(0o600)
        return [*super().command(), "--keyFile", str(key)]


@pytest.fixture
async def restricted(tmp_path: Path, mongo: MongoServer) -> AsyncIterator[MongoDatabase]:
    """A database as the recommended user sees it. ``mongo`` only tells whether there can be one."""
    home = Home(tmp_path)
    home.create()
    server = WithUsers(home, free_port(set()), load(home))
    await server.start()
    root: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(server.url)
    await root.admin.command("createUser", "root", pwd="r", roles=["root"])
    await root.close()
    root = AsyncMongoClient(server.url, username="root", password="r")
    points = root["loyalnest_points"]
    await points.command("createRole", "loyalnestPoints", **ROLE)
    await points.command("createUser", "loyalnest", pwd="p", roles=["loyalnestPoints"])
    await root.close()
    url = server.url.replace("mongodb://", "mongodb://loyalnest:p@")
    database = MongoDatabase(f"{url}&authSource=loyalnest_points", "points", OF_POINTS)
    yield database
    await database.close()
    await server.stop()


async def test_the_role_suffices_and_adds_entries_only(restricted: MongoDatabase) -> None:
    await restricted.make()
    await restricted.migrate()
    await restricted.migrate()
    shop = uuid4()
    async with restricted.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        await MongoLedger(transaction).learn_programs({shop: defaults("USD")})
    programs = restricted.collection(PROGRAMS.name)
    assert await programs.count_documents({"merchant_id": shop}) == 1
    gift = EntryDraft(EntryKind.ADJUST, 5, "", "adjust", "r", "")
    async with restricted.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        await MongoLedger(transaction).post([NewEntry(uuid4(), WalletKey(shop, uuid4()), gift, AT)])
    async with restricted.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        sealed = await MongoChain(transaction).seal(9, AT)
    assert sealed == Sealed(1, 1, [], is_more=False)
    proof = await verify(MongoChainReader(restricted), shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 1, 0)
    for name in (ENTRIES.name, BLOCKS.name):
        grows = restricted.collection(name)
        assert await grows.count_documents({"merchant_id": shop}) == 1
        for change in (
            grows.update_one({"merchant_id": shop}, {"$set": {"points": 1}}),
            grows.delete_one({"merchant_id": shop}),
            grows.drop(),
        ):
            with pytest.raises(OperationFailure) as refused:
                await change
            assert refused.value.code == 13  # Unauthorized


async def test_the_role_suffices_to_move_a_shop_there_and_back(
    restricted: MongoDatabase, servers: Servers
) -> None:
    """But not to forget its entries."""
    await restricted.make()
    await restricted.migrate()
    shop = uuid4()
    tables = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points")
    async with on_postgres(servers, stores=OnPostgres) as store:
        await live(store.units, store.units, shop)
    there, here = MongoPointsStore(restricted), PostgresPointsStore(tables)
    assert shop in await here.shops()
    moved = await Mover(here, there, SystemClock()).move(shop)
    assert (moved.first, moved.lives_there) == (None, True)
    assert await there.shops() == [shop]
    assert (await Mover(there, here, SystemClock()).move(shop)).lives_there
    with pytest.raises(Refused) as refused:
        await Mover(there, here, SystemClock()).forget(shop)
    assert refused.value.code == 13
    await tables.close()


def test_the_role_is_for_what_there_is() -> None:
    named = {each["resource"]["collection"]: each["actions"] for each in ROLE["privileges"]}
    assert named.keys() == {"", *(each.name for each in OF_POINTS)}
    assert {each for each, actions in named.items() if "update" not in actions} == {
        "", ENTRIES.name, BLOCKS.name, UNSEALED.name
    }  # fmt: skip
    assert {each for each, actions in named.items() if "remove" not in actions} == {
        "", ENTRIES.name, BLOCKS.name, CHAIN_SWEEP.name
    }  # fmt: skip
    assert os.access(COMPOSE_DIR / "make-mongo-secrets.sh", os.X_OK)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"LOYALNEST_POINTS_STORE": "mysql"}, "LOYALNEST_POINTS_STORE is"),
        ({"LOYALNEST_POINTS_STORE": "mongo"}, "LOYALNEST_MONGO_URL is not set"),
        ({"LOYALNEST_MONGO_DRIVER": "other"}, "LOYALNEST_MONGO_DRIVER is"),
    ],
    ids=lambda each: "",
)
def test_a_process_with_wrong_ones_does_not_start(wrong: dict[str, str], says: str) -> None:
    needed = {name: "x" for name, each in SETTINGS.items() if each.metadata["required"]}
    with pytest.raises(BadSettings, match=says):
        Settings.from_environment(needed | {"LOYALNEST_MASTER_KEY_FILE": "x"} | wrong)


@pytest.mark.skipif(find_spec("motor") is not None, reason="Motor is installed here")
def test_a_driver_that_is_not_installed_is_missed_at_once() -> None:
    needed = {name: "x" for name, each in SETTINGS.items() if each.metadata["required"]}
    chosen = {"LOYALNEST_MASTER_KEY_FILE": "x", "LOYALNEST_MONGO_DRIVER": "motor"}
    with pytest.raises(BadSettings, match="not installed"):
        Settings.from_environment(needed | chosen)
