"""What a resolver answers with: an object of the schema, as far as the demo shop knows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.demo_shop.admin.api.pages import Listing
    from infra.demo_shop.admin.api.shop import Shop

Arguments = Mapping[str, Any]
"""Of a field: checked against the schema, whose types are not known to Python."""


@dataclass(slots=True)
class Ask:
    """One document that is being answered. ``kinds`` are all types that can be listed or found by
    their id, ``queries`` is where queries start; ``base`` is the address at which the shop's admin
    was asked. ``bulk``: connections come whole. ``cost`` is that of what was answered so far."""

    shop: "Shop"
    scopes: frozenset[str]
    now: datetime
    kinds: "Mapping[str, Listing]"
    queries: "View"
    base: str
    client_id: str
    bulk: bool = False
    cost: int = 0

    def node(self, type_name: str, number: object) -> "View | None":
        """The thing with this number in its id; None when there is none, and for no number."""
        kind = self.kinds[type_name]
        found = kind.find(self.shop, str(number)) if number else None
        return None if found is None else kind.view(found)


Resolver = Callable[[Ask, Arguments], Any]
"""What the executor takes: a View, a list of them, or what a scalar is made of."""


@dataclass(slots=True)
class View:
    """An object of the type ``type``. ``fields`` are values, or resolvers of them. What is not
    there the demo shop does not know, and says so; what there is none of is None."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def money(amount: Decimal, currency: str) -> View:
    return View("MoneyV2", {"amount": amount_text(amount), "currencyCode": currency})


def amount_text(amount: Decimal) -> str:
    """As Shopify spells a Decimal: at least one place, no zeros after that."""
    plain = f"{amount.normalize():f}"
    return plain if "." in plain else f"{plain}.0"


def instant(at: datetime | str | None) -> str | None:
    """As the API spells instants: in UTC, whatever the webhook's offset is."""
    if at is None:
        return None
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def gid(type_name: str, number: object) -> str:
    return f"gid://shopify/{type_name}/{number}"


def count(number: int) -> View:
    return View("Count", {"count": number, "precision": "EXACT"})
