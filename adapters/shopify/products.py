"""Products and collections of the shop's catalogue."""

from adapters.shopify.context import Sealing
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import CollectionPayload, ProductDeletion, ProductPayload
from adapters.shopify.values import ZERO, amount, text, utc
from contracts.shop import CollectionChanged, CollectionGone, Product, ProductGone


def product(payload: ProductPayload, to: Sealing) -> Product:  # noqa: ARG001 - one shape per topic
    """Raises MalformedPayload for a price that is none, or without any instant."""
    updated_at = payload.updated_at or payload.created_at
    if updated_at is None:
        raise MalformedPayload("/updated_at", "This field is required.")
    prices = [
        amount(variant.price, f"/variants/{n}/price")
        for n, variant in enumerate(payload.variants or ())
        if variant.price is not None
    ]
    images = [payload.image, *(payload.images or ())]
    return Product(
        product_id=str(payload.id),
        title=payload.title,
        handle=text(payload.handle),
        vendor=text(payload.vendor),
        product_type=text(payload.product_type),
        tags=_tags(payload.tags),
        status=payload.status or "active",
        price_min=min(prices, default=ZERO),
        price_max=max(prices, default=ZERO),
        image_url=next((image.src for image in images if image and image.src), ""),
        updated_at=utc(updated_at, "/updated_at"),
    )


def product_gone(payload: ProductDeletion, to: Sealing) -> ProductGone:  # noqa: ARG001 - as above
    return ProductGone(product_id=str(payload.id))


def collection_changed(
    payload: CollectionPayload,
    to: Sealing,  # noqa: ARG001 - as above
) -> CollectionChanged:
    return CollectionChanged(collection_id=str(payload.id))


def collection_gone(
    payload: CollectionPayload,
    to: Sealing,  # noqa: ARG001 - as above
) -> CollectionGone:
    return CollectionGone(collection_id=str(payload.id))


def _tags(given: str | list[str] | None) -> tuple[str, ...]:
    tags = given.split(",") if isinstance(given, str) else given or []
    return tuple(tag for tag in map(str.strip, tags) if tag)
