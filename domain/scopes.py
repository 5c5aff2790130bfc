"""What LoyalNest has to be allowed in a shop to do its work there: Shopify's access scopes."""

from collections.abc import Iterable
from typing import Final

REQUIRED_SCOPES: Final = frozenset(
    (
        "read_customers",
        "write_customers",
        "read_orders",
        "read_products",
        "write_discounts",
        "read_store_credit_accounts",
        "write_store_credit_account_transactions",
        "write_app_proxy",
    )
)
"""Without one of these the app is not installed. ``write_gift_cards`` is welcome and not needed."""


def covered(granted: Iterable[str]) -> frozenset[str]:
    """All that the granted scopes allow. Shopify leaves out a ``read_`` where it granted the
    ``write_`` that includes it."""
    scopes = frozenset(granted)
    return scopes | {f"read_{each[6:]}" for each in scopes if each.startswith("write_")}


def missing(granted: Iterable[str]) -> tuple[str, ...]:
    """The required scopes that the granted ones do not cover, sorted."""
    return tuple(sorted(REQUIRED_SCOPES - covered(granted)))
