"""The demo shop's Admin API for tests of it: without sockets, at a time that tests move."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from infra.demo_shop.admin.api.routes import api_routes
from infra.demo_shop.admin.api.shop import Shop, Shops
from infra.demo_shop.admin.api.trouble import Trouble
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.grants import Grants
from infra.demo_shop.admin.scopes import KNOWN_SCOPES
from infra.demo_shop.admin.server import web

SHOP = "one.myshopify.com"
APP = App("client", "hush, nobody is to know this at all", tuple(sorted(KNOWN_SCOPES)))


@dataclass
class Api:
    """An app that asks. ``at`` is the time there."""

    http: httpx.AsyncClient
    grants: Grants
    shops: Shops
    trouble: Trouble
    clock: list[datetime]
    token: str = field(default="", repr=False)

    @property
    def shop(self) -> Shop:
        return self.shops[SHOP]

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def later(self, **by: float) -> None:
        """Time goes by, and the app has renewed its access."""
        self.clock[0] += timedelta(**by)
        self.log_in()

    def log_in(self, *scopes: str) -> None:
        code = self.grants.approve(SHOP, scopes or KNOWN_SCOPES)
        self.token = self.grants.by_code(SHOP, code).access_token

    async def post(
        self, query: str, /, version: str = "2026-10", **variables: Any
    ) -> httpx.Response:
        return await self.http.post(
            f"/{SHOP}/admin/api/{version}/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": self.token},
        )

    async def ask(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        answer = await self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def data(self, query: str, /, **variables: Any) -> dict[str, Any]:
        said = await self.ask(query, **variables)
        assert "errors" not in said, said["errors"]
        data: dict[str, Any] = said["data"]
        return data

    async def refusal(self, query: str, /, **variables: Any) -> tuple[str, str]:
        """Code and words of the only error."""
        (error,) = (await self.ask(query, **variables))["errors"]
        return error.get("extensions", {}).get("code", ""), error["message"]


def new_api() -> Api:
    clock = [datetime(2026, 11, 21, 12, tzinfo=UTC)]
    grants = Grants(APP, now=lambda: clock[0])
    shops, trouble = Shops(lambda: clock[0]), Trouble()
    application = web(api_routes(grants, shops, trouble))
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]  # two spellings of ASGI's types
    http = httpx.AsyncClient(transport=transport, base_url="http://admin.test")
    api = Api(http, grants, shops, trouble, clock)
    api.log_in()
    return api
