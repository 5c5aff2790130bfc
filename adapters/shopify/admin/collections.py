"""``ports.collections.ShopCollections``: which products are in a collection, and the other way.

By pages: a program names few collections, and bulk operations are left to what is large. Sorted by
id, so that what changes meanwhile moves nothing from one page to another.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.documents import Answer, Node, Question, gid, number_of
from adapters.shopify.admin.errors import AccessDenied
from ports.collections import IdPage, NotAllowed
from ports.shopify_limits import Lane

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

_WITHIN: Final = 60.0
"""Seconds; nobody waits for it, and the bucket may have to fill first."""


class PageInfo(Answer, frozen=True):
    has_next_page: bool
    end_cursor: str | None = None


class Nodes(Answer, frozen=True):
    nodes: list[Node]
    page_info: PageInfo


class Collection(Answer, frozen=True):
    products: Nodes


class CollectionFound(Answer, frozen=True):
    collection: Collection | None


class Product(Answer, frozen=True):
    collections: Nodes


class ProductFound(Answer, frozen=True):
    product: Product | None


COLLECTION_PRODUCTS: Final = Question(
    """query CollectionProducts($id: ID!, $after: String) {
  collection(id: $id) {
    products(first: 250, after: $after, sortKey: ID) {
      nodes { id }
      pageInfo { hasNextPage endCursor }
    }
  }
}""",
    CollectionFound,
    253,
)
PRODUCT_COLLECTIONS: Final = Question(
    """query ProductCollections($id: ID!, $after: String) {
  product(id: $id) {
    collections(first: 100, after: $after, sortKey: ID) {
      nodes { id }
      pageInfo { hasNextPage endCursor }
    }
  }
}""",
    ProductFound,
    103,
)


class ShopifyCollections:
    def __init__(self, client: AdminClient) -> None:
        self._client = client

    async def products_in(self, merchant_id: UUID, collection_id: str, after: str) -> IdPage | None:
        asked = {"id": gid("Collection", collection_id), "after": after or None}
        found = (await self._ask(merchant_id, COLLECTION_PRODUCTS, asked)).collection
        return None if found is None else _page(found.products)

    async def collections_of(self, merchant_id: UUID, product_id: str) -> Sequence[str]:
        collections: list[str] = []
        asked: dict[str, str | None] = {"id": gid("Product", product_id), "after": None}
        while True:
            found = (await self._ask(merchant_id, PRODUCT_COLLECTIONS, asked)).product
            if found is None:
                return ()
            page = _page(found.collections)
            collections += page.ids
            if not page.after:
                return collections
            asked["after"] = page.after

    async def _ask(
        self, merchant_id: UUID, question: Question[AnswerT], asked: Mapping[str, Any]
    ) -> AnswerT:
        try:
            return await self._client.ask(
                merchant_id, question, asked, lane=Lane.BULK, within=_WITHIN
            )
        except AccessDenied:
            raise NotAllowed from None


def _page(found: Nodes) -> IdPage:
    info = found.page_info
    after = info.end_cursor if info.has_next_page else None
    return IdPage([number_of(each.id) for each in found.nodes], after or "")
