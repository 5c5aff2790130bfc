"""Keys of shops on real servers: rotated under way, rotated through a crash, destroyed for good."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from operator import lt
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from nats.js.errors import NotFoundError as JetStreamNotFound
from sqlalchemy import text

from adapters.crypto.keyring import Keyring
from adapters.crypto.merchant_keys import MerchantKeyMaker
from adapters.crypto.sealer import AesGcmSealer
from adapters.postgres.database import Database
from adapters.postgres.merchant_keys import PostgresMerchantKeys
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION
from adapters.runtime.host import Process
from contracts import admin_core, auth, keys, shop, users
from contracts.caller import Audience, Caller, service_caller
from contracts.kit import Nothing
from contracts.shop import member_id
from domain.errors import DuplicateRequest, Forbidden, InvalidRequest, NotFound, Unavailable
from domain.keys import KEPT_ELSEWHERE, KeysDestroyed, ShopStillInstalled
from infra.embedded.child import Child
from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from infra.embedded.services import until_ready
from ports.merchant_keys import KeyStores
from ports.sealing import CONTACT, CannotOpen, MerchantKey
from ports.unit import Units
from services.auth.keys import Keys
from services.auth.rewrapping import Retiring
from tests.conftest import Run, eventually
from tests.keys import key_of
from tests.mesh.edge import Edge, shopify_order
from tests.mesh.people import Shop, open_shop, running
from tests.mesh.said import heard, mesh_of, register, say, world_of
from tests.rig.stack import SERVE

ADMIN = Caller(audience=Audience.ADMIN, actor=str(uuid4()), permissions=("admin:full",))
TEST = service_caller("test")
SEALER = AesGcmSealer()
LANGUAGES = ("en", "fr", "de", "pt-BR")


async def rotate(process: Process, merchant_id: UUID, key: str = "") -> keys.RotatedKey:
    return await mesh_of(process).call(
        keys.ROTATE_MERCHANT_KEY,
        keys.RotateMerchantKey(merchant_id=merchant_id),
        ADMIN,
        idempotency_key=key or str(uuid4()),
    )


async def erase(process: Process, merchant_id: UUID, key: str = "") -> keys.ErasedKeys:
    return await mesh_of(process).call(
        keys.ERASE_MERCHANT_KEYS,
        keys.EraseMerchantKeys(merchant_id=merchant_id),
        ADMIN,
        idempotency_key=key or str(uuid4()),
    )


async def progress(process: Process, shop_domain: str = "") -> keys.KeyProgress:
    request = keys.GetKeyProgress(shop_domain=shop_domain)
    return await mesh_of(process).call(keys.GET_KEY_PROGRESS, request, ADMIN)


async def merchant_of(process: Process, merchant_id: UUID) -> auth.Merchant:
    request = auth.ValidateMerchant(merchant_id=merchant_id)
    return await mesh_of(process).call(auth.VALIDATE_MERCHANT, request, TEST)


async def rows(process: Process, service: str, query: str, **values: object) -> list[Any]:
    async with world_of(process).database(service).transaction(ACROSS_SHOPS) as connection:
        return list(await connection.execute(text(query), values))


async def uninstall(process: Process, merchant: auth.Merchant) -> None:
    body = shop.Uninstalled(shop_domain=merchant.shop_domain)
    await say(process, shop.APP_UNINSTALLED, body, merchant.merchant_id, at=datetime.now(UTC))
    await eventually(
        lambda: merchant_of(process, merchant.merchant_id),
        lambda found: found.status == "uninstalled",
    )


def all_resealed(found: keys.KeyProgress) -> bool:
    """Nothing is left under any retired key."""
    retired = [key for key in found.keys if key.state == "retired"]
    assert retired
    return all(left.rows == 0 for key in retired for left in key.rows_left)


class AtTheEdge:
    """A shop that talks to the gateway."""

    def __init__(self, process: Process, merchant: auth.Merchant) -> None:
        self.edge = Edge(process)
        self.merchant = merchant

    async def tells(self, topic: str, body: dict[str, Any]) -> httpx.Response:
        return await self.edge.deliver(topic, body, X_Shopify_Shop_Domain=self.merchant.shop_domain)

    async def tells_of(self, customer: int, second: int = 0) -> httpx.Response:
        at = f"2026-11-10T08:{second // 60:02}:{second % 60:02}Z"
        return await self.tells(
            "customers/update",
            {
                "id": customer,
                "email": f"{customer}@x.example",
                "first_name": "Ada",
                "created_at": "2026-11-01T00:00:00Z",
                "updated_at": at,
            },
        )


# --- a new data key -------------------------------------------------------------------------------


async def test_keys_rotate_while_webhooks_flow_and_people_are_read_and_changed(run: Run) -> None:
    people, rotations = 30, 3
    async with run("api_gateway", "auth", "roles", "users", "points", "admin_core") as process:
        one = await open_shop(process)
        edge = AtTheEdge(process, await merchant_of(process, one.id))
        for customer in range(people):
            assert (await edge.tells_of(1000 + customer)).status_code == 200
        request = {"id": 1003, "email": "1003@x.example"}
        asked = {"shop_id": 1, "customer": request, "data_request": {"id": 9}}
        assert (await edge.tells("customers/data_request", asked)).status_code == 200
        await one.knows(str(999 + people))
        await eventually(lambda: sealed_requests(process, one.id))
        indexes = await rows(
            process, "users", "SELECT user_id, email_index FROM users WHERE merchant_id = :m",
            m=one.id,
        )  # fmt: skip

        ended = asyncio.Event()
        done = itertools.count()

        async def go_on(step: Callable[[int], Awaitable[None]]) -> None:
            for number in itertools.count():
                if ended.is_set():
                    return
                await step(number)
                next(done)

        async def webhooks(number: int) -> None:
            customer = 1000 + number % people
            assert (await edge.tells_of(customer, 1 + number % 3000)).status_code == 200
            order = shopify_order(number + 1, customer)
            assert (await edge.tells("orders/create", order)).status_code == 200

        async def read_all(_: int) -> None:
            page = await one.listed(limit=100)
            assert {user.email for user in page.users} == {
                f"{user.shopify_customer_id}@x.example" for user in page.users
            }
            assert len(page.users) == people

        async def find_one(number: int) -> None:
            customer = str(1000 + number % people)
            (found,) = (await one.listed(email=f"{customer}@x.example")).users
            assert found.shopify_customer_id == customer

        async def change_one(number: int) -> None:
            changed = await one.update(
                member_id(one.id, str(1000 + number % people)), language=LANGUAGES[number % 4]
            )
            assert changed.email

        steps = (webhooks, read_all, find_one, change_one)
        busy = [asyncio.create_task(go_on(step)) for step in steps]
        rotated = []
        for _ in range(rotations):
            before = next(done)
            await eventually(partial(counted, done), partial(lt, before + 20))
            rotated.append(await rotate(process, one.id))
        domain = edge.merchant.shop_domain
        found = await eventually(lambda: progress(process, domain), all_resealed, seconds=20)
        ended.set()
        await asyncio.gather(*busy)

        states = {key.key_id: key.state for key in found.keys if key.use == "data"}
        assert [states[each.key_id] for each in rotated] == ["retired", "retired", "current"]
        assert len(states) == rotations + 1
        (index,) = [key for key in found.keys if key.use == "index"]
        assert index.state == "current"
        assert {left.service for left in found.keys[0].rows_left} == set(keys.COUNT_SEALED_ROWS)
        listed = await progress(process)
        assert {key.key_id for key in listed.keys if key.merchant_id == one.id} == {
            key_id for key_id, state in states.items() if state == "retired"
        }
        # What was still under way when the last key came is sealed with it in the end, too.
        newest = rotated[-1].key_id
        await eventually(lambda: under_other_keys(process, one.id, newest), lambda left: left == 0)
        assert await rows(
            process, "users", "SELECT user_id, email_index FROM users WHERE merchant_id = :m",
            m=one.id,
        ) == indexes  # fmt: skip
        log = await eventually(lambda: audited(process, one), lambda found: len(found) == rotations)
        assert {record.actor for record in log} == {ADMIN.name}


async def counted(done: "itertools.count[int]") -> int:
    return next(done)


async def sealed_requests(process: Process, merchant_id: UUID) -> list[Any]:
    query = "SELECT * FROM gdpr_requests WHERE merchant_id = :m AND sealed_payload <> ''"
    return await rows(process, "admin_core", query, m=merchant_id)


async def under_other_keys(process: Process, merchant_id: UUID, key_id: str) -> int:
    query = """
        SELECT count(*) AS left FROM users WHERE merchant_id = :m
            AND (sealed_contact_key NOT IN (:k, '') OR sealed_birthday_key NOT IN (:k, ''))
    """
    (row,) = await rows(process, "users", query, m=merchant_id, k=key_id)
    (other,) = await rows(
        process, "admin_core",
        "SELECT count(*) AS left FROM gdpr_requests WHERE merchant_id = :m"
        " AND sealed_payload_key NOT IN (:k, '')",
        m=merchant_id, k=key_id,
    )  # fmt: skip
    return int(row.left + other.left)


async def audited(process: Process, one: Shop) -> list[admin_core.AuditRecord]:
    request = admin_core.GetAuditLogs(action="merchant_key.rotated")
    found = await mesh_of(process).call(admin_core.GET_AUDIT_LOGS, request, one.staff())
    return list(found.records)


@asynccontextmanager
async def storage(environment: dict[str, str], service: str) -> AsyncIterator[Database]:
    """The database of a service that does not run in this process."""
    database = Database(environment["LOYALNEST_POSTGRES_URL"], service, pool=1)
    yield database
    await database.close()


async def left_under(database: Database, merchant_id: UUID, key_id: str) -> int:
    query = "SELECT count(*) FROM users WHERE merchant_id = :m AND sealed_contact_key = :k"
    async with database.transaction(ACROSS_SHOPS) as connection:
        found = await connection.execute(text(query), {"m": merchant_id, "k": key_id})
        return int(found.scalar_one())


async def test_a_rotation_goes_on_after_kill_9_between_its_batches(
    run: Run, servers: Servers, environment: dict[str, str]
) -> None:
    people = 6000  # thirty batches
    async with running(run) as one:
        await one.says(shop.CUSTOMER_CREATED, one.record("1", "1@x.example", 0))
        await one.knows("1")
        async with world_of(one.process).database("users").transaction(MIGRATION) as connection:
            await connection.execute(
                text(
                    """
                    INSERT INTO users (
                        merchant_id, user_id, kind, shopify_customer_id, email_index,
                        sealed_contact, sealed_birthday, language, role, from_order, created_at,
                        updated_at, name_index, contact_of
                    )
                    SELECT merchant_id, gen_random_uuid(), kind, '', email_index, sealed_contact,
                        '', language, role, from_order, created_at, updated_at, '{}', user_id
                    FROM users, generate_series(2, :people) WHERE merchant_id = :m
                    """
                ),
                {"m": one.id, "people": people},
            )
    child = Child(servers.home, "service-users-to-be-killed", signal.SIGTERM)
    port = free_port(set())
    settings = {"LOYALNEST_OPS_PORT": str(port), "PYTHONPATH": str(CHECKOUT)}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOYALNEST_")}
    async with storage(environment, "users") as database:

        async def left() -> int:
            return await left_under(database, one.id, rotated.retired_key_id)

        async with run("auth") as process:
            await child.start([*SERVE, "users"], inherited | environment | settings)
            try:
                assert await until_ready({"users": port}, 60) == []
                rotated = await rotate(process, one.id)
                await eventually(left, lambda left: left < people)
            finally:
                await child.kill()
            assert 0 < await left() < people
        async with run("auth", "users") as process:
            again = Shop(process, one.key)
            page = await again.listed(limit=250)  # while most are under the old key
            assert {user.email for user in page.users} == {"1@x.example"}
            await eventually(left, lambda left: left == 0)
            page = await again.listed(limit=250)
            assert {user.email for user in page.users} == {"1@x.example"}


async def test_what_comes_late_under_an_old_key_is_sealed_anew_and_what_cannot_be_is_left(
    run: Run,
) -> None:
    async with running(run, "points", "admin_core") as one:
        domain = (await merchant_of(one.process, one.id)).shop_domain
        made = await one.create("staff@x.example", birthday=date(1990, 5, 17), last_name="Old")
        await one.says(shop.CUSTOMER_CREATED, one.record("1", "1@x.example", 0))
        await one.says(shop.CUSTOMER_CREATED, one.record("2", "2@x.example", 0))
        await one.knows("1")
        broken = member_id(one.id, "2")
        await one.knows("2")
        async with world_of(one.process).database("users").transaction(MIGRATION) as connection:
            await connection.execute(
                text(
                    """
                    UPDATE users SET sealed_contact = overlay(sealed_contact placing 'AAAA' from 30)
                    WHERE merchant_id = :m AND user_id = :u
                    """
                ),
                {"m": one.id, "u": broken},
            )
        rotated = await rotate(one.process, one.id)

        def only_broken(found: keys.KeyProgress) -> bool:
            (old,) = [key for key in found.keys if key.key_id == rotated.retired_key_id]
            return {each.service: each.rows for each in old.rows_left} == {
                "admin_core": 0, "auth": 0, "points": 0, "users": 1,
            }  # fmt: skip

        await eventually(lambda: progress(one.process, domain), only_broken)
        request = users.GetUser(user_id=made.user_id)
        staff = await mesh_of(one.process).call(users.GET_USER, request, one.staff())
        assert (staff.birthday, staff.email, staff.last_name) == (
            date(1990, 5, 17), "staff@x.example", "Old",
        )  # fmt: skip
        assert (await one.user("2")).email == ""
        # Sealed by an edge that had not heard of the new key: ``one`` still has the old one.
        await one.says(shop.CUSTOMER_UPDATED, one.record("2", "new@x.example", 1))
        mended = await eventually(lambda: one.user("2"), lambda user: user.email != "")
        assert mended.email == "new@x.example"
        await rows(one.process, "users", "UPDATE resealing SET due_at = now() RETURNING 1")
        found = await eventually(lambda: progress(one.process, domain), all_resealed)
        (old,) = [key for key in found.keys if key.key_id == rotated.retired_key_id]
        assert old.retired_at is not None
        assert old.destroyable_at == old.retired_at + KEPT_ELSEWHERE


async def test_what_somebody_had_opens_for_whom_they_were_merged_into_also_under_a_new_key(
    run: Run,
) -> None:
    async with running(run, "points", "admin_core") as one:
        await one.says(shop.CUSTOMER_CREATED, one.record("1", "", 0))
        await one.says(shop.CUSTOMER_CREATED, one.record("2", "2@x.example", 0))
        two = (await one.knows("2")).user_id
        await one.update(two, birthday=date(1990, 5, 17))
        for kept, merged in (("1", "2"), ("3", "1")):
            if kept == "3":
                await one.says(shop.CUSTOMER_CREATED, one.record("3", "", 0))
                await one.knows("3")
            request = users.MergeUsers(
                kept_id=member_id(one.id, kept), merged_id=member_id(one.id, merged)
            )
            await mesh_of(one.process).call(
                users.MERGE_USERS, request, one.staff(), idempotency_key=kept
            )
            found = await one.user(kept)
            assert (found.email, found.birthday) == ("2@x.example", date(1990, 5, 17)), kept
        domain = (await merchant_of(one.process, one.id)).shop_domain
        await rotate(one.process, one.id)
        await eventually(lambda: progress(one.process, domain), all_resealed)
        found = await one.user("3")
        assert (found.email, found.birthday) == ("2@x.example", date(1990, 5, 17))
        changed = await one.update(found.user_id, phone="+1 555 0100")
        assert (changed.email, changed.phone) == ("2@x.example", "+1 555 0100")
        (row,) = await row_of(one, "3")
        assert (row.contact_of, row.birthday_of) == (None, None)  # sealed about themself again


async def test_an_old_key_is_destroyed_once_nothing_can_be_left_under_it(run: Run) -> None:
    async with running(run, "points", "admin_core") as one:
        await one.says(shop.CUSTOMER_CREATED, one.record("1", "1@x.example", 0))
        await one.knows("1")
        first = await rotate(one.process, one.id)
        second = await rotate(one.process, one.id)
        domain = (await merchant_of(one.process, one.id)).shop_domain
        await eventually(lambda: progress(one.process, domain), all_resealed)
        destroyed = await heard(one.process, keys.MERCHANT_KEY_DESTROYED, one.id)
        await age(one.process, one.id, first.retired_key_id)
        await retiring(one.process).run()
        await eventually(lambda: said(destroyed), lambda found: len(found) == 1)
        assert destroyed[0].key_ids == (first.retired_key_id,)
        assert not destroyed[0].all_keys
        states = {key.key_id: key.state for key in (await progress(one.process, domain)).keys}
        assert states[first.retired_key_id] == "destroyed"
        assert states[second.retired_key_id] == "retired"
        assert (await one.user("1")).email == "1@x.example"
        merchant = await merchant_of(one.process, one.id)
        assert len(merchant.older_keys) == 1


async def age(process: Process, merchant_id: UUID, key_id: str) -> None:
    """As if the key had been retired so long ago that nothing can be on its way any more."""
    await rows(
        process, "auth",
        "UPDATE merchant_keys SET retired_at = retired_at - CAST(:age AS interval)"
        " WHERE merchant_id = :m AND key_id = :k RETURNING 1",
        m=merchant_id, k=key_id, age=KEPT_ELSEWHERE,
    )  # fmt: skip


async def test_no_key_is_destroyed_while_somebody_does_not_say_what_is_left(run: Run) -> None:
    async with running(run, "points") as one:  # without admin_core
        rotated = await rotate(one.process, one.id)
        await age(one.process, one.id, rotated.retired_key_id)
        await retiring(one.process).run()
        domain = (await merchant_of(one.process, one.id)).shop_domain
        (old,) = [key for key in (await progress(one.process, domain)).keys if key.retired_at]
        assert old.state == "retired"
        assert {each.service: each.rows for each in old.rows_left} == {
            "admin_core": None, "auth": 0, "points": 0, "users": 0,
        }  # fmt: skip


def retiring(process: Process) -> Retiring:
    """What auth runs once in an hour."""
    world = world_of(process)
    units: Units[KeyStores] = world.units_across_shops("auth", PostgresMerchantKeys)
    management = world.key_management()
    return Retiring(units, Keys(units, MerchantKeyMaker(management), management, world.mesh))


async def said(bodies: list[Any]) -> list[Any]:
    return bodies


async def test_a_rotation_is_asked_for_as_it_should_be(run: Run) -> None:
    async with run("auth") as process:
        merchant = await register(process)
        mesh, shop_id = mesh_of(process), merchant.merchant_id
        once = await rotate(process, shop_id, key="the same")
        assert await rotate(process, shop_id, key="the same") == once
        another = keys.RotateMerchantKey(shop_domain=merchant.shop_domain)
        with pytest.raises(DuplicateRequest):
            await mesh.call(keys.ROTATE_MERCHANT_KEY, another, ADMIN, idempotency_key="the same")
        (data,) = {
            key.key_id
            for key in (await progress(process, merchant.shop_domain)).keys
            if (key.use, key.state) == ("data", "current")
        }
        assert data == once.key_id
        # Two at once come one after the other; none of their keys is lost.
        both = await asyncio.gather(*(rotate(process, shop_id) for _ in range(2)))
        first, second = sorted(both, key=lambda each: each.retired_key_id != once.key_id)
        assert (first.retired_key_id, second.retired_key_id) == (once.key_id, first.key_id)
        assert len((await merchant_of(process, shop_id)).older_keys) == 3
        for asked in (
            keys.RotateMerchantKey(),
            keys.RotateMerchantKey(merchant_id=shop_id, shop_domain=merchant.shop_domain),
        ):
            with pytest.raises(InvalidRequest):
                await mesh.call(keys.ROTATE_MERCHANT_KEY, asked, ADMIN, idempotency_key="x")
        with pytest.raises(NotFound):
            await rotate(process, uuid4())
        with pytest.raises(NotFound):
            await progress(process, "nobody.myshopify.com")
        owner = Caller(
            audience=Audience.MERCHANT, actor="owner", merchant_id=shop_id, permissions=("*",)
        )
        with pytest.raises(Forbidden):
            await mesh.call(keys.ROTATE_MASTER_KEY, Nothing(), owner)


# --- a shop is erased -----------------------------------------------------------------------------


async def test_of_an_erased_shop_nothing_opens_any_more_also_not_where_the_keys_were_warm(
    run: Run,
) -> None:
    async with run("api_gateway", "auth", "roles", "users", "points", "admin_core") as process:
        one = await open_shop(process)
        merchant = await merchant_of(process, one.id)
        edge = AtTheEdge(process, merchant)
        assert (await edge.tells_of(1)).status_code == 200
        assert (await one.knows("1")).email == "1@x.example"
        rotated = await rotate(process, one.id, key="before")  # so that there are two to destroy
        with pytest.raises(ShopStillInstalled):
            await erase(process, one.id)
        sealed = [*await sealed_in_streams(process, one.id), *await sealed_at_rest(process, one.id)]
        assert sealed
        warm = Keyring(world_of(process).mesh, world_of(process).key_management(), "test")
        opened = [opens(await warm.of(one.id, sealed), each, one.id) for each in sealed]
        assert all(opened)

        await uninstall(process, merchant)
        started = asyncio.get_running_loop().time()
        erased = await erase(process, one.id, key="once")
        assert erased.keys == 3
        assert await erase(process, one.id, key="once") == erased
        assert (await erase(process, one.id)).keys == 0
        with pytest.raises(NotFound):
            await eventually_refused(lambda: one.user("1"))
        assert asyncio.get_running_loop().time() - started < 1.5
        with pytest.raises(KeysDestroyed):
            await one.listed(email="1@x.example")
        await warm.learn()  # this one hears no events
        await asyncio.sleep(0)
        with pytest.raises(KeysDestroyed):
            await eventually_refused(lambda: learnt(warm, one.id, sealed))
        with pytest.raises(KeysDestroyed):
            await rotate(process, one.id)
        assert await rotate(process, one.id, key="before") == rotated

        # Nobody has anything of the keys, wrapped or not, nor of what they opened.
        gone = await merchant_of(process, one.id)
        assert (gone.wrapped_key, gone.index_key, gone.older_keys) == ("", "", ())
        wrapped = {merchant.wrapped_key, merchant.index_key}
        for table in ("merchants", "merchant_keys", "outbox", "answers"):
            kept = str(
                [tuple(row) for row in await rows(process, "auth", f"SELECT * FROM {table}")]
            )
            assert not any(each in kept for each in wrapped), table
        assert {row.wrapped for row in await stored_keys(process, one.id)} == {""}

        # What Shopify still has to say is taken, as far as the law wants it and no further.
        assert (await edge.tells_of(2)).status_code == 404
        assert (await edge.tells("orders/create", shopify_order(1))).status_code == 404
        told = await heard(process, shop.SHOP_REDACTED, one.id)
        redact = {"shop_id": 5, "shop_domain": merchant.shop_domain}
        assert (await edge.tells("shop/redact", redact)).status_code == 200
        customer = {"id": 1, "email": "1@x.example"}
        request = {"shop_id": 5, "customer": customer, "orders_to_redact": []}
        assert (await edge.tells("customers/redact", request)).status_code == 200
        await eventually(lambda: said(told))
        assert told[0].sealed_payload == ""
        cases = await eventually(
            lambda: rows(
                process, "admin_core",
                "SELECT * FROM gdpr_requests WHERE merchant_id = :m", m=one.id,
            ),
            lambda found: len(found) == 2,
        )  # fmt: skip
        assert {case.sealed_payload for case in cases} == {""}

        # Should it come back, it has keys of its own again, and what was sealed stays shut.
        back = await register(process, merchant.shop_domain)
        assert back.merchant_id == one.id
        assert back.wrapped_key not in {"", merchant.wrapped_key}
        assert (await edge.tells_of(3)).status_code == 200
        assert (await one.knows("3")).email == "3@x.example"
        assert (await one.user("1")).email == ""
        fresh = await Keyring(
            world_of(process).mesh, world_of(process).key_management(), "test"
        ).of(one.id, sealed)
        assert not any(opens(fresh, each, one.id) for each in sealed)


def opens(key: MerchantKey, sealed: str, merchant_id: UUID) -> bool:
    try:
        SEALER.open(key, sealed, CONTACT, str(member_id(merchant_id, "1")))
    except CannotOpen:
        return False
    return True


async def eventually_refused(ask: Callable[[], Awaitable[object]]) -> None:
    """Asks until it is refused; raises how."""

    async def answered() -> bool:
        await ask()
        return False

    await eventually(answered, seconds=5)


async def learnt(keyring: Keyring, merchant_id: UUID, sealed: list[str]) -> MerchantKey:
    await keyring.learn()
    return await keyring.of(merchant_id, sealed)


async def stored_keys(process: Process, merchant_id: UUID) -> list[Any]:
    query = "SELECT * FROM merchant_keys WHERE merchant_id = :m"
    return await rows(process, "auth", query, m=merchant_id)


async def sealed_at_rest(process: Process, merchant_id: UUID) -> list[str]:
    query = "SELECT sealed_contact FROM users WHERE merchant_id = :m"
    return [row.sealed_contact for row in await rows(process, "users", query, m=merchant_id)]


async def sealed_in_streams(process: Process, merchant_id: UUID) -> list[str]:
    js = world_of(process).js
    found = []
    for event in (shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED):
        with suppress(JetStreamNotFound):
            message = await js.get_last_msg("WEBHOOKS", event.subject(merchant_id))
            found.append(msgspec.json.decode(message.data or b"", type=event.body).sealed_contact)
    return found


async def test_a_shop_that_comes_back_while_it_is_erased_has_keys_in_the_end(run: Run) -> None:
    async with run("auth") as process:
        for _ in range(5):
            merchant = await register(process)
            await uninstall(process, merchant)
            results = await asyncio.gather(
                erase(process, merchant.merchant_id),
                register(process, merchant.shop_domain),
                return_exceptions=True,
            )
            found = await merchant_of(process, merchant.merchant_id)
            assert found.status == "active"
            assert found.wrapped_key
            was_erased = not isinstance(results[0], ShopStillInstalled)
            assert (found.wrapped_key != merchant.wrapped_key) is was_erased
            assert (await key_of(world_of(process), found.merchant_id)).secret


# --- what is stored where it does not belong ------------------------------------------------------


async def test_sealed_texts_that_change_places_do_not_open(run: Run) -> None:
    async with running(run) as one:
        other = await open_shop(one.process)
        for each in (one, other):
            for customer in ("1", "2"):
                record = each.record(customer, f"{customer}@x.example", 0)
                await each.says(shop.CUSTOMER_CREATED, record)
                await each.knows(customer)
        made = await one.create("staff@x.example", birthday=date(1990, 5, 17))
        swaps = (
            # between two people
            ("sealed_contact", one.id, member_id(one.id, "2"), "sealed_contact"),
            # between two shops, for the same customer of both
            ("sealed_contact", other.id, member_id(other.id, "1"), "sealed_contact"),
            # between two purposes
            ("sealed_contact", one.id, made.user_id, "sealed_birthday"),
        )
        (before,) = await row_of(one, "1")
        for column, merchant_id, user_id, source in swaps:
            await rows(
                one.process, "users",
                f"UPDATE users u SET {column} = o.{source} FROM users o"
                " WHERE u.merchant_id = :m AND u.user_id = :u"
                " AND o.merchant_id = :om AND o.user_id = :ou RETURNING 1",
                m=one.id, u=member_id(one.id, "1"), om=merchant_id, ou=user_id,
            )  # fmt: skip
            assert (await one.user("1")).email == "", source
        await set_contact(one, "1", before.sealed_contact)
        assert (await one.user("1")).email == "1@x.example"
        for wrong in (
            before.sealed_contact[:-4],
            before.sealed_contact[:-5] + "AAAA=",
            before.sealed_contact.replace(one.key.key_id, other.key.key_id),
            before.sealed_contact.replace(one.key.key_id, "0" * 16),
            "v2..",
        ):
            await set_contact(one, "1", wrong)
            assert (await one.user("1")).email == "", wrong


async def row_of(one: Shop, customer: str) -> list[Any]:
    query = "SELECT * FROM users WHERE merchant_id = :m AND user_id = :u"
    return await rows(one.process, "users", query, m=one.id, u=member_id(one.id, customer))


async def set_contact(one: Shop, customer: str, sealed: str) -> None:
    await rows(
        one.process, "users",
        "UPDATE users SET sealed_contact = :s WHERE merchant_id = :m AND user_id = :u RETURNING 1",
        s=sealed, m=one.id, u=member_id(one.id, customer),
    )  # fmt: skip


async def test_wrapped_keys_that_change_places_make_nothing_open(run: Run) -> None:
    """Who can write into auth's table cannot make shops use keys of their choice."""
    async with run("auth") as process:
        one, other = await register(process), await register(process)
        for column, text_of in (("data", other.wrapped_key), ("data", one.index_key)):
            await rows(
                process, "auth",
                "UPDATE merchant_keys SET wrapped = :w WHERE merchant_id = :m AND use = :u"
                " RETURNING 1", w=text_of, m=one.merchant_id, u=column,
            )  # fmt: skip
            with pytest.raises(Unavailable, match="cannot be unwrapped"):
                await key_of(world_of(process), one.merchant_id)
        assert (await key_of(world_of(process), other.merchant_id)).secret
