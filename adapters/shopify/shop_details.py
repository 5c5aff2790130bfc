"""What a shop reckons in: its currency and time zone, asked of its Admin API."""

from typing import Final

import httpx
import msgspec
from shopify_app import ShopifyApp

from adapters.shopify.version import API_VERSION
from ports.shopify_access import ShopDetails

_QUERY: Final = "query { shop { currencyCode ianaTimezone } }"


class _Shop(msgspec.Struct, frozen=True):
    currencyCode: str  # noqa: N815 - the API's spelling
    ianaTimezone: str  # noqa: N815 - the API's spelling


class _Data(msgspec.Struct, frozen=True):
    shop: _Shop


async def shop_details(
    app: ShopifyApp, http: httpx.AsyncClient, shop_domain: str, access_token: str
) -> ShopDetails:
    """Raises LookupError, with the library's name for it, when there is no such answer."""
    result = await app.admin_graphql_request_async(
        _QUERY,
        shop=shop_domain.partition(".")[0],
        access_token=access_token,
        api_version=API_VERSION,
        http_client=http,
    )
    if not result.ok:
        raise LookupError(result.log.code)
    try:
        shop = msgspec.convert(result.data, _Data).shop
    except msgspec.ValidationError as error:
        raise LookupError("another answer") from error
    return ShopDetails(shop.currencyCode, shop.ianaTimezone)
