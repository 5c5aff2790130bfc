"""How the gateway is put together: the edge, every HTTP-bound operation, the live stream."""

import asyncio
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from typing import Final
from uuid import UUID

import msgspec
from litestar import Litestar, Response, get

from adapters.crypto.keyring import CHECK_SECONDS as KEYS_SECONDS
from adapters.crypto.keyring import Keyring
from adapters.crypto.sealer import AesGcmSealer
from adapters.files import PackageFiles
from adapters.graphql.route import graphql_route
from adapters.graphql.schema import Schema, make_schema
from adapters.http.asgi import mounted
from adapters.http.documents import document_routes
from adapters.http.edge import Edge
from adapters.http.gate import Gate
from adapters.http.install import install_routes
from adapters.http.operations import mount
from adapters.http.origins import Origins
from adapters.http.problems import HANDLERS
from adapters.http.proxy import proxy_route
from adapters.http.source import Sources
from adapters.http.stream import stream_route
from adapters.http.webhooks import PATHS, webhook_app
from adapters.memory.limits import MemoryLimits
from adapters.nats.connection import TRACE
from adapters.nats.live import LiveEvents, hear, watch
from adapters.nats.packer import Packer
from adapters.nats.packs import Carried
from adapters.runtime.service import Loop, Service
from adapters.runtime.world import World
from adapters.shopify.app_proxy import AppProxy
from adapters.shopify.context import MerchantContext
from adapters.shopify.signatures import is_webhook_signature
from adapters.shopify.webhooks import WebhookTranslator
from adapters.telemetry.metrics import AUTH_SILENCE
from adapters.telemetry.tracing import producer_span
from adapters.tokens.jwt_tokens import JwtVerifier
from adapters.tokens.keys import load_signing_keys
from adapters.valkey.limits import PROBE_SECONDS, ValkeyLimits
from contracts.auth import MERCHANT_CHANGED, MERCHANT_CREATED
from contracts.kit import Body
from contracts.registry import REGISTRY
from contracts.roles import ROLE_ASSIGNED, ROLE_DELETED, ROLE_UNASSIGNED, ROLE_UPDATED
from contracts.sessions import AUTH_REVOKED
from domain.errors import Unavailable
from domain.limits import Rate
from ports.sealing import MerchantKey
from services.api_gateway.access import Access
from services.api_gateway.limiting import Limiting
from services.api_gateway.permissions import CHECK_SECONDS, Grants
from services.api_gateway.revoked import CHECK_SECONDS as REVOKED_SECONDS
from services.api_gateway.revoked import RevokedTokens
from services.api_gateway.shops import Shops
from services.api_gateway.webhooks import Webhooks

START_SECONDS: Final = 2.0
STORE_SECONDS: Final = 3.5
"""Shopify waits five seconds in all for an answer."""


@cache
def graphql_schema() -> Schema:
    """One for all gateways of a process: it knows nothing of where it is asked, and to make it is
    most of the work of starting a gateway."""
    return make_schema(REGISTRY)


def service(world: World) -> Service:
    settings = world.settings
    secrets = settings.app_secrets
    translator = WebhookTranslator(AesGcmSealer())

    def is_genuine(raw: bytes, signature: str) -> bool:
        return is_webhook_signature(raw, signature, secrets)

    def translate(
        topic: str, raw: bytes, merchant_id: UUID, key: MerchantKey | None, triggered_at: datetime
    ) -> Body:
        context = MerchantContext(merchant_id, key, triggered_at)
        return translator.translate(topic, raw, context)

    packer = Packer(world.publisher, STORE_SECONDS)

    async def keep(subject: str, payload: bytes, message_id: str) -> bool:
        if not world.client.is_connected:
            raise Unavailable("The event store is not available.")
        headers: dict[str, str] = {}
        with producer_span(subject.rpartition(".")[0], headers):
            return await packer.store(
                Carried(
                    message_id,
                    subject,
                    msgspec.Raw(payload),
                    world.clock.now(),
                    headers.get(TRACE, ""),
                )
            )

    shops = Shops(world.mesh)
    shop_keys = Keyring(world.mesh, world.key_management(), "api_gateway")
    webhooks = Webhooks(shops, shop_keys, is_genuine, translate, keep, world.clock)
    keys = load_signing_keys(settings.jwt_key_file)
    grants = Grants(world.mesh, development=settings.demo)
    revoked = RevokedTokens(world.mesh, world.clock)
    AUTH_SILENCE.set_function(revoked.silence)
    access = Access(JwtVerifier(keys, world.clock), revoked, grants)

    async def hear_of_revocations() -> None:
        """So that nothing is missed, before it is asked what there was. Auth may be starting, too;
        requests that come before it answers are told to try again."""
        await hear(world.client, AUTH_REVOKED, revoked.hear)
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while True:
                    with suppress(Unavailable):
                        await revoked.learn()
                        return
                    await asyncio.sleep(0.05)

    async def hear_of_roles() -> None:
        said = (ROLE_UPDATED, ROLE_DELETED, ROLE_ASSIGNED, ROLE_UNASSIGNED)
        await watch(world.client, said, grants.forget)

    async def hear_of_shops() -> None:
        await watch(world.client, (MERCHANT_CREATED, MERCHANT_CHANGED), shops.forget)

    @get("/health", sync_to_thread=False)
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @get("/ready", sync_to_thread=False)
    def ready() -> Response[dict[str, str]]:
        fine = world.client.is_connected
        return Response(
            {"status": "ready" if fine else "not ready"}, status_code=200 if fine else 503
        )

    limits = ValkeyLimits(world.valkey)
    limiting = Limiting(limits, MemoryLimits(), settings.rate_limit_percent)
    gate = Gate(access.caller, limiting.charge, Origins(shops.active), settings.body_max_bytes)
    app = Litestar(
        [
            health,
            ready,
            graphql_route(graphql_schema(), world.mesh, gate),
            stream_route(access.of_token, LiveEvents(world.client, world.js)),
            *install_routes(world.mesh, gate, secure=settings.public_origin.startswith("https:")),
            proxy_route(AppProxy(secrets, world.clock).visitor, shops.active, world.mesh, gate),
            *mount(REGISTRY.operations.values(), world.mesh, gate),
            *document_routes(PackageFiles("services.api_gateway", "docs"), gate),
        ],
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    deliveries = webhook_app(
        webhooks.accept, frozenset(REGISTRY.webhooks), settings.webhook_max_bytes
    )
    edge = Edge(
        mounted(PATHS, deliveries, app),
        Sources(secrets[0], settings.proxies),
        staff=settings.staff_networks,
        flood=Rate(settings.address_per_second, 1),
        at_once=settings.address_at_once,
        body_seconds=settings.body_seconds,
        hsts_seconds=settings.hsts_seconds,
        new_id=world.ids.text,
    )
    return Service(
        name="api_gateway",
        http=edge,
        loops=(
            Loop("permissions", CHECK_SECONDS, grants.check),
            Loop("revoked tokens", REVOKED_SECONDS, revoked.learn),
            Loop("changes of keys", KEYS_SECONDS, shop_keys.learn),
            Loop("rate limits", PROBE_SECONDS, limits.probe),
        ),
        on_start=(
            hear_of_roles,
            hear_of_revocations,
            hear_of_shops,
            partial(shop_keys.listen, world.client),
        ),
    )
