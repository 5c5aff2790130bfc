"""The end of keys on real servers: of old ones that nothing is left under, and of all of a shop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from nats.js.errors import NotFoundError as JetStreamNotFound

from adapters.crypto.keyring import Keyring
from adapters.crypto.merchant_keys import MerchantKeyMaker
from adapters.crypto.sealer import AesGcmSealer
from adapters.postgres.merchant_keys import PostgresMerchantKeys
from adapters.runtime.host import Process
from contracts import auth, keys, shop
from contracts.shop import member_id
from domain.errors import NotFound
from domain.keys import KEPT_ELSEWHERE, KeysDestroyed, ShopStillInstalled
from ports.merchant_keys import KeyStores
from ports.sealing import CONTACT, CannotOpen, MerchantKey
from ports.unit import Units
from services.auth.keys import Keys
from services.auth.rewrapping import Retiring
from tests.conftest import Run, eventually
from tests.keys import key_of
from tests.mesh.edge import shopify_order
from tests.mesh.keys import ADMIN, AtTheEdge, all_resealed, merchant_of, progress, rotate, rows
from tests.mesh.people import open_shop, running
from tests.mesh.said import heard, mesh_of, register, say, world_of

SEALER = AesGcmSealer()


async def erase(process: Process, merchant_id: UUID, key: str = "") -> keys.ErasedKeys:
    return await mesh_of(process).call(
        keys.ERASE_MERCHANT_KEYS,
        keys.EraseMerchantKeys(merchant_id=merchant_id),
        ADMIN,
        idempotency_key=key or str(uuid4()),
    )


async def uninstall(process: Process, merchant: auth.Merchant) -> None:
    body = shop.Uninstalled(shop_domain=merchant.shop_domain)
    await say(process, shop.APP_UNINSTALLED, body, merchant.merchant_id, at=datetime.now(UTC))
    await eventually(
        lambda: merchant_of(process, merchant.merchant_id),
        lambda found: found.status == "uninstalled",
    )


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

    await eventually(answered)


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
