"""Shopify around a gateway of the tests: an admin over HTTP, browsers that go there and back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx

from adapters.http.install import BEGIN, CALLBACK
from adapters.runtime.host import Process
from contracts import auth, installs
from contracts.caller import service_caller
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.credentials import App, extension_token, session_token
from infra.demo_shop.admin.server import Admin
from infra.embedded.ports import free_port
from tests.conftest import Run
from tests.mesh.edge import Edge
from tests.mesh.said import mesh_of

TEST = service_caller("test")


def app_of(environment: dict[str, str]) -> App:
    """The app as Shopify knows it."""
    return App(
        environment["LOYALNEST_SHOPIFY_CLIENT_ID"],
        environment["LOYALNEST_SHOPIFY_CLIENT_SECRET"],
        tuple(sorted(REQUIRED_SCOPES)),
    )


def new_shop() -> str:
    return f"s{uuid4().hex}.myshopify.com"


@dataclass
class Shopify:
    """A gateway with its services in ``process``, and the admin of every shop."""

    admin: Admin
    process: Process
    edge: Edge

    @property
    def app(self) -> App:
        return self.admin.grants.app

    def session_token(self, shop: str, user: str = "1", **changes: Any) -> str:
        return session_token(self.app, shop, user, datetime.now(UTC), **changes)

    def extension_token(self, shop: str, customer: str, **changes: Any) -> str:
        return extension_token(self.app, shop, customer, datetime.now(UTC), **changes)

    async def log_in(self, shop: str, user: str = "1", **changes: Any) -> httpx.Response:
        return await self.with_token(
            "/v1/api/auth/login", self.session_token(shop, user, **changes)
        )

    async def with_token(self, path: str, token: str, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {token}", **headers}
        return await self.edge.http.post(path, headers=sent)

    async def begin(self, shop: str) -> tuple[httpx.Response, str]:
        """A merchant's browser is sent to Shopify, consents, and is sent back: our first answer,
        and where it would go now."""
        ours = await self.edge.http.get(BEGIN, params={"shop": shop})
        query = await browse(ours.headers["location"])
        return ours, f"{self.edge.http.base_url.copy_with(path=CALLBACK)}?{query}"

    async def come_back(self, address: str, ours: httpx.Response) -> httpx.Response:
        """The browser follows, with what it kept."""
        parts = urlsplit(address)
        assert parts.path == CALLBACK
        cookie = ours.headers["set-cookie"].partition(";")[0]
        self.edge.http.cookies.clear()
        return await self.edge.http.get(f"{CALLBACK}?{parts.query}", headers={"Cookie": cookie})

    async def install(self, shop: str) -> auth.Merchant:
        ours, address = await self.begin(shop)
        assert (await self.come_back(address, ours)).status_code == 302
        return await self.merchant(shop)

    async def merchant(self, shop: str) -> auth.Merchant:
        """Raises NotFound for a shop that was not taken in."""
        request = auth.ValidateMerchant(shop_domain=shop)
        return await mesh_of(self.process).call(auth.VALIDATE_MERCHANT, request, TEST)

    async def access(
        self, merchant: auth.Merchant, refused_version: int = 0
    ) -> installs.ShopifyAccess:
        return await access(self.process, merchant, refused_version)

    def holds(self, got: installs.ShopifyAccess) -> bool:
        """Whether Shopify takes the access token."""
        return bool(self.admin.grants.check(got.shop_domain, got.access_token))

    def asked(self, grant_type: str) -> int:
        return self.admin.wire.asked.count(grant_type)

    async def deliver(self, shop: str, topic: str, body: Any = None, **headers: str) -> int:
        """The status that a webhook of the shop is answered with."""
        body = {"id": 1, "myshopify_domain": shop} if body is None else body
        answer = await self.edge.deliver(topic, body, X_Shopify_Shop_Domain=shop, **headers)
        return answer.status_code


async def browse(authorize_url: str) -> str:
    """The merchant consents: the query of the address that their browser is sent back to."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(authorize_url)
    return urlsplit(answer.headers["location"]).query


async def ask(at: Shopify, operation: Any, request: Any, merchant_id: UUID) -> Any:
    caller = service_caller("test", merchant_id)
    return await mesh_of(at.process).call(operation, request, caller)


async def access(
    process: Process, merchant: auth.Merchant, refused_version: int = 0, **how: Any
) -> installs.ShopifyAccess:
    request = installs.GetShopifyAccess(refused_version=refused_version)
    caller = service_caller("test", merchant.merchant_id)
    return await mesh_of(process).call(installs.GET_SHOPIFY_ACCESS, request, caller, **how)


@asynccontextmanager
async def shopify(
    run: Run, environment: dict[str, str], *services: str, **settings: str
) -> AsyncIterator[Shopify]:
    callbacks: set[str] = set()
    async with Admin(app_of(environment), free_port(set()), callbacks=callbacks) as admin:
        settings = {"rate_limit_percent": "5000", "shopify_api_base": admin.base} | settings
        async with run(*services, **settings) as process:
            edge = Edge(process)
            callbacks.add(f"{edge.world.settings.public_origin}{CALLBACK}")
            yield Shopify(admin, process, edge)
            await edge.http.aclose()
