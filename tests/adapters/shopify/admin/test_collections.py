"""What products are in, as the Admin API of a shop tells it."""

from collections.abc import AsyncIterator

import pytest

from adapters.shopify.admin import client as clients
from adapters.shopify.admin.collections import ShopifyCollections
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.server import Admin
from infra.embedded.ports import free_port
from ports.collections import NotAllowed
from tests.adapters.shopify import samples
from tests.adapters.shopify.admin.scripted import MERCHANT, SHOP, Auth, client_of

APP = App("our-client-id", "our secret", tuple(REQUIRED_SCOPES))


class At:
    def __init__(self, admin: Admin, collections: ShopifyCollections, auth: Auth) -> None:
        self.admin = admin
        self.shop: Shop = admin.shops[SHOP]
        self.collections = collections
        self.auth = auth

    def grant(self, *scopes: str) -> None:
        code = self.admin.grants.approve(SHOP, scopes)
        self.auth.token = self.admin.grants.by_code(SHOP, code).access_token


@pytest.fixture
async def at(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[At]:
    monkeypatch.setattr(clients, "_FIRST_PAUSE", 0.002)
    auth = Auth()
    async with (
        Admin(APP, free_port(set()), callbacks=["http://127.0.0.1:1/back"]) as admin,
        client_of(admin.base, auth) as client,
    ):
        one = At(admin, ShopifyCollections(client), auth)
        for number in range(1, 302):
            one.shop.hear("products/create", samples.PRODUCT | {"id": number})
        one.grant(*REQUIRED_SCOPES)
        yield one


async def test_a_collection_is_read_page_by_page(at: At) -> None:
    everything = str(at.shop.add_collection("All", range(1, 302)).number)
    empty = str(at.shop.add_collection("None", ()).number)
    first = await at.collections.products_in(MERCHANT, everything, "")
    assert first is not None
    assert len(first.ids) == 250
    last = await at.collections.products_in(MERCHANT, everything, first.after)
    assert last is not None
    assert (len(last.ids), last.after) == (51, "")
    assert {*first.ids, *last.ids} == {str(number) for number in range(1, 302)}
    assert await at.collections.products_in(MERCHANT, empty, "") == ([], "")
    assert await at.collections.products_in(MERCHANT, "404", "") is None


async def test_a_product_may_be_in_any_number_of_them(at: At) -> None:
    numbers = {str(at.shop.add_collection(f"C{n}", [1]).number) for n in range(120)}
    assert {*await at.collections.collections_of(MERCHANT, "1")} == numbers
    assert await at.collections.collections_of(MERCHANT, "2") == []
    assert await at.collections.collections_of(MERCHANT, "404") == ()


async def test_a_shop_that_has_not_granted_it_says_so(at: At) -> None:
    number = str(at.shop.add_collection("All", [1]).number)
    at.grant("read_customers")
    with pytest.raises(NotAllowed):
        await at.collections.products_in(MERCHANT, number, "")
    with pytest.raises(NotAllowed):
        await at.collections.collections_of(MERCHANT, "1")
