"""OAuth as a shop's admin offers it: consent for a browser, tokens for the app."""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Collection
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from infra.demo_shop.admin.credentials import signed_query
from infra.demo_shop.admin.grants import Grants, Pair, Refused

TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
_ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name
_OFFLINE: Final = "urn:shopify:params:oauth:token-type:offline-access-token"
_SHOP: Final = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")

AnyRequest = Request[Any, Any, Any]


class Wire:
    """What goes over the token endpoint, and what can go wrong there: ``instead`` are answers that
    are given while nothing is done; while ``released`` is not set, what is done is not told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.instead: deque[Response[Any]] = deque()
        self.released = asyncio.Event()
        self.released.set()


def oauth_routes(grants: Grants, callbacks: Collection[str], wire: Wire) -> list[HTTPRouteHandler]:
    """``callbacks`` are the addresses that the app may have browsers sent back to."""

    @get("/{shop:str}/admin/oauth/authorize", sync_to_thread=False)
    def authorize(request: AnyRequest) -> Response[str]:
        """The merchant is asked, and says yes at once."""
        shop = shop_of(request)
        asked = request.query_params
        if asked.get("client_id") != grants.app.client_id:
            raise Refused("invalid_client", "No app has this client id.")
        if asked.get("redirect_uri", "") not in callbacks:
            raise Refused("invalid_request", "The redirect_uri is not one of the app's.")
        if not asked.get("state"):
            raise Refused("invalid_request", "The app sent no state.")
        scopes = [each for each in asked.get("scope", "").split(",") if each]
        parameters = {
            "code": grants.approve(shop, scopes),
            "host": _host(shop),
            "shop": shop,
            "state": asked["state"],
            "timestamp": str(int(grants.now().timestamp())),
        }
        query = signed_query(grants.app, parameters)
        return Redirect(f"{asked['redirect_uri']}?{query}", status_code=302)

    @post("/{shop:str}/admin/oauth/access_token", status_code=200)
    async def access_token(request: AnyRequest) -> Response[Any]:
        shop = shop_of(request)
        asked = await _fields(request)
        wire.asked.append(str(asked.get("grant_type", "authorization_code")))
        if wire.instead:
            return wire.instead.popleft()
        grants.authenticate(asked.get("client_id"), asked.get("client_secret"))
        pair = _pair_for(grants, shop, asked)
        now = grants.now()
        answer: dict[str, object] = {
            "access_token": pair.access_token,
            "scope": ",".join(pair.scopes),
            "expires_in": round((pair.access_expires_at - now).total_seconds()),
            "refresh_token": pair.refresh_token,
            "refresh_token_expires_in": round((pair.refresh_expires_at - now).total_seconds()),
        }
        await wire.released.wait()
        return Response(answer)

    @get("/{shop:str}/admin/apps/{client_id:str}", sync_to_thread=False)
    def installed(request: AnyRequest) -> Response[str]:
        """Where a merchant finds the app after installing it."""
        return Response(f"The app is installed in {shop_of(request)}.", media_type="text/plain")

    return [authorize, access_token, installed]


def _pair_for(grants: Grants, shop: str, asked: dict[str, object]) -> Pair:
    grant_type = asked.get("grant_type", "authorization_code")
    if grant_type == "refresh_token":
        return grants.by_refresh_token(shop, asked.get("refresh_token"))
    # Apps of today may not have tokens for ever.
    if str(asked.get("expiring")) != "1":
        raise Refused("invalid_request", "Only expiring offline tokens are given to this app.")
    if grant_type == "authorization_code":
        return grants.by_code(shop, asked.get("code"))
    if grant_type == TOKEN_EXCHANGE:
        kinds = (asked.get("subject_token_type"), asked.get("requested_token_type"))
        if kinds != (_ID_TOKEN, _OFFLINE):
            raise Refused("invalid_request", "Only offline tokens for session tokens are given.")
        return grants.by_session_token(shop, asked.get("subject_token"))
    raise Refused("unsupported_grant_type", "There is no such grant.")


async def _fields(request: AnyRequest) -> dict[str, object]:
    """What was sent, as JSON or as a form: apps do both."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            return msgspec.json.decode(await request.body(), type=dict[str, object])
        except msgspec.MsgspecError:
            raise Refused("invalid_request", "The body is not a JSON object.") from None
    return dict(await request.form())


def shop_of(request: AnyRequest) -> str:
    """The shop whose admin is asked. Raises Refused for what is no shop's domain."""
    shop = str(request.path_params["shop"])
    if _SHOP.fullmatch(shop) is None:
        raise Refused("not_found", "There is no such shop.", 404)
    return shop


def _host(shop: str) -> str:
    """Where the admin of the shop is, as embedded apps are told."""
    admin = f"admin.shopify.com/store/{shop.partition('.')[0]}"
    return urlsafe_b64encode(admin.encode()).decode().rstrip("=")
