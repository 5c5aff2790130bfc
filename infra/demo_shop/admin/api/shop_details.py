"""The shop itself, and the app in it."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, gid

_NUMBER: Final = 1
_APP: Final = 1


def _shop(ask: Ask, _: Arguments) -> View:
    shop = ask.shop
    offset = datetime.now(ZoneInfo(shop.time_zone)).strftime("%z")
    name = shop.domain.partition(".")[0]
    return View(
        "Shop",
        {
            "id": gid("Shop", _NUMBER),
            "name": name.replace("-", " ").title(),
            "myshopifyDomain": shop.domain,
            "url": f"https://{shop.domain}",
            "email": f"owner@{name}.example.com",
            "contactEmail": f"owner@{name}.example.com",
            "currencyCode": shop.currency,
            "enabledPresentmentCurrencies": [shop.currency],
            "ianaTimezone": shop.time_zone,
            "timezoneOffset": offset,
            "taxesIncluded": False,
            "primaryDomain": View(
                "Domain",
                {
                    "id": gid("Domain", _NUMBER),
                    "host": shop.domain,
                    "url": f"https://{shop.domain}",
                    "sslEnabled": True,
                },
            ),
            "plan": View(
                "ShopPlan",
                {"partnerDevelopment": True, "publicDisplayName": "Demo", "shopifyPlus": False},
            ),
        },
    )


def app(client_id: str) -> View:
    return View("App", {"id": gid("App", _APP), "apiKey": client_id, "title": "LoyalNest"})


def _installation(ask: Ask, _: Arguments) -> View:
    scopes = [
        View("AccessScope", {"handle": each, "description": each}) for each in sorted(ask.scopes)
    ]
    fields: dict[str, Any] = {
        "id": gid("AppInstallation", _APP),
        "accessScopes": scopes,
        "app": app(ask.client_id),
    }
    return View("AppInstallation", fields)


SHOP_QUERIES: Final[dict[str, Resolver]] = {
    "shop": _shop,
    "currentAppInstallation": _installation,
}
