"""kill -9 of points between Shopify's answer and its saving: the member gets the one code."""

import asyncio
import os
import signal

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import rewards
from domain.points.redemption import RedemptionState
from infra.embedded.child import Child
from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from infra.embedded.services import until_ready
from tests.conftest import Run, eventually
from tests.mesh.said import world_of
from tests.mesh.shopify import shopify
from tests.mesh.test_rewards import opened
from tests.rig.stack import SERVE

MAKES: str = "discountCodeBasicCreate"


async def test_a_code_whose_maker_was_killed_is_found_again(
    run: Run, servers: Servers, environment: dict[str, str]
) -> None:
    port = free_port(set())
    async with shopify(run, environment, "api_gateway", "auth", "roles", "users", "core") as at:
        child = Child(servers.home, "service-points-to-be-killed", signal.SIGTERM)
        settings = {
            "LOYALNEST_OPS_PORT": str(port),
            "LOYALNEST_SHOPIFY_API_BASE": at.admin.base,
            "PYTHONPATH": str(CHECKOUT),
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOYALNEST_")}
        await child.start([*SERVE, "points"], inherited | environment | settings)
        try:
            assert await until_ready({"points": port}, 60) == []
            store = await opened(at)
            reward = await store.offer()
            trouble = at.admin.trouble
            trouble.released.clear()  # what Shopify does, nobody hears of
            redeeming = asyncio.create_task(store.redeem(reward))

            async def is_made() -> bool:
                return bool(store.there.discounts)

            await eventually(is_made)
            await child.kill()
            redeeming.cancel()
            trouble.released.set()
        finally:
            await child.kill()

        async with run("points", shopify_api_base=at.admin.base) as again:
            (bought,) = (
                await store.call(rewards.LIST_REDEMPTIONS, rewards.ListRedemptions())
            ).redemptions
            assert bought.state is RedemptionState.ISSUING
            await store.has(500)
            async with world_of(again).database("points").transaction(ACROSS_SHOPS) as connection:
                # The lease of who was killed is over.
                await connection.execute(
                    text("UPDATE reward_redemptions SET due_at = now() WHERE redemption_id = :id"),
                    {"id": bought.redemption_id},
                )
            found = await store.becomes(bought, RedemptionState.COMPLETED)
            assert [each.code for each in store.there.discounts.values()] == [found.code]
            assert trouble.asked[MAKES] == 2
            await store.has(500)
