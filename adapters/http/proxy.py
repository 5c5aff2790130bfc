"""``GET /proxy/token``: what a storefront gets through Shopify's app proxy, as its visitor's token.

Only a token, and no operations: the proxy says who is logged in to the shop in that browser, also
when another page made it ask. A token is of no use to that page, which cannot read the answer.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import msgspec
from litestar.handlers import BaseRouteHandler

from adapters.http.asgi import JSON
from adapters.http.gate import Asked, Gate, route
from adapters.shopify.app_proxy import Visitor
from contracts.caller import ANYONE, service_caller
from contracts.installs import ADMIT_CUSTOMER, AdmitCustomer, CustomerToken
from domain.limits import Rate
from ports.mesh import Mesh

PATH: Final = "/proxy/token"

_SELF: Final = service_caller("api_gateway")
_RATE: Final = Rate(30, 60)
"""Of one customer: a token lasts a quarter of an hour."""
_NO_STORE: Final = (JSON, (b"cache-control", b"no-store"))
_encode: Final = msgspec.json.Encoder().encode


class _Token:
    is_open = False

    def __init__(
        self,
        visitor_of: Callable[[str], Visitor],
        active: Callable[[str], Awaitable[UUID]],
        mesh: Mesh,
        gate: Gate,
    ) -> None:
        self._visitor_of = visitor_of
        self._active = active
        self._mesh = mesh
        self._gate = gate

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        visitor = self._visitor_of(asked.scope["query_string"].decode("latin-1"))
        # Refuses a shop that does not have the app, which the gateway knows without asking.
        await self._active(visitor.shop_domain)
        token = CustomerToken(token=None, expires_at=None)
        if visitor.customer_id:
            # Every proxied request comes from Shopify's addresses: it is counted by who looks.
            who = f"{visitor.shop_domain}:{visitor.customer_id}"
            await self._gate.count(asked, ADMIT_CUSTOMER.name, _RATE, ANYONE, who)
            token = await self._mesh.call(
                ADMIT_CUSTOMER,
                AdmitCustomer(
                    shop_domain=visitor.shop_domain, shopify_customer_id=visitor.customer_id
                ),
                _SELF,
            )
        asked.more.extend(_NO_STORE)
        return 200, _encode(token)


def proxy_route(
    visitor_of: Callable[[str], Visitor],
    active: Callable[[str], Awaitable[UUID]],
    mesh: Mesh,
    gate: Gate,
) -> BaseRouteHandler:
    """``visitor_of`` reads a query that Shopify has signed; ``active`` is the shop of a domain, if
    it is served now."""
    return route(PATH, {"GET": _Token(visitor_of, active, mesh, gate)}, gate)
