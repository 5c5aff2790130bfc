"""The catalogue on real servers: kept from any order of webhooks, found again with typos."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.runtime.host import Process
from contracts import products, shop
from contracts.caller import service_caller
from contracts.kit import Operation, Request
from contracts.shop import Product, ProductGone
from domain.errors import InvalidRequest, NotFound
from ports.mesh import AnswerT
from tests.conftest import Run, eventually
from tests.mesh.said import say, world_of

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
TITLES = (
    "Blue Snowboard",
    "Snowboard Wax",
    "The Complete Snowboard",
    "White Cotton T-Shirt",
    "Crème Brûlée Torch",
    "Чёрный чайник",
    "Black Leather Wallet",
)


async def call(
    process: Process, merchant: UUID, operation: Operation[Request, AnswerT], **fields: Any
) -> AnswerT:
    request = operation.request(**fields)
    return await world_of(process).mesh.call(operation, request, service_caller("test", merchant))


def product(product_id: str, title: str, at: datetime = AT, **more: Any) -> Product:
    return Product(product_id=product_id, title=title, updated_at=at, **more)


async def get(process: Process, merchant: UUID, product_id: str) -> products.ProductCard:
    return await call(process, merchant, products.GET_PRODUCT, product_id=product_id)


async def search(process: Process, merchant: UUID, query: str, limit: int = 20) -> list[str]:
    found = await call(process, merchant, products.SEARCH_PRODUCTS, query=query, limit=limit)
    return [each.title for each in found.products]


async def stock(process: Process, merchant: UUID) -> None:
    for number, title in enumerate(TITLES):
        body = product(f"p{number}", title, vendor="Hydrogen Co.", tags=("Winter", f"t{number}"))
        await say(process, shop.PRODUCT_CREATED, body, merchant)
    await eventually(lambda: get(process, merchant, f"p{len(TITLES) - 1}"), ignore=[NotFound])


async def test_the_newest_version_stands_and_a_removed_product_stays_away(run: Run) -> None:
    merchant = uuid4()
    async with run("products") as process:
        new = product("p1", "New", LATER, tags=("a", "b,c"), price_min=Decimal("9.90"), vendor="V")
        await say(process, shop.PRODUCT_UPDATED, new, merchant)
        await say(process, shop.PRODUCT_CREATED, product("p1", "Old"), merchant)
        await say(process, shop.PRODUCT_DELETED, ProductGone(product_id="p2"), merchant)
        await say(process, shop.PRODUCT_CREATED, product("p2", "Gone"), merchant)
        await say(process, shop.PRODUCT_CREATED, product("p3", "Gone too"), merchant)
        await say(process, shop.PRODUCT_DELETED, ProductGone(product_id="p3"), merchant)
        await say(process, shop.PRODUCT_UPDATED, product("p3", "Late", LATER), merchant)
        await say(process, shop.PRODUCT_CREATED, product("p4", "Last"), merchant)
        await eventually(lambda: get(process, merchant, "p4"), ignore=[NotFound])
        card = await get(process, merchant, "p1")
        assert (card.title, card.tags, card.price_min) == ("New", ("a", "b,c"), Decimal("9.90"))
        for gone in ("p2", "p3"):
            with pytest.raises(NotFound):
                await get(process, merchant, gone)
        assert await search(process, merchant, "gone") == []
        with pytest.raises(NotFound):
            await get(process, uuid4(), "p1")


async def test_the_catalogue_is_listed_by_title_page_by_page(run: Run) -> None:
    merchant = uuid4()
    async with run("products") as process:
        await stock(process, merchant)
        titles: list[str] = []
        cursor = None
        while True:
            page = await call(process, merchant, products.LIST_PRODUCTS, cursor=cursor, limit=3)
            titles += [each.title for each in page.products]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert titles == sorted(TITLES, key=str.lower)
        assert (await call(process, uuid4(), products.LIST_PRODUCTS)).products == ()
        for bad in ("x", "bnVsbA==", "🙂"):
            with pytest.raises(InvalidRequest) as caught:
                await call(process, merchant, products.LIST_PRODUCTS, cursor=bad, limit=251)
            assert [each.pointer for each in caught.value.problems] == ["/limit", "/cursor"]


@pytest.fixture(scope="module")
def queries() -> dict[str, str]:
    """What somebody types, and what they mean."""
    return {
        "snowbord wax": "Snowboard Wax",
        "bleu snowboard": "Blue Snowboard",
        "complet snwoboard": "The Complete Snowboard",
        "snowboard blue": "Blue Snowboard",
        "tshirt cotton": "White Cotton T-Shirt",
        "creme brulee": "Crème Brûlée Torch",
        "CRÈME": "Crème Brûlée Torch",
        "черный чайнк": "Чёрный чайник",
        "blck walet": "Black Leather Wallet",
        "leath": "Black Leather Wallet",
        "t5": "Чёрный чайник",
    }


async def test_search_forgives_typos(run: Run, queries: dict[str, str]) -> None:
    merchant, other = uuid4(), uuid4()
    async with run("products") as process:
        await stock(process, merchant)
        await say(process, shop.PRODUCT_CREATED, product("x", "Snowboard of Another"), other)
        await eventually(lambda: get(process, other, "x"), ignore=[NotFound])
        first = {
            query: next(iter(await search(process, merchant, query)), "nothing")
            for query in queries
        }
        assert first == queries
        # The beginning of a title goes before the middle of one.
        boards = await search(process, merchant, "snowboard")
        assert boards == ["Snowboard Wax", "Blue Snowboard", "The Complete Snowboard"]
        assert await search(process, merchant, "snowboard", limit=1) == boards[:1]
        assert len(await search(process, merchant, "hydrogen")) == len(TITLES)
        assert await search(process, merchant, "refrigerator") == []
        assert await search(process, other, "snowbord") == ["Snowboard of Another"]
        assert await search(process, uuid4(), "snowboard") == []


async def test_search_takes_anything_for_a_text(run: Run) -> None:
    merchant = uuid4()
    async with run("products") as process:
        await stock(process, merchant)
        for odd in (
            "'; DROP TABLE products; --", "%", "_", "\\", ":word0", "a" * 200, "🙂", "!!!", "$1",
            "x " * 90, "{}", '"',
        ):  # fmt: skip
            await search(process, merchant, odd)
        assert len(await search(process, merchant, "snowboard")) == 3
        for query, limit in (("", 0), ("  ", 251), ("a" * 201, 0)):
            with pytest.raises(InvalidRequest) as caught:
                await search(process, merchant, query, limit)
            assert {each.pointer for each in caught.value.problems} == {"/query", "/limit"}
