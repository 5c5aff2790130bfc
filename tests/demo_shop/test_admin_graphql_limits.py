"""What documents cost, what is refused, and what goes wrong when tests want it to."""

import asyncio
from typing import Any

import httpx
import pytest

from infra.demo_shop.admin.api.throttle import PLUS
from infra.demo_shop.admin.api.trouble import Instead, Lost, Slow, Throttled, Unheard
from infra.demo_shop.admin.server import Admin
from infra.embedded.ports import free_port
from tests.conftest import eventually
from tests.demo_shop.admin_graphql import APP, SHOP, Api
from tests.demo_shop.samples import order

NAME = "{ shop { name } }"


def cost(answer: dict[str, Any]) -> tuple[int, int | None, int]:
    said = answer["extensions"]["cost"]
    left = said["throttleStatus"]["currentlyAvailable"]
    return said["requestedQueryCost"], said["actualQueryCost"], left


@pytest.mark.parametrize(
    ("document", "asked", "charged"),
    [
        ("{ shop { name currencyCode } }", 1, 1),
        ("{ __typename }", 0, 0),
        ("{ orders(first: 10) { nodes { id } } }", 12, 4),
        ("{ orders(first: 10) { edges { cursor node { id } } pageInfo { hasNextPage } } }", 12, 4),
        ("{ orders(last: 5) { nodes { customer { id } } } }", 12, 6),
        (
            "{ orders(first: 2) { nodes { lineItems(first: 3) {"
            " nodes { id product { id } } } } } }",
            20,
            10,
        ),
        ("query q($n: Int = 3) { orders(first: $n) { nodes { id } } }", 5, 4),
        ("{ ...f } fragment f on QueryRoot { shop { primaryDomain { host } } }", 2, 2),
        (
            '{ node(id: "gid://shopify/Order/9") {'
            " ... on Order { customer { id } } ... on Shop { id } } }",
            2,
            0,
        ),
        (
            'mutation { discountCodeDelete(id: "gid://shopify/DiscountCodeNode/1") {'
            " userErrors { code } } }",
            10,
            10,
        ),
    ],
)
async def test_what_a_document_costs(api: Api, document: str, asked: int, charged: int) -> None:
    for number in (1, 2):
        api.shop.hear("orders/create", order(number, customer=7))
    assert cost(await api.ask(document)) == (asked, charged, 2000 - charged)


async def test_the_bucket_empties_and_fills_again_with_time(api: Api) -> None:
    dear = "{ orders(first: 248) { nodes { customer { id } } } }"
    for _ in range(4):
        await api.ask(dear)  # of which nearly all is given back, as there are no orders
    assert cost(await api.ask(NAME))[2] == 2000 - 4 * 2 - 1
    api.shop.bucket.empty(api.now)
    refused = await api.ask(dear)
    (error,) = refused["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Throttled", "THROTTLED")
    assert "data" not in refused
    assert cost(refused) == (498, None, 0)
    api.later(seconds=4.97)
    assert (await api.refusal(dear))[0] == "THROTTLED"
    api.later(seconds=0.03)
    assert "errors" not in await api.ask(dear)
    api.later(hours=1)
    assert cost(await api.ask(NAME))[2] == 1999
    api.shop.bucket.plan = PLUS
    api.later(hours=1)
    status = (await api.ask(NAME))["extensions"]["cost"]["throttleStatus"]
    assert status == {"maximumAvailable": 20_000, "currentlyAvailable": 19_999, "restoreRate": 1000}
    # Another shop has a bucket of its own.
    assert api.shops["two.myshopify.com"].bucket.left(api.now) == 2000


async def test_one_document_may_not_cost_more_than_a_thousand(api: Api) -> None:
    (error,) = (
        await api.ask("{ orders(first: 250) { nodes { lineItems(first: 1) { nodes { id } } } } }")
    )["errors"]
    assert error["message"].startswith("Query cost is 1002, which exceeds the single query max")
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert (error["extensions"]["cost"], error["extensions"]["maxCost"]) == (1002, 1000)
    assert cost(await api.ask(NAME))[2] == 1999


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ shop { nmae } }", "undefinedField"),
        ("{ shop(id: 1) { name } }", "argumentNotAccepted"),
        ("{ order { id } }", "missingRequiredArguments"),
        ("{ shop }", "selectionMismatch"),
        ("query q($x: Int) { shop { name } }", "variableNotUsed"),
        ("{ orders(first: $x) { nodes { id } } }", "variableNotDefined"),
        ('{ orders(first: "x") { nodes { id } } }', "argumentLiteralsIncompatible"),
        ("{ shop { name }", "parseError"),
        ("{ orders { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 251) { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 1, last: 1) { nodes { id } } }", "BAD_REQUEST"),
        ('{ order(id: "1") { id } }', "argumentLiteralsIncompatible"),
        ('{ order(id: "gid://shopify/Customer/1") { id } }', "argumentLiteralsIncompatible"),
    ],
)
async def test_a_bad_document_is_refused(api: Api, document: str, code: str) -> None:
    assert (await api.refusal(document))[0] == code


async def test_a_document_that_grows_when_it_is_read_is_read_once(api: Api) -> None:
    spread = " ".join(
        f"fragment f{n} on QueryRoot {{ ...f{n + 1} ...f{n + 1} }}" for n in range(40)
    )
    grown = f"{{ ...f0 }} {spread} fragment f40 on QueryRoot {{ shop {{ name }} }}"
    assert cost(await api.ask(grown))[0] == 1
    run = """mutation run($bulk: String!) {
      bulkOperationRunQuery(query: $bulk, groupObjects: false) { userErrors { message } } }"""
    (error,) = (await api.data(run, bulk=grown))["bulkOperationRunQuery"]["userErrors"]
    assert error["message"] == "Bulk queries must contain at least one connection."
    assert (await api.refusal("{ shop " + "{ a " * 5_000))[0] == "parseError"
    assert (await api.ask("{ shop { name } } #" + "x" * 50_000))["errors"][0]["message"].startswith(
        "Query is too large"
    )


async def test_a_field_that_is_not_there_is_named_as_shopify_names_it(api: Api) -> None:
    (error,) = (await api.ask("{ shop { nmae } }"))["errors"]
    assert error == {
        "message": "Field 'nmae' doesn't exist on type 'Shop'",
        "locations": [{"line": 1, "column": 10}],
        "extensions": {"code": "undefinedField", "typeName": "Shop", "fieldName": "nmae"},
    }


@pytest.mark.parametrize(
    "input_",
    [
        {"title": "x", "code": "x", "startsAt": "yesterday"},
        {
            "title": "x",
            "code": "x",
            "customerGets": {"value": {"discountAmount": {"amount": "1,5"}}},
        },
        {"title": "x", "code": "x", "wish": 1},
        {"context": {"all": "ALL", "customers": {"add": []}}},
        {"usageLimit": "1"},
    ],
)
async def test_input_of_another_kind_is_refused(api: Api, input_: dict[str, Any]) -> None:
    make = """mutation make($input: DiscountCodeBasicInput!) {
      discountCodeBasicCreate(basicCodeDiscount: $input) { userErrors { code } } }"""
    assert (await api.refusal(make, input=input_))[0] == "INVALID_VARIABLE"


async def test_only_who_has_access_is_answered_and_in_one_version(api: Api) -> None:
    assert (await api.post(NAME)).headers["x-shopify-api-version"] == "2026-10"
    assert (await api.post(NAME, version="2026-07")).status_code == 404
    assert (await api.http.post(f"/{SHOP}/admin/api/2026-10/graphql.json")).status_code == 401
    api.grants.expire(SHOP)
    assert (await api.post(NAME)).status_code == 401
    api.log_in()
    assert (await api.post(NAME)).status_code == 200
    api.grants.uninstall(SHOP)
    answer = await api.post(NAME)
    assert answer.status_code == 401
    assert answer.json()["errors"].startswith("[API] Invalid API key or access token")
    api.log_in()
    headers = {"X-Shopify-Access-Token": api.token}
    rubbish = await api.http.post(
        f"/{SHOP}/admin/api/2026-10/graphql.json", content=b"[]", headers=headers
    )
    assert rubbish.status_code == 400


async def test_what_is_to_go_wrong_goes_wrong_as_often_as_it_should(api: Api) -> None:
    api.trouble.next(Instead(503, {"errors": "Unavailable"}), times=2)
    api.trouble.next(Instead(429, headers={"Retry-After": "2.0"}), field="shop")
    api.trouble.next(Throttled(), field="orders")
    for _ in range(2):
        assert (await api.post(NAME)).status_code == 503
    limited = await api.post(NAME)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2.0")
    await api.data(NAME)
    orders = "{ orders(first: 1) { nodes { id } } }"
    assert (await api.refusal(orders))[0] == "THROTTLED"
    await api.data(orders)
    assert api.trouble.asked == {"shop": 4, "orders": 2}
    assert api.trouble.met == {Instead: 3, Throttled: 1}
    api.trouble.next(Instead(503), times=9)
    api.trouble.none()
    await api.data(NAME)


async def test_an_answer_can_be_held_and_be_late(api: Api) -> None:
    credit = """mutation c { storeCreditAccountCredit(id: "gid://shopify/Customer/7",
      creditInput: {creditAmount: {amount: 1, currencyCode: USD}}) { userErrors { code } } }"""
    api.shop.add_customer(7)
    api.trouble.released.clear()
    asking = asyncio.create_task(api.data(credit))

    async def given() -> bool:
        return bool(api.shop.credit)

    await eventually(given)
    assert not asking.done()
    api.trouble.released.set()
    await asking
    api.trouble.next(Slow(0.05))
    at = asyncio.get_running_loop().time()
    await api.data(NAME)
    assert asyncio.get_running_loop().time() - at >= 0.05


async def test_an_answer_can_be_lost_with_and_without_the_effect() -> None:
    """Over sockets: a client sees the connection break."""
    async with Admin(APP, free_port(set()), callbacks=[]) as admin:
        grants = admin.grants
        token = grants.by_code(SHOP, grants.approve(SHOP, ["write_discounts"])).access_token
        admin.shops[SHOP].add_customer(7)
        make = """mutation { discountCodeBasicCreate(basicCodeDiscount: {title: "x", code: "x",
          startsAt: "2026-11-21T12:00:00Z", customerGets: {items: {all: true},
          value: {percentage: 0.1}}}) { codeDiscountNode { id } userErrors { code } } }"""
        async with httpx.AsyncClient(headers={"X-Shopify-Access-Token": token}) as http:
            url = admin.base.replace("{shop}", SHOP) + "/admin/api/2026-10/graphql.json"
            for fault, there in ((Unheard(), 0), (Lost(), 1)):
                admin.trouble.next(fault, field="discountCodeBasicCreate")
                with pytest.raises(httpx.RemoteProtocolError):
                    await http.post(url, json={"query": make})
                assert len(admin.shops[SHOP].discounts) == there
            answer = (await http.post(url, json={"query": make})).json()
            (error,) = answer["data"]["discountCodeBasicCreate"]["userErrors"]
            assert error == {"code": "TAKEN"}
