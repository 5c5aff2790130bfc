"""Keys of shops on real servers: rotated under way, through a crash, and only as it should be."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from operator import lt
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.postgres.connection import text
from adapters.postgres.database import Database
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION
from adapters.runtime.host import Process
from contracts import admin_core, keys, shop, users
from contracts.caller import Audience, Caller
from contracts.kit import Nothing
from contracts.shop import member_id
from domain.errors import DuplicateRequest, Forbidden, InvalidRequest, NotFound
from domain.keys import KEPT_ELSEWHERE
from infra.embedded.child import Child
from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from infra.embedded.services import until_ready
from tests.conftest import Run, eventually
from tests.mesh.edge import shopify_order
from tests.mesh.keys import (
    ADMIN,
    AtTheEdge,
    all_resealed,
    merchant_of,
    progress,
    rotate,
    row_of,
    rows,
)
from tests.mesh.people import Shop, open_shop, running
from tests.mesh.said import mesh_of, register, world_of
from tests.rig.stack import SERVE

LANGUAGES = ("en", "fr", "de", "pt-BR")

USERS_BY_ID = "SELECT user_id, email_index FROM users WHERE merchant_id = :m ORDER BY user_id"


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
        indexes = await rows(process, "users", USERS_BY_ID, m=one.id)

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
        found = await eventually(lambda: progress(process, domain), all_resealed)
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
        assert await rows(process, "users", USERS_BY_ID, m=one.id) == indexes
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
