"""How Shopify writes: instants with the shop's offset, amounts as text, in both currencies."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import msgspec

from infra.demo_shop.delivery import CURRENCY

_SHOP_ZONE: Final = timezone(timedelta(hours=-5))
_CENT: Final = Decimal("0.01")

encode: Final = msgspec.json.Encoder().encode


def iso(instant: datetime) -> str:
    return instant.astimezone(_SHOP_ZONE).isoformat(timespec="seconds")


class Presentment:
    """The currency a customer pays in, and how many of it one unit of the shop's currency is."""

    __slots__ = ("currency", "rate")

    def __init__(self, currency: str, rate: str) -> None:
        self.currency = currency
        self.rate = Decimal(rate)

    def both(self, amount: Decimal) -> dict[str, Any]:
        """A ``*_set``: the amount in the shop's currency and in this one."""
        foreign = amount if self.rate == 1 else (amount * self.rate).quantize(_CENT)
        return {
            "shop_money": {"amount": str(amount), "currency_code": CURRENCY},
            "presentment_money": {"amount": str(foreign), "currency_code": self.currency},
        }


AT_HOME: Final = Presentment(CURRENCY, "1")
ABROAD: Final = (
    Presentment("EUR", "0.91"),
    Presentment("JPY", "151.30"),
    Presentment("GBP", "0.78"),
)
