"""``/schema`` and ``/docs``: the documents of the contracts, and a page on which to try them."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar.handlers import BaseRouteHandler

from adapters.http.asgi import JSON, Header
from adapters.http.gate import Asked, Gate, route
from contracts.generate.documents import documents
from contracts.registry import ERRORS, REGISTRY
from domain.errors import NotFound
from ports.assets import Asset, Assets

_NAME: Final = "documents"
_PAGE: Final = "index.html"
_OWN_ONLY: Final[Header] = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    b" img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
)


class _Made:
    """The documents, made when somebody first wants one: it takes a tenth of a second, which
    nothing else here has to wait for."""

    def __init__(self) -> None:
        self._making: asyncio.Task[Mapping[str, Asset]] | None = None

    async def get(self, name: str) -> Asset:
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(_make), name=_NAME)
        return (await asyncio.shield(self._making))[name]


def _make() -> Mapping[str, Asset]:
    found: Mapping[str, Any] = documents(REGISTRY, ERRORS.values())
    made = {}
    for name in ("openapi.json", "asyncapi.json"):
        content = msgspec.json.encode(found[name])
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        made[name] = Asset(content, JSON[1].decode(), etag)
    return made


class _Document:
    is_open = True

    def __init__(self, made: _Made, name: str, gate: Gate) -> None:
        self._made = made
        self._name = name
        self._gate = gate

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        await self._gate.admit(asked, _NAME, None, is_open=True, takes_ours=False)
        return _answer(asked, await self._made.get(self._name))


class _Page:
    is_open = False

    def __init__(self, assets: Assets, gate: Gate) -> None:
        self._assets = assets
        self._gate = gate

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        await self._gate.admit(asked, _NAME, None, is_open=False, takes_ours=False)
        asset = self._assets.find(asked.scope["path_params"].get("name", _PAGE))
        if asset is None:
            raise NotFound
        asked.more.append(_OWN_ONLY)
        return _answer(asked, asset)


def _answer(asked: Asked, asset: Asset) -> tuple[int, bytes]:
    asked.more.extend(
        (
            (b"content-type", asset.media_type.encode()),
            (b"etag", asset.etag.encode()),
            (b"cache-control", b"no-cache"),
        )
    )
    if asked.header(b"if-none-match") == asset.etag:
        return 304, b""
    return 200, asset.content


def document_routes(assets: Assets, gate: Gate) -> list[BaseRouteHandler]:
    """``assets`` is the page with its parts."""
    made = _Made()
    page = _Page(assets, gate)
    openapi = _Document(made, "openapi.json", gate)
    return [
        route("/schema", {"GET": openapi}, gate),
        route("/schema/openapi.json", {"GET": openapi}, gate),
        route("/schema/asyncapi.json", {"GET": _Document(made, "asyncapi.json", gate)}, gate),
        route("/docs", {"GET": page}, gate),
        route("/docs/{name:str}", {"GET": page}, gate),
    ]
