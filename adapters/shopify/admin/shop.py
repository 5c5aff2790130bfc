"""What a shop reckons in: its currency and time zone."""

from typing import Final

from adapters.shopify.admin.documents import Answer, Question


class Shop(Answer, frozen=True):
    currency_code: str
    iana_timezone: str


class ShopFound(Answer, frozen=True):
    shop: Shop


SHOP_DETAILS: Final = Question(
    "query ShopDetails { shop { currencyCode ianaTimezone } }", ShopFound, 1
)
