"""The access scopes that the demo shop knows, and how Shopify spells a set of them."""

from collections.abc import Iterable
from typing import Final

_SUBJECTS: Final = (
    "app_proxy",
    "customers",
    "discounts",
    "gift_cards",
    "orders",
    "products",
    "store_credit_account_transactions",
    "store_credit_accounts",
)
KNOWN_SCOPES: Final = frozenset(
    f"{action}_{subject}" for action in ("read", "write") for subject in _SUBJECTS
)


def scopes_in(granted: Iterable[str]) -> frozenset[str]:
    """All that ``granted`` allows: who may write may read."""
    scopes = frozenset(granted)
    return scopes | {f"read_{each[6:]}" for each in scopes if each.startswith("write_")}


def normal(scopes: Iterable[str]) -> tuple[str, ...]:
    """As Shopify answers them: sorted, without a ``read_`` that a ``write_`` implies."""
    given = frozenset(scopes)
    implied = {f"read_{each[6:]}" for each in given if each.startswith("write_")}
    return tuple(sorted(given - implied))
