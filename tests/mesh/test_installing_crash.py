"""kill -9 of auth between Shopify's answer and its saving: the shop's access is not lost."""

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from adapters.http.install import CALLBACK
from contracts import auth, installs
from domain.errors import DeadlineExceeded, Unavailable
from infra.demo_shop.admin.server import Admin
from infra.embedded.child import Child
from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from infra.embedded.services import until_ready
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of
from tests.mesh.shopify import TEST, access, app_of, browse, new_shop
from tests.rig.stack import SERVE


async def test_a_pair_that_was_rotated_and_not_saved_is_got_after_all(
    run: Run, servers: Servers, environment: dict[str, str]
) -> None:
    port = free_port(set())
    origin = "http://127.0.0.1:1"
    async with Admin(app_of(environment), free_port(set()), callbacks=[origin + CALLBACK]) as admin:
        # A process that only carries calls, so that the one to be killed is the only auth.
        async with run("admin_features") as process:
            child = Child(servers.home, "service-auth-to-be-killed", signal.SIGTERM)
            settings = {
                "LOYALNEST_OPS_PORT": str(port),
                "LOYALNEST_PUBLIC_URL": origin,
                "LOYALNEST_SHOPIFY_API_BASE": admin.base,
                "PYTHONPATH": str(CHECKOUT),
            }
            inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOYALNEST_")}
            await child.start([*SERVE, "auth"], inherited | environment | settings)
            try:
                assert await until_ready({"auth": port}, 60) == []
                mesh = mesh_of(process)
                shop = new_shop()
                begun = await mesh.call(
                    installs.BEGIN_INSTALL, installs.BeginInstall(query=f"shop={shop}"), TEST
                )
                back = installs.CompleteInstall(
                    query=await browse(begun.authorize_url), kept_state=begun.state
                )
                admin.grants.access_lifetime = timedelta(minutes=4)  # to be renewed at once
                await mesh.call(installs.COMPLETE_INSTALL, back, TEST)
                admin.grants.access_lifetime = timedelta(hours=1)
                merchant = await mesh.call(
                    auth.VALIDATE_MERCHANT, auth.ValidateMerchant(shop_domain=shop), TEST
                )

                # Shopify has made the next pair, and its answer is on the way.
                admin.wire.released.clear()
                renewing = asyncio.create_task(access(process, merchant, deadline=1.0))
                await eventually(lambda: asked(admin, 1))
                await child.kill()
                with pytest.raises((DeadlineExceeded, Unavailable)):
                    await renewing
                admin.wire.released.set()
            finally:
                await child.kill()

        async with run("auth", shopify_api_base=admin.base) as process:
            got = await access(process, merchant)
            assert admin.grants.check(shop, got.access_token)
            assert (got.version, admin.wire.asked.count("refresh_token")) == (2, 2)
            # And it goes on from there: the pair that was lost and found rotates like any other.
            following = await access(process, merchant, refused_version=got.version)
            assert admin.grants.check(shop, following.access_token)
            assert following.version == 3


async def asked(admin: Admin, times: int) -> bool:
    return admin.wire.asked.count("refresh_token") == times
