"""Global ids: which object of which kind."""

import re
from typing import Any, Final

from infra.demo_shop.admin.api.refusals import invalid_id
from infra.demo_shop.admin.api.shop import Shop

_GID: Final = re.compile(r"gid://shopify/([A-Za-z]+)/([0-9]{1,19})")


def split(given: Any) -> tuple[str, str]:
    """Type and number. Raises GraphQLError for what is no id."""
    found = _GID.fullmatch(str(given))
    if found is None:
        raise invalid_id(str(given))
    return found[1], found[2]


def number_in(given: Any, *types: str) -> str:
    """The number of an id of one of the ``types``. Raises GraphQLError for any other."""
    type_name, number = split(given)
    if type_name not in types:
        raise invalid_id(str(given))
    return number


def exists(shop: Shop, given: Any) -> bool:
    """Whether there is such a thing in the shop, of those that metafields can be put to."""
    type_name, number = split(given)
    if type_name == "Customer":
        return shop.customer(number) is not None
    if type_name in ("DiscountCodeNode", "DiscountNode"):
        return number in shop.discounts
    if type_name == "Shop":
        return True
    shelf = {"Order": shop.orders, "Product": shop.products}.get(type_name)
    return shelf is not None and number in shelf
