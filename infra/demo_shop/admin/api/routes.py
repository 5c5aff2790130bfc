"""The endpoint: one document, its cost, and what it is answered with."""

import asyncio
import logging
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from adapters.shopify.version import API_VERSION
from infra.demo_shop.admin.api.bulk import file_of
from infra.demo_shop.admin.api.costs import requested_cost
from infra.demo_shop.admin.api.documents import BadDocument, Document, read, variables_of
from infra.demo_shop.admin.api.execution import answer, taught_schema
from infra.demo_shop.admin.api.nodes import KINDS
from infra.demo_shop.admin.api.refusals import throttled, too_costly
from infra.demo_shop.admin.api.roots import MUTATIONS, QUERIES
from infra.demo_shop.admin.api.shop import Shop, Shops
from infra.demo_shop.admin.api.throttle import MOST_AT_ONCE
from infra.demo_shop.admin.api.trouble import (
    BULK_FILE,
    Instead,
    Lost,
    Slow,
    Throttled,
    Trouble,
    Unheard,
)
from infra.demo_shop.admin.api.views import Ask
from infra.demo_shop.admin.grants import Grants, Refused
from infra.demo_shop.admin.oauth import AnyRequest, shop_of

_NO_TOKEN: Final = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 - Shopify's words


_log: Final = logging.getLogger(__name__)

_ABOUT_THE_SHOP: Final = frozenset(("shop", "currentAppInstallation"))
"""What is known without what is in the shop."""


class ConnectionBroke(Exception):
    """The client gets no answer."""


class _Sent(msgspec.Struct):
    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 - the protocol's spelling


def api_routes(grants: Grants, shops: Shops, trouble: Trouble) -> list[HTTPRouteHandler]:
    @post("/{shop:str}/admin/api/{version:str}/graphql.json", status_code=200)
    async def graphql(request: AnyRequest) -> Response[Any]:
        domain = shop_of(request)
        try:
            scopes = grants.check(domain, request.headers.get("x-shopify-access-token", ""))
        except Refused as refused:
            return Response({"errors": _NO_TOKEN}, status_code=refused.status)
        if request.path_params["version"] != API_VERSION:
            return Response({"errors": "Not Found"}, status_code=404)
        try:
            sent = msgspec.json.decode(await request.body(), type=_Sent)
        except msgspec.MsgspecError:
            return Response(
                {"errors": {"query": "Required parameter missing or invalid"}}, status_code=400
            )
        shop = shops[domain]
        ask = Ask(
            shop=shop,
            scopes=scopes,
            now=grants.now(),
            kinds=KINDS,
            queries=QUERIES,
            base=_base(request, domain),
            client_id=grants.app.client_id,
        )
        return await _answered(ask, sent, trouble)

    @get("/{shop:str}/bulk-files/{number:str}/{secret:str}")
    async def bulk_file(request: AnyRequest) -> Response[Any]:
        """The address alone opens it: it lies elsewhere than the shop's admin."""
        asked = request.path_params
        fault = trouble.meet([BULK_FILE])
        if isinstance(fault, Instead):
            return Response(fault.body, status_code=fault.status, headers=dict(fault.headers))
        if isinstance(fault, Lost | Unheard):
            return _Broken()
        file = file_of(shops[shop_of(request)], asked["number"], asked["secret"])
        if file is None:
            return Response("There is no such file.", status_code=404, media_type="text/plain")
        return Response(file, media_type="application/jsonl")

    return [graphql, bulk_file]


def _base(request: AnyRequest, domain: str) -> str:
    return f"{str(request.base_url).rstrip('/')}/{domain}"


async def _answered(ask: Ask, sent: _Sent, trouble: Trouble) -> Response[Any]:
    try:
        document = read(taught_schema(), sent.query, sent.operationName)
        variables = variables_of(taught_schema(), document, sent.variables or {})
    except BadDocument as bad:
        return _response({"errors": bad.errors})
    fault = trouble.meet(document.root_fields)
    if isinstance(fault, Unheard):
        return _Broken()
    if isinstance(fault, Instead):
        return Response(fault.body, status_code=fault.status, headers=dict(fault.headers))
    cost = requested_cost(taught_schema(), document.operation, document.fragments, variables)
    if not _ABOUT_THE_SHOP.issuperset(document.root_fields):
        ask.shop.take_in()
    try:
        said = _done(ask, document, sent.variables or {}, cost, refuse=isinstance(fault, Throttled))
    except Exception:
        _log.exception("The demo shop does not get along with %s.", document.root_fields)
        raise
    await trouble.released.wait()
    if isinstance(fault, Slow):
        await asyncio.sleep(fault.seconds)
    return _Broken() if isinstance(fault, Lost) else _response(said)


def _done(
    ask: Ask, document: Document, variables: dict[str, Any], cost: int, *, refuse: bool
) -> dict[str, Any]:
    shop, now = ask.shop, ask.now
    if cost > MOST_AT_ONCE:
        return {"errors": [too_costly(cost, MOST_AT_ONCE)]}
    if refuse or not shop.bucket.take(cost, now):
        return {"errors": [throttled()], **_cost(shop, ask, cost, None)}
    mutates = document.operation.operation.value == "mutation"
    result = answer(document, ask, MUTATIONS if mutates else QUERIES, variables)
    actual = cost if mutates else min(ask.cost, cost)
    shop.bucket.give_back(cost - actual)
    said: dict[str, Any] = {"data": result.data}
    if result.errors:
        said["errors"] = [each.formatted for each in result.errors]
    return said | _cost(shop, ask, cost, actual)


def _cost(shop: Shop, ask: Ask, requested: int, actual: int | None) -> dict[str, Any]:
    cost = {
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": shop.bucket.status(ask.now),
    }
    return {"extensions": {"cost": cost}}


def _response(said: dict[str, Any]) -> Response[Any]:
    return Response(said, headers={"X-Shopify-API-Version": API_VERSION})


class _Broken(Response[Any]):
    """An answer that begins and does not end."""

    def __init__(self) -> None:
        super().__init__(None)

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        async def asgi(_: Any, __: Any, send: Any) -> None:
            length = (b"content-length", b"1000")
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionBroke

        return asgi
