"""What only a draft names, asked of Shopify: all of it, and no longer than somebody waits."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from contracts.simulations import CollectionsTooLarge
from ports.collections import IdPage
from services.points.newly_named import NewlyNamed

SHOP = UUID(int=1)


class Paged:
    """A shop whose collections come in pages, one of which may never come."""

    def __init__(self, pages: Mapping[str, Sequence[Sequence[str]]], stuck: str = "") -> None:
        self._pages = pages
        self._stuck = stuck

    async def products_in(self, merchant_id: UUID, collection_id: str, after: str) -> IdPage | None:
        assert merchant_id == SHOP
        if collection_id == self._stuck:
            await asyncio.Event().wait()
        pages = self._pages[collection_id]
        number = int(after or 0)
        is_last = number + 1 == len(pages)
        return IdPage(pages[number], "" if is_last else str(number + 1))

    async def collections_of(self, merchant_id: UUID, product_id: str) -> Sequence[str]:
        raise NotImplementedError


async def test_all_pages_of_all_collections():
    paged = Paged({"7": [["1", "2"], ["2", "3"]], "8": [["3"]], "9": [[]]})
    assert await NewlyNamed(paged).goods_in(SHOP, {"9", "8", "7"}) == {
        "1": ("7",),
        "2": ("7",),
        "3": ("7", "8"),
    }


async def test_nobody_waits_longer_than_they_are_told():
    slow = NewlyNamed(Paged({"7": [["1"]]}, stuck="8"), seconds=0.01)
    with pytest.raises(CollectionsTooLarge, match="save a program that names them"):
        await slow.goods_in(SHOP, {"7", "8"})
