"""The demo shop's admin as a web server: for tests in their event loop, for `up` as a process.

async with Admin(app, port, callbacks=[…]) as admin:
    admin.base        # what LOYALNEST_SHOPIFY_API_BASE is then
    admin.grants      # what Shopify remembers; people in the admin act through it
    admin.wire        # what went over the token endpoint, and how to disturb it
    admin.shops       # what is in the shops that are asked for, and what is put into them
    admin.trouble     # what went over the Admin API, and how to disturb it
"""

from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Any, Final, Self

from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler

from adapters.http.server import WebServer
from infra.demo_shop.admin.api.routes import api_routes
from infra.demo_shop.admin.api.shop import Payload, Shops
from infra.demo_shop.admin.api.trouble import Trouble
from infra.demo_shop.admin.browser import browser_routes
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.grants import Grants, Refused
from infra.demo_shop.admin.oauth import Wire, oauth_routes
from infra.demo_shop.admin.playing import Deliver, playing_routes
from infra.demo_shop.admin.stock import Stock
from infra.demo_shop.delivery import SHOP_DOMAIN
from infra.embedded.demo_admin import HOST, PORT_SETTING, api_base

_ABOUT: Final = f"""\
This stands in for Shopify on this machine; nothing here leads anywhere else.

  /{SHOP_DOMAIN}/session-token?user=1         what App Bridge gives to staff
  /{SHOP_DOMAIN}/extension-token?customer=1   what extensions get for a customer
  /{SHOP_DOMAIN}/proxied-query?customer=1     what the app proxy sends for a visitor
  /{SHOP_DOMAIN}/admin/oauth/…                consent, and tokens for the app
  /{SHOP_DOMAIN}/admin/api/…                  the Admin GraphQL API
  /{SHOP_DOMAIN}/access-token                 with what the app asks that API
  /{SHOP_DOMAIN}/checkout                     somebody buys, with a code or without
  /{SHOP_DOMAIN}/collections/…                staff sorts goods into a collection, or removes it
"""


async def _to_nobody(_: str, __: str, ___: Payload) -> None:
    """There is no app that listens."""


class Admin:
    """The admin of every shop there may be: nobody has to make one first."""

    def __init__(
        self,
        app: App,
        port: int,
        *,
        callbacks: Collection[str],
        grants: Grants | None = None,
        stock: Stock | None = None,
        anybody: bool = False,
        deliver: Deliver = _to_nobody,
    ) -> None:
        """``anybody``: customers that are named and not known are made up. What people
        do is told to ``deliver``."""
        stock = stock or Stock({}, lambda _: None)
        self.grants = grants or Grants(app)
        self.wire = Wire()
        self.shops = Shops(self.grants.now, anybody=anybody, stock=stock.fill)
        self.trouble = Trouble()
        self.base = api_base(port)
        application = web(
            [
                *oauth_routes(self.grants, callbacks, self.wire),
                *browser_routes(self.grants),
                *api_routes(self.grants, self.shops, self.trouble),
                *playing_routes(self.grants, self.shops, stock, deliver),
            ]
        )
        self._server = WebServer(application, HOST, port, PORT_SETTING)

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        self.wire.released.set()
        self.trouble.none()
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def web(routes: Iterable[HTTPRouteHandler]) -> Litestar:
    """The application that is served."""

    @get("/ready", sync_to_thread=False)
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @get("/", sync_to_thread=False)
    def about() -> Response[str]:
        return Response(_ABOUT, media_type="text/plain")

    return Litestar(
        [about, ready, *routes],
        exception_handlers={Refused: _refusal},
        openapi_config=None,
        logging_config=None,
    )


def _refusal(_: Request[Any, Any, Any], refused: Refused) -> Response[dict[str, str]]:
    return Response(
        {"error": refused.error, "error_description": refused.description},
        status_code=refused.status,
    )
