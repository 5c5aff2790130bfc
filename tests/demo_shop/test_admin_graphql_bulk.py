"""Bulk operations: one at a time, done after a while, with a file as Shopify writes it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from infra.demo_shop.admin.api.trouble import BULK_FILE, Instead
from tests.demo_shop.admin_graphql import Api
from tests.demo_shop.samples import order, refund

RUN = """mutation run($query: String!, $grouped: Boolean! = false) {
  bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
    bulkOperation { id status url objectCount } userErrors { field message code } } }"""
SEE = """query see($id: ID!) { bulkOperation(id: $id) {
  id status url objectCount rootObjectCount fileSize errorCode completedAt partialDataUrl } }"""
CANCEL = """mutation stop($id: ID!) { bulkOperationCancel(id: $id) {
  bulkOperation { status } userErrors { message } } }"""
ORDERS = """{ orders(query: "status:any") { edges { node {
  id name customer { id }
  lines: lineItems { edges { node { id quantity } } }
  refunds { id } } } } }"""


async def started(api: Api, query: str = ORDERS, **more: Any) -> str:
    answer = (await api.data(RUN, query=query, **more))["bulkOperationRunQuery"]
    assert answer["userErrors"] == []
    assert answer["bulkOperation"]["status"] == "CREATED"
    identity: str = answer["bulkOperation"]["id"]
    return identity


async def seen(api: Api, identity: str) -> dict[str, Any]:
    operation: dict[str, Any] = (await api.data(SEE, id=identity))["bulkOperation"]
    return operation


async def completed(api: Api, query: str = ORDERS, **more: Any) -> list[dict[str, Any]]:
    identity = await started(api, query, **more)
    api.later(seconds=2)
    url = (await seen(api, identity))["url"]
    file = await api.http.get(url)
    assert file.status_code == 200
    assert file.text.endswith("\n")
    return [json.loads(line) for line in file.text.splitlines()]


async def test_every_object_has_a_line_and_names_its_parent(api: Api) -> None:
    for number in (1, 2):
        api.shop.hear("orders/create", order(number, customer=7, lines=2))
    api.shop.hear("refunds/create", refund(1, order_id=1))
    lines = await completed(api)
    assert [line.get("__parentId") for line in lines] == [
        None,
        None,
        "gid://shopify/Order/1",
        "gid://shopify/Order/1",
        "gid://shopify/Order/2",
        "gid://shopify/Order/2",
    ]
    assert lines[0] == {
        "id": "gid://shopify/Order/1",
        "name": "#1",
        "customer": {"id": "gid://shopify/Customer/7"},
        "refunds": [{"id": "gid://shopify/Refund/1"}],
    }
    assert set(lines[2]) == {"id", "quantity", "__parentId"}
    grouped = await completed(api, grouped=True)
    assert [line.get("__parentId", "")[-1:] for line in grouped] == ["", "1", "1", "", "2", "2"]


async def test_it_takes_its_time_and_says_how_far_it_is(api: Api) -> None:
    for number in range(1, 11):
        api.shop.hear("orders/create", order(number, customer=7))
    api.shop.bulk_takes = (timedelta(seconds=1), timedelta(seconds=10))
    identity = await started(api)
    assert (await seen(api, identity))["url"] is None
    api.later(seconds=6)
    half = await seen(api, identity)
    assert (half["status"], half["objectCount"], half["rootObjectCount"]) == ("RUNNING", "10", "5")
    assert (half["url"], half["completedAt"]) == (None, None)
    api.later(seconds=5)
    done = await seen(api, identity)
    assert (done["status"], done["objectCount"], done["rootObjectCount"]) == (
        "COMPLETED",
        "20",
        "10",
    )
    assert done["completedAt"] == "2026-11-21T12:00:11Z"
    file = await api.http.get(done["url"])
    assert int(done["fileSize"]) == len(file.content)
    current = (await api.data("{ currentBulkOperation { id } }"))["currentBulkOperation"]
    assert current == {"id": identity}
    listed = 'query { bulkOperations(first: 1, query: "status:completed") { nodes { id } } }'
    assert (await api.data(listed))["bulkOperations"]["nodes"] == [{"id": identity}]
    # A week later there is nothing to get any more, and nobody guesses an address.
    assert (await api.http.get(f"{done['url']}0")).status_code == 404
    api.later(days=7)
    assert (await api.http.get(done["url"])).status_code == 404


async def test_only_one_is_under_way_in_a_shop(api: Api) -> None:
    identity = await started(api)
    answer = (await api.data(RUN, query=ORDERS))["bulkOperationRunQuery"]
    (error,) = answer["userErrors"]
    assert error["code"] == "OPERATION_IN_PROGRESS"
    assert identity in error["message"]
    assert answer["bulkOperation"] is None
    stopped = (await api.data(CANCEL, id=identity))["bulkOperationCancel"]
    assert stopped == {"bulkOperation": {"status": "CANCELING"}, "userErrors": []}
    api.later(seconds=1)
    end = await seen(api, identity)
    assert (end["status"], end["url"]) == ("CANCELED", None)
    again = (await api.data(CANCEL, id=identity))["bulkOperationCancel"]
    assert again["userErrors"] == [
        {"message": "A bulk operation cannot be canceled when it is canceled"}
    ]
    await started(api)


async def test_nothing_found_is_no_file(api: Api) -> None:
    identity = await started(api)
    api.later(seconds=2)
    end = await seen(api, identity)
    assert (end["status"], end["url"], end["objectCount"]) == ("COMPLETED", None, "0")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ shop { name } }", "at least one connection"),
        ("{ orders { edges { node { nmae } } } }", "doesn't exist on type 'Order'"),
        (
            "{ orders { edges { node { lineItems { edges { node { id } } } } } } }",
            "must select the 'id'",
        ),
        (
            "{ orders { edges { node { id refunds { id refundLineItems { edges { node { id }"
            " } } } } } } }",
            "connection field within a list field",
        ),
        (
            "{ collections { edges { node { id products { edges { node { id variants { edges {"
            " node { id metafields { edges { node { id } } } } } } } } } } } } }",
            "deeper than 2 levels",
        ),
        ("mutation { discountCodeDelete(id: 1) { deletedCodeDiscountId } }", "only queries"),
        ('{ node(id: "gid://shopify/Order/1") { id } orders { nodes { id } } }', "top level"),
    ],
)
async def test_what_cannot_be_had_in_bulk_is_refused(api: Api, query: str, words: str) -> None:
    answer = (await api.data(RUN, query=query))["bulkOperationRunQuery"]
    (error,) = answer["userErrors"]
    assert words in error["message"]
    assert (error["code"], error["field"]) == ("INVALID", ["query"])
    assert api.shop.bulk == {}


async def test_without_the_scope_it_fails(api: Api) -> None:
    api.log_in("read_products")
    identity = await started(api)
    api.clock[0] += timedelta(seconds=2)
    end = await seen(api, identity)
    assert (end["status"], end["errorCode"], end["url"]) == ("FAILED", "ACCESS_DENIED", None)


async def test_a_file_can_be_out_of_reach(api: Api) -> None:
    api.shop.hear("orders/create", order(1, customer=7))
    identity = await started(api)
    api.later(seconds=2)
    url = (await seen(api, identity))["url"]
    api.trouble.next(Instead(503), field=BULK_FILE)
    assert (await api.http.get(url)).status_code == 503
    assert (await api.http.get(url)).status_code == 200
    assert api.trouble.asked[BULK_FILE] == 2
