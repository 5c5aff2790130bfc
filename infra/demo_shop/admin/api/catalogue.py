"""Products with their variants, and the collections they are in."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.metafields import metafield_fields
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import Collection
from infra.demo_shop.admin.api.refusals import unknown
from infra.demo_shop.admin.api.search import matching
from infra.demo_shop.admin.api.shop import Payload, Shop
from infra.demo_shop.admin.api.views import (
    Arguments,
    Ask,
    Resolver,
    View,
    amount_text,
    count,
    gid,
    instant,
    money,
)

_PRODUCT: Final = "Product"
_VARIANT: Final = "ProductVariant"
_COLLECTION: Final = "Collection"
_GIFT_CARDS: Final = "Gift Cards"


def product_view(product: Payload) -> View:
    number = str(product["id"])
    updated = product.get("updated_at") or product.get("created_at")
    variants = [(product, each) for each in product.get("variants") or ()]
    return View(
        _PRODUCT,
        {
            "id": gid(_PRODUCT, number),
            "legacyResourceId": number,
            "title": product["title"],
            "handle": product.get("handle") or "",
            "vendor": product.get("vendor") or "",
            "productType": product.get("product_type") or "",
            "status": (product.get("status") or "active").upper(),
            "tags": _tags(product),
            "descriptionHtml": product.get("body_html") or "",
            "isGiftCard": is_gift_card(product),
            "createdAt": instant(product.get("created_at") or updated),
            "updatedAt": instant(updated),
            "publishedAt": instant(product.get("published_at")),
            "hasOnlyDefaultVariant": len(variants) <= 1,
            "variantsCount": count(len(variants)),
            "variants": lambda ask, args: connection(ask, args, variants, VARIANTS),
            "priceRangeV2": lambda ask, _: _prices(ask, product),
            "featuredMedia": _media(product),
            "collections": lambda ask, args: connection(
                ask,
                args,
                [each for each in ask.shop.collections.values() if number in each.products],
                COLLECTIONS,
            ),
            "inCollection": lambda ask, args: _in_collection(ask, args, number),
            **metafield_fields(gid(_PRODUCT, number)),
        },
    )


def is_gift_card(product: Payload) -> bool:
    return product.get("product_type") == _GIFT_CARDS


def _tags(product: Payload) -> list[str]:
    tags = product.get("tags") or ""
    given = tags if isinstance(tags, list) else tags.split(",")
    return [each.strip() for each in given if each.strip()]


def _prices(ask: Ask, product: Payload) -> View:
    prices = [Decimal(each["price"]) for each in product.get("variants") or ()] or [Decimal(0)]
    return View(
        "ProductPriceRangeV2",
        {
            "minVariantPrice": money(min(prices), ask.shop.currency),
            "maxVariantPrice": money(max(prices), ask.shop.currency),
        },
    )


def _media(product: Payload) -> View | None:
    pictures = [product.get("image"), *(product.get("images") or ())]
    shown = next((each for each in pictures if each), None)
    if shown is None:
        return None
    image = View("Image", {"url": shown["src"], "altText": None, "id": None})
    fields = {
        "id": gid("MediaImage", shown.get("id") or 1),
        "alt": None,
        "image": image,
        "mediaContentType": "IMAGE",
        "preview": View("MediaPreviewImage", {"image": image, "status": "READY"}),
    }
    return View("MediaImage", fields)


def _in_collection(ask: Ask, args: Arguments, number: str) -> bool:
    collection = ask.shop.collections.get(number_in(args["id"], _COLLECTION))
    return collection is not None and number in collection.products


def _variant_view(found: tuple[Payload, Payload]) -> View:
    product, variant = found
    number = str(variant["id"])
    return View(
        _VARIANT,
        {
            "id": gid(_VARIANT, number),
            "legacyResourceId": number,
            "title": variant.get("title") or "",
            "displayName": f"{product['title']} - {variant.get('title') or ''}",
            "sku": variant.get("sku"),
            "price": amount_text(Decimal(variant["price"])),
            "compareAtPrice": None,
            "product": lambda ask, _: ask.node(_PRODUCT, product["id"]),
        },
    )


def _find_variant(shop: Shop, number: str) -> tuple[Payload, Payload] | None:
    for product in shop.products.values():
        for variant in product.get("variants") or ():
            if str(variant["id"]) == number:
                return product, variant
    return None


def _collection_view(collection: Collection) -> View:
    def products(ask: Ask) -> list[Payload]:
        known = (ask.shop.products.get(each) for each in collection.products)
        return [each for each in known if each is not None]

    return View(
        _COLLECTION,
        {
            "id": gid(_COLLECTION, collection.number),
            "legacyResourceId": str(collection.number),
            "title": collection.title,
            "handle": collection.handle,
            "updatedAt": instant(collection.updated_at),
            "productsCount": lambda ask, _: count(len(products(ask))),
            "products": lambda ask, args: connection(ask, args, products(ask), PRODUCTS),
            "hasProduct": lambda _, args: number_in(args["id"], _PRODUCT) in collection.products,
        },
    )


def _at(name: str) -> Callable[[Payload], datetime]:
    return lambda product: datetime.fromisoformat(product.get(name) or product["created_at"])


PRODUCTS: Final = Listing(
    _PRODUCT,
    product_view,
    lambda product: int(product["id"]),
    lambda shop, number: shop.products.get(number),
    {
        "TITLE": lambda product: product["title"],
        "VENDOR": lambda product: product.get("vendor") or "",
        "PRODUCT_TYPE": lambda product: product.get("product_type") or "",
        "CREATED_AT": lambda product: _at("created_at")(product).timestamp(),
        "UPDATED_AT": lambda product: _at("updated_at")(product).timestamp(),
    },
    {
        "id": lambda product: int(product["id"]),
        "title": lambda product: product["title"],
        "handle": lambda product: product.get("handle"),
        "vendor": lambda product: product.get("vendor"),
        "product_type": lambda product: product.get("product_type"),
        "status": lambda product: product.get("status") or "active",
        "tag": _tags,
        "created_at": _at("created_at"),
        "updated_at": _at("updated_at"),
    },
)
VARIANTS: Final = Listing(_VARIANT, _variant_view, lambda found: int(found[1]["id"]), _find_variant)
COLLECTIONS: Final = Listing(
    _COLLECTION,
    _collection_view,
    lambda collection: collection.number,
    lambda shop, number: shop.collections.get(number),
    {"TITLE": lambda collection: collection.title},
    {
        "id": lambda collection: collection.number,
        "title": lambda collection: collection.title,
        "handle": lambda collection: collection.handle,
        "updated_at": lambda collection: collection.updated_at,
    },
)


def _product_by_identifier(ask: Ask, args: Arguments) -> View | None:
    given: dict[str, Any] = args["identifier"]
    if (wanted := given.get("id")) is not None:
        return ask.node(_PRODUCT, number_in(wanted, _PRODUCT))
    if "customId" in given:
        raise unknown("products by a metafield")
    found = (each for each in ask.shop.products.values() if each.get("handle") == given["handle"])
    product = next(found, None)
    return None if product is None else product_view(product)


def _products_count(ask: Ask, args: Arguments) -> View:
    return count(len(matching(ask.shop.products.values(), args.get("query"), PRODUCTS.search)))


CATALOGUE_QUERIES: Final[dict[str, Resolver]] = {
    "products": lambda ask, args: connection(ask, args, ask.shop.products.values(), PRODUCTS),
    "productsCount": _products_count,
    "productByIdentifier": _product_by_identifier,
    "collections": lambda ask, args: connection(
        ask, args, ask.shop.collections.values(), COLLECTIONS
    ),
}
