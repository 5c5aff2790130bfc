"""Where the admin of a shop is reached: at its own domain, or elsewhere in development."""

from typing import Final

import httpx

from domain.shop_domain import normalised

_SHOP: Final = "{shop}"
_TIMEOUT: Final = httpx.Timeout(5.0, connect=3.0)


class Reach:
    """``base`` is an address in which ``{shop}`` stands for the shop's domain. Shopify's own
    libraries know ``https://{shop}`` only; ``client`` takes what they ask there to ``base``."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def url(self, shop_domain: str, path: str) -> str:
        """The address of ``path`` (with its query) in the admin of a shop.

        Raises ValueError for what is no shop's domain: secrets are sent there.
        """
        domain = normalised(shop_domain)
        if not domain:
            raise ValueError("not the domain of a shop")
        return self._base.replace(_SHOP, domain) + path

    def client(self) -> httpx.AsyncClient:
        """A client for shops' admins; it follows no redirect and gives up after seconds."""
        transport = _Elsewhere(self, httpx.AsyncHTTPTransport())
        return httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, follow_redirects=False)


class _Elsewhere(httpx.AsyncBaseTransport):
    def __init__(self, reach: Reach, inner: httpx.AsyncBaseTransport) -> None:
        self._reach = reach
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode("ascii")
        request.url = httpx.URL(self._reach.url(request.url.host, path))
        request.headers["Host"] = request.url.netloc.decode("ascii")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
