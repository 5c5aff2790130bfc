"""A new master key while everything runs, in files and at AWS KMS; and the key service away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from adapters.crypto.sealer import AesGcmSealer
from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from adapters.runtime.settings import Settings
from adapters.tokens.keys import SigningKey, SigningKeys, read_keys, write_keys
from contracts import auth, keys, shop
from contracts.caller import service_caller
from contracts.kit import Nothing
from contracts.organizations import (
    CREATE_ORGANIZATION,
    GET_ORGANIZATION_KEY,
    CreateOrganization,
    GetOrganizationKey,
)
from domain.errors import Unavailable
from infra.cli.main import main
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from ports.key_management import ORGANIZATION, KeyContext
from ports.sealing import CONTACT
from tests.conftest import eventually
from tests.keys import key_of
from tests.mesh.edge import Edge, shopify_order
from tests.mesh.keys import merchant_of
from tests.mesh.people import Shop, open_shop
from tests.mesh.said import mesh_of, register, world_of
from tests.ports.test_kms import INDEX_BEFORE, SEALED_BEFORE, WRAPPED_BEFORE
from tests.stand_ins.kms import ACCESS_KEY, REGION, SECRET_KEY, StandInKms

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEST = service_caller("test")
MASTER_BEFORE = SigningKey.of(b"m" * 32)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """Servers of their own: what is done here is done to the keys of all shops there are."""
    async with Servers(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture
def ring(own: Servers) -> Path:
    return Path(own.environment()["LOYALNEST_MASTER_KEY_FILE"])


def runs(own: Servers, *names: str, **settings: str) -> AbstractAsyncContextManager[Process]:
    more = {f"LOYALNEST_{name.upper()}": value for name, value in settings.items()}
    more |= {name: str(free_port(set())) for name in ("LOYALNEST_HTTP_PORT", "LOYALNEST_OPS_PORT")}
    environment = own.environment() | {"LOYALNEST_LOG_LEVEL": "warning"} | more

    @asynccontextmanager
    async def running() -> AsyncIterator[Process]:
        process = Process(names, Settings.from_environment(environment))
        await process.start()
        try:
            yield process
        finally:
            await process.stop()

    return running()


async def progress(process: Process) -> keys.MasterKeyProgress:
    found = await mesh_of(process).call(keys.GET_KEY_PROGRESS, keys.GetKeyProgress(), TEST)
    return found.master


async def done(process: Process) -> keys.MasterKeyProgress:
    return await eventually(lambda: progress(process), lambda found: found.finished_at is not None)


async def known(process: Process, email: str) -> Shop:
    """A new shop that knows one customer."""
    one = await open_shop(process)
    await one.says(shop.CUSTOMER_CREATED, one.record("1", email, 0))
    await one.knows("1")
    return one


async def test_all_keys_come_under_a_new_master_key_while_everything_runs(
    own: Servers, ring: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old_shop = UUID(int=1)  # whose key was wrapped when shops had one key only
    write_keys(ring, SigningKeys.of(MASTER_BEFORE, *read_keys(ring).keys))
    async with runs(own, "auth", "users") as process:
        one = await known(process, "1@x.example")
        await asyncio.gather(
            *(register(process) for _ in range(60))
        )  # two keys each, in two batches
        await add_old_shop(process, old_shop)
        house = await organization_of(one)
        secret = await organization_key(one, house)
    async with runs(own, "auth", "users") as process:
        one = Shop(process, one.key)
        adopted = await eventually(
            lambda: merchant_of(process, old_shop), lambda found: found.index_key != ""
        )
        assert adopted.wrapped_key == WRAPPED_BEFORE
        await it_still_opens(process, old_shop)
        before = await progress(process)
        assert (before.keys, before.started_at) == (2 * 60 + 5, None)

        for name, value in own.environment().items():
            monkeypatch.setenv(name, value)
        rotating = asyncio.to_thread(main, ["keys", "rotate-master", "--notice", "1"])
        reading = asyncio.create_task(rotating)
        while not reading.done():
            assert (await one.user("1")).email == "1@x.example"
            for _ in range(20):
                await one.listed(limit=1)
            await register(process)
        assert await reading == 0
        after = await progress(process)
        assert after.master_key != before.master_key
        assert (after.keys_left, after.failed) == (0, 0)
        assert after.finished_at is not None
        new = read_keys(ring).keys[-1].key_id
        assert f"Master key: file key {new}" in capsys.readouterr().out
        assert (await merchant_of(process, old_shop)).wrapped_key.startswith(f"w1.{new}.")
        assert await asyncio.to_thread(main, ["keys", "rotate-master", "--drop-old"]) == 0
    assert len(read_keys(ring).keys) == 1
    async with runs(own, "auth", "users") as process:
        again = Shop(process, one.key)
        assert (await again.user("1")).email == "1@x.example"
        await it_still_opens(process, old_shop)
        assert await organization_key(again, house) == secret


async def organization_of(one: Shop) -> UUID:
    """A new one, made by this shop."""
    caller = service_caller("test", one.id)
    request = CreateOrganization(name="House")
    return (await mesh_of(one.process).call(CREATE_ORGANIZATION, request, caller)).organization_id


async def organization_key(one: Shop, organization_id: UUID) -> bytes:
    """What the key of its organisation unwraps to."""
    caller = service_caller("test", one.id)
    request = GetOrganizationKey(organization_id=organization_id)
    wrapped = (await mesh_of(one.process).call(GET_ORGANIZATION_KEY, request, caller)).wrapped_key
    context = KeyContext(organization_id, ORGANIZATION)
    return await world_of(one.process).key_management().unwrap(wrapped, context)


async def add_old_shop(process: Process, merchant_id: UUID) -> None:
    async with world_of(process).database("auth").transaction(ACROSS_SHOPS) as connection:
        await connection.execute(
            text(
                """
                INSERT INTO merchants (
                    merchant_id, shop_domain, status, currency, time_zone, wrapped_key,
                    installed_at, seen_at, changed_at
                )
                VALUES (:m, 'old.myshopify.com', 'active', 'USD', 'UTC', :w, now(), now(), now())
                """
            ),
            {"m": merchant_id, "w": WRAPPED_BEFORE},
        )


async def it_still_opens(process: Process, merchant_id: UUID) -> None:
    key, sealer = await key_of(world_of(process), merchant_id), AesGcmSealer()
    assert sealer.open(key, SEALED_BEFORE, CONTACT) == b"secret"
    assert sealer.blind_index(key, "jon@example.com") == INDEX_BEFORE


async def test_what_no_master_key_unwraps_is_counted_and_holds_up_nothing(
    own: Servers, ring: Path
) -> None:
    async with runs(own, "auth", "users") as process:
        one = await known(process, "2@x.example")
        lost = await register(process)
        house = await organization_of(one)
        async with world_of(process).database("auth").transaction(ACROSS_SHOPS) as connection:
            broken = "UPDATE merchant_keys SET wrapped = 'w1.0000000000000000.AAAA'"
            await connection.execute(
                text(f"{broken} WHERE merchant_id = :m AND use = 'data'"),
                {"m": lost.merchant_id},
            )
            await connection.execute(
                text(
                    "UPDATE organizations SET wrapped_key = 'w1.0000000000000000.' || wrapped_key"
                    " WHERE organization_id = :house"
                ),
                {"house": house},
            )
        write_keys(
            ring, SigningKeys.of(*read_keys(ring).keys, SigningKey.of(b"x" * 32, datetime.now(UTC)))
        )
        await eventually(lambda: progress(process), lambda found: found.keys_left == found.keys)
        await mesh_of(process).call(keys.ROTATE_MASTER_KEY, Nothing(), TEST)
        found = await done(process)
        assert (found.keys_left, found.failed) == (2, 2)
        assert (await one.user("1")).email == "2@x.example"
        # Once the cause is gone, the next try does it.
        async with world_of(process).database("auth").transaction(ACROSS_SHOPS) as connection:
            await connection.execute(
                text(
                    "UPDATE merchant_keys SET wrapped = :w WHERE merchant_id = :m AND use = 'data'"
                ),
                {"m": lost.merchant_id, "w": lost.wrapped_key},
            )
            await connection.execute(
                text(
                    "UPDATE organizations SET wrapped_key = substr(wrapped_key, 21)"
                    " WHERE organization_id = :house"
                ),
                {"house": house},
            )
        await mesh_of(process).call(keys.ROTATE_MASTER_KEY, Nothing(), TEST)
        found = await eventually(lambda: progress(process), lambda found: found.keys_left == 0)
        assert found.failed == 0
        assert await organization_key(one, house)


async def test_master_keys_move_to_aws_and_its_being_away_stops_only_who_is_not_known(
    own: Servers, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    async with runs(own, "auth", "users") as process:
        one = await known(process, "3@x.example")
        merchant = await merchant_of(process, one.id)
        cold = await register(process)
    with StandInKms() as kms:
        key = kms.new_key("loyalnest")
        at_aws = {
            "kms": "aws",
            "aws_kms_key_id": "alias/loyalnest",
            "aws_kms_endpoint": kms.url,
            "aws_region": REGION,
        }
        async with runs(own, "auth", "users", **at_aws) as process:
            await mesh_of(process).call(keys.ROTATE_MASTER_KEY, Nothing(), TEST)
            found = await done(process)
            assert (found.master_key, found.keys_left) == (key.arn, 0)
            assert (await Shop(process, one.key).user("1")).email == "3@x.example"
        async with runs(
            own, "api_gateway", "auth", "roles", "users", master_key_file="", **at_aws
        ) as process:
            again, edge = Shop(process, one.key), Edge(process)

            async def tells(of: auth.Merchant) -> int:
                answer = await edge.deliver(
                    "orders/create", shopify_order(1), X_Shopify_Shop_Domain=of.shop_domain
                )
                return answer.status_code

            assert (await again.user("1")).email == "3@x.example"
            assert await tells(merchant) == 200
            kms.fail("KMSInternalException", times=1000, status=500)
            assert await tells(merchant) == 200
            assert (await again.user("1")).email == "3@x.example"
            waiting = await asyncio.gather(*(tells(cold) for _ in range(20)))
            assert set(waiting) == {503}
            assert kms.calls.count("Decrypt") <= 20  # one asks for all, and gives up soon
            with pytest.raises(Unavailable, match="key service"):
                await register(process)
            kms.no_more_failures()
            assert await eventually(lambda: tells(cold), lambda status: status == 200)
            new = await known(process, "4@x.example")
            assert (await new.user("1")).email == "4@x.example"

            # KMS renews the material of its key by itself; what is wrapped goes on to unwrap, and
            # comes under the new one when asked to.
            key.renew()
            wrapped = (await merchant_of(process, new.id)).wrapped_key
            kms_of = world_of(process).key_management()
            assert await kms_of.unwrap(wrapped, KeyContext(new.id)) == new.key.secret
