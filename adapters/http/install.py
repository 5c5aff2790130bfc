"""Installing the app with a merchant's browser: sent to Shopify for consent, and back again."""

from http.cookies import CookieError, SimpleCookie
from typing import Final

from litestar.handlers import BaseRouteHandler

from adapters.http.asgi import Header
from adapters.http.gate import Asked, Gate, route
from contracts.caller import service_caller
from contracts.installs import BEGIN_INSTALL, COMPLETE_INSTALL, BeginInstall, CompleteInstall
from domain.limits import Rate
from ports.mesh import Mesh

BEGIN: Final = "/v1/api/auth/install"
CALLBACK: Final = "/v1/api/auth/callback"

COOKIE: Final = "loyalnest_install"
"""What the browser keeps meanwhile, so that nobody else's browser ends what this one began."""

_SELF: Final = service_caller("api_gateway")
_RATE: Final = Rate(30, 60)
_SECONDS: Final = 600


class _Begin:
    is_open = False

    def __init__(self, mesh: Mesh, gate: Gate, attributes: str) -> None:
        self._mesh = mesh
        self._gate = gate
        self._attributes = attributes

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        await self._gate.admit(asked, BEGIN_INSTALL.name, _RATE, is_open=False, takes_ours=False)
        begun = await self._mesh.call(BEGIN_INSTALL, BeginInstall(query=_query(asked)), _SELF)
        asked.more.extend(
            (
                *_redirect(begun.authorize_url),
                _cookie(begun.state, _SECONDS, self._attributes),
            )
        )
        return 302, b""


class _Callback:
    is_open = False

    def __init__(self, mesh: Mesh, gate: Gate, attributes: str) -> None:
        self._mesh = mesh
        self._gate = gate
        self._attributes = attributes

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        await self._gate.admit(asked, COMPLETE_INSTALL.name, _RATE, is_open=False, takes_ours=False)
        installed = await self._mesh.call(
            COMPLETE_INSTALL,
            CompleteInstall(query=_query(asked), kept_state=_kept(asked)),
            _SELF,
        )
        asked.more.extend((*_redirect(installed.app_url), _cookie("", 0, self._attributes)))
        return 302, b""


def install_routes(mesh: Mesh, gate: Gate, *, secure: bool) -> list[BaseRouteHandler]:
    """``secure``: browsers reach us by https, and are to keep their cookie for that."""
    attributes = f"Path={CALLBACK}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return [
        route(BEGIN, {"GET": _Begin(mesh, gate, attributes)}, gate),
        route(CALLBACK, {"GET": _Callback(mesh, gate, attributes)}, gate),
    ]


def _query(asked: Asked) -> str:
    return asked.scope["query_string"].decode("latin-1")


def _redirect(address: str) -> tuple[Header, ...]:
    return ((b"location", address.encode("ascii")), (b"cache-control", b"no-store"))


def _cookie(value: str, seconds: int, attributes: str) -> Header:
    return (b"set-cookie", f"{COOKIE}={value}; Max-Age={seconds}; {attributes}".encode("ascii"))


def _kept(asked: Asked) -> str:
    """The state that the browser has kept; empty if it has none."""
    try:
        found = SimpleCookie(asked.header(b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
