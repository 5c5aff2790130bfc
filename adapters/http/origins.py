"""Which web pages may call us (CORS) and which may show ours in a frame (CSP), for each shop.

There are no cookies: whoever calls has to hold a token, and a page that holds none learns nothing.
So what a member may do is open to every page, as checkout and customer account extensions need it,
whose origin is no shop's; everything else only to pages of the shop itself and of Shopify's admin.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from adapters.http.asgi import Header
from contracts.http import IDEMPOTENCY_KEY
from domain.errors import NotFound, Unavailable

SHOPIFY: Final = ("https://admin.shopify.com", "https://extensions.shopifycdn.com")
"""Where Shopify shows apps, and where it runs their admin extensions."""

ActiveShop = Callable[[str], Awaitable[UUID]]
"""The shop of a myshopify domain; raises NotFound unless it has the app now, Unavailable."""

_DOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
_ALLOWED_HEADERS: Final = f"Authorization, Content-Type, {IDEMPOTENCY_KEY}, X-Request-Id".encode()
_EXPOSED_HEADERS: Final = (
    b"RateLimit, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset,"
    b" Retry-After, X-Request-Id, X-Trace-Id"
)
_PREFLIGHT_SECONDS: Final = b"600"
_VARY: Final[Header] = (b"vary", b"Origin")


class Origins:
    def __init__(self, shop: ActiveShop) -> None:
        self._shop = shop

    async def answer(
        self, origin: str, *, is_open: bool, merchant_id: UUID | None, may_ask: bool
    ) -> tuple[Header, ...]:
        """Headers for the answer to a call from a page of ``origin``, whose token belongs to
        ``merchant_id``; without a token, of any shop. Whoever asks for too much may not make us
        ask in turn."""
        allowed = await self._allowed(origin, is_open, merchant_id, may_ask)
        if not allowed:
            return (_VARY,)
        return (
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
            _VARY,
        )

    async def preflight(
        self, origin: str, *, is_open: bool, methods: str, may_ask: bool
    ) -> tuple[Header, ...]:
        """What a browser is told that asks before it calls; nothing for a page that may not."""
        allowed = await self._allowed(origin, is_open, None, may_ask)
        if not allowed:
            return ()
        return (
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
            _VARY,
        )

    async def frame_ancestors(self, domain: str) -> str:
        """Who may frame a page that is asked for with ``?shop=<domain>``."""
        domain = domain.lower()
        if await self._find(domain) is None:
            return "'self'"
        return f"https://{domain} https://admin.shopify.com"

    async def _allowed(
        self, origin: str, is_open: bool, merchant_id: UUID | None, may_ask: bool
    ) -> bytes:
        if is_open:
            return b"*"
        if origin in SHOPIFY:
            return origin.encode()
        if not may_ask or not origin.startswith("https://"):
            return b""
        found = await self._find(origin.removeprefix("https://"))
        return b"" if found is None or merchant_id not in (None, found) else origin.encode()

    async def _find(self, domain: str) -> UUID | None:
        if not _DOMAIN.fullmatch(domain):
            return None
        try:
            return await self._shop(domain)
        except (NotFound, Unavailable):
            return None
