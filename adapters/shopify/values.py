"""Single values of a payload: amounts, instants, texts that may be missing."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import MoneySet

ZERO: Final = Decimal(0)
_FIRST_YEAR: Final = 1000
_LAST_YEAR: Final = 8999

# Plain digits only: "NaN", "1e999999" and the like are numbers to Decimal, but no amounts.
_is_amount = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,8})?", re.ASCII).fullmatch


def amount(text: str, pointer: str) -> Decimal:
    """An amount in the shop's currency. Raises MalformedPayload."""
    if _is_amount(text) is None:
        raise MalformedPayload(pointer, "Expected an amount such as 12.34.")
    return Decimal(text)


def shop_amount(both: MoneySet | None, plain: str | None, pointer: str) -> Decimal | None:
    """The shop-currency amount of the field at ``pointer``: of its set, or else the plain one,
    which Shopify gives in the shop's currency too. None if the payload has neither."""
    if both is not None:
        return amount(both.shop_money.amount, f"{pointer}_set/shop_money/amount")
    return None if plain is None else amount(plain, pointer)


def utc(instant: datetime, pointer: str) -> datetime:
    """The same instant in UTC, so that equal instants are also spelled equally; one that has a day
    in every time zone, and days enough before and after it for whatever is reckoned from it.
    Raises MalformedPayload."""
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise MalformedPayload(pointer, "Expected an instant of our era.")
    return instant.astimezone(UTC)


def text(given: str | None) -> str:
    return given or ""
