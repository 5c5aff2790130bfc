"""The demo shop's products: what it sells, and what Shopify says about each."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple

from infra.demo_shop.numbers import Numbers
from infra.demo_shop.wire import iso

_KINDS: Final = {
    "Kitchen": (("Mug", 14), ("Tea Pot", 39), ("Bread Board", 29), ("Pour-Over Set", 54)),
    "Textiles": (("Linen Throw", 69), ("Cushion", 34), ("Tea Towel", 12), ("Apron", 38)),
    "Stationery": (("Notebook", 16), ("Pencil Set", 9), ("Desk Pad", 45), ("Wall Calendar", 22)),
    "Candles": (("Soy Candle", 24), ("Candle Trio", 58), ("Incense", 11), ("Diffuser", 42)),
    "Bags": (("Tote", 26), ("Weekender", 148), ("Pouch", 18), ("Rucksack", 119)),
}
_STYLES: Final = ("Oak", "Slate", "Saffron", "Moss", "Indigo", "Clay", "Chalk", "Ember", "Fjord")
_VENDORS: Final = ("Harbour & Pine", "Studio Marl", "North Kiln", "Field Notes Co")


class Item(NamedTuple):
    """Something one can put into a basket; ``price`` in the shop's currency."""

    product_id: int
    variant_id: int
    sku: str
    title: str
    price: Decimal
    gift_card: bool


class Article(NamedTuple):
    """A product: what is sold of it, and the payload of its webhook."""

    item: Item
    payload: dict[str, Any]


def articles(count: int, random: Random, numbers: Numbers, since: datetime) -> Iterator[Article]:
    """``count`` products, the last of them a gift card."""
    kinds = [(kind, name, price) for kind, goods in _KINDS.items() for name, price in goods]
    for number in range(count):
        kind, name, price = kinds[number % len(kinds)]
        gift_card = number == count - 1
        style = _STYLES[number // len(kinds) % len(_STYLES)]
        title = "Gift Card" if gift_card else f"{style} {name}"
        cost = Decimal(50) if gift_card else Decimal(price + random.randrange(6)) - Decimal("0.05")
        item = Item(
            numbers.next(),
            numbers.next(),
            f"{title[:3].upper()}-{number:03}",
            title,
            cost,
            gift_card,
        )
        yield Article(item, _payload(item, kind, random.choice(_VENDORS), since))


def _payload(item: Item, kind: str, vendor: str, since: datetime) -> dict[str, Any]:
    handle = f"{item.title.lower().replace(' ', '-')}-{item.sku[-3:]}"
    sizes = (("Regular", item.price), ("Large", item.price + 10))
    return {
        "id": item.product_id,
        "admin_graphql_api_id": f"gid://shopify/Product/{item.product_id}",
        "title": item.title,
        "body_html": f"<p>{item.title}, made by {vendor}.</p>",
        "vendor": vendor,
        "product_type": "Gift Cards" if item.gift_card else kind,
        "handle": handle,
        "status": "active",
        "tags": f"{kind.lower()}, {vendor.split()[0].lower()}",
        "created_at": iso(since),
        "updated_at": iso(since),
        "published_at": iso(since),
        "variants": [
            {
                "id": item.variant_id + step,
                "product_id": item.product_id,
                "title": size,
                "price": str(price),
                "sku": f"{item.sku}-{size[0]}",
            }
            for step, (size, price) in enumerate(sizes)
        ],
        "image": None,
        "images": [{"id": 1, "src": f"https://cdn.example.com/{handle}.jpg"}],
    }
