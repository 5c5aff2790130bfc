"""GraphQL over the real gateway and services: the same answers, permissions, walls and refusals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY as METRICS

from adapters.graphql.limits import MOST_DEPTH
from contracts import shop
from contracts.registry import REGISTRY
from contracts.shop import CustomerRecord, member_id
from services.api_gateway.wiring import graphql_schema
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge
from tests.mesh.said import AT, order, register, say

SERVICES = (
    "api_gateway", "auth", "roles", "core", "points", "rfm", "users", "campaign", "referrals",
    "gamification", "admin_core",
)  # fmt: skip

MEMBERS = """
    query Members($page: CoreListMembersInput) {
      core {
        listMembers(input: $page) {
          nextCursor
          members {
            customerId segment tier recency orders spent
            points { spendable pending }
            user { kind shopifyCustomerId }
          }
        }
      }
    }
"""


class Client:
    """A client of ``/graphql`` with one token."""

    def __init__(self, edge: Edge, token: str) -> None:
        self._edge = edge
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def post(self, body: Any) -> Any:
        return await self._edge.http.post("/graphql", json=body, headers=self._headers)

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = await self.post({"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def codes(self, query: str, **variables: Any) -> list[str]:
        found = await self.ask(query, **variables)
        return [error["extensions"]["code"] for error in found.get("errors", ())]


@asynccontextmanager
async def a_shop(run: Run, members: int) -> AsyncIterator[tuple[Edge, str, UUID]]:
    """A running mesh with a shop whose members have each bought once."""
    domain = f"s{uuid4().hex}.myshopify.com"
    async with run(*SERVICES) as process:
        merchant = (await register(process, domain)).merchant_id
        for number in range(members):
            name = f"c{number}"
            record = CustomerRecord(
                customer_id=member_id(merchant, name),
                shopify_customer_id=name,
                created_at=AT,
                updated_at=AT,
            )
            await say(process, shop.CUSTOMER_CREATED, record, merchant)
            bought = order(merchant, name, order_id=f"o{number}")
            await say(process, shop.ORDER_CREATED, bought, merchant)
        edge = Edge(process)
        owner = Client(edge, await edge.token("owner", shop=domain))

        async def known() -> list[Any]:
            found = await owner.ask(MEMBERS, page={"limit": 250})
            return [
                each
                for each in found["data"]["core"]["listMembers"]["members"]
                if each["points"] and each["points"]["spendable"] == 300 and each["orders"]
            ]

        await eventually(known, lambda found: len(found) == members)
        yield edge, domain, merchant
        await edge.http.aclose()


def calls_so_far() -> float:
    return sum(
        sample.value
        for metric in METRICS.collect()
        for sample in metric.samples
        if sample.name == "loyalnest_calls_total"
        and not sample.labels["operation"].startswith(("auth.", "roles."))
    )


async def calls_for(client: Client, limit: int) -> tuple[float, int]:
    before = calls_so_far()
    found = await client.ask(MEMBERS, page={"limit": limit})
    assert "errors" not in found
    members = found["data"]["core"]["listMembers"]["members"]
    assert all(each["points"] and each["user"] and each["tier"] == "Silver" for each in members)
    return calls_so_far() - before, len(members)


async def test_a_list_of_100_with_points_tier_and_rfm_asks_as_often_as_a_list_of_one(
    run: Run,
) -> None:
    async with a_shop(run, 100) as (edge, domain, _):
        client = Client(edge, await edge.token("owner", shop=domain))
        assert await calls_for(client, 1) == (3, 1)
        assert await calls_for(client, 100) == (3, 100)


async def test_permissions_and_walls_are_those_of_http(run: Run) -> None:
    async with a_shop(run, 2) as (edge, domain, merchant):
        anna = str(member_id(merchant, "c0"))
        balance = "query($id: UUID!) { points { getPointsBalance(input: {customerId: $id})"
        balance += " { customerId spendable } } }"
        own = {"points": {"getPointsBalance": {"customerId": anna, "spendable": 300}}}

        assert (await Client(edge, "").post({"query": "{ __typename }"})).status_code == 401
        assert (await Client(edge, "x.y.z").post({"query": "{ __typename }"})).status_code == 401

        owner = Client(edge, await edge.token("owner", shop=domain))
        assert await owner.ask(balance, id=anna) == {"data": own}

        stranger = Client(edge, await edge.token("owner"))
        assert await stranger.codes(balance, id=anna) == ["NOT_FOUND"]
        found = await stranger.ask(MEMBERS)
        assert anna not in str(found)

        # A viewer sees the list's points, and not who the people are: the rest is still answered.
        viewer = Client(edge, await edge.token("viewer", shop=domain))
        assert await viewer.ask(balance, id=anna) == {"data": own}
        assert await viewer.codes(MEMBERS) == ["FORBIDDEN"]
        both = '{ points { getPointsHistory(input: {customerId: "%s"}) { entries { points } } }'
        both += " users { listUsers { nextCursor } } }"
        found = await viewer.ask(both % anna)
        assert found["data"]["users"] == {"listUsers": None}
        entries = found["data"]["points"]["getPointsHistory"]["entries"]
        assert sorted(each["points"] for each in entries) == [100, 200]
        assert found["errors"][0]["path"] == ["users", "listUsers"]

        # A member's token reaches the member's own account, whatever is asked for.
        member = Client(edge, await edge.token("customer", customer="c0", shop=domain))
        other = str(member_id(merchant, "c1"))
        assert await member.ask(balance, id=other) == {"data": own}
        many = "query($ids: [UUID!]!) { points { getPointsBalances(input: {customerIds: $ids})"
        many += " { balances { customerId } } } }"
        found = await member.ask(many, ids=[anna, other])
        assert found["data"]["points"]["getPointsBalances"]["balances"] == [{"customerId": anna}]
        assert await member.codes(MEMBERS) == ["FORBIDDEN"]


async def test_a_mutation_moves_value_once_and_says_all_that_is_wrong(run: Run) -> None:
    async with a_shop(run, 1) as (edge, domain, merchant):
        owner = Client(edge, await edge.token("owner", shop=domain))
        give = "mutation($input: PointsAdjustInput!, $key: String!) { adjustPoints(input: $input,"
        give += " idempotencyKey: $key) { entryId balance { spendable } } }"
        change = {"customerId": str(member_id(merchant, "c0")), "points": 25, "reason": "sorry"}
        first = await owner.ask(give, input=change, key="k1")
        assert first["data"]["adjustPoints"]["balance"] == {"spendable": 325}
        assert await owner.ask(give, input=change, key="k1") == first
        assert await owner.codes(give, input=change | {"points": 30}, key="k1") == [
            "DUPLICATE_REQUEST"
        ]
        assert await owner.codes(give, input=change | {"points": -9000}, key="k2") == [
            "INSUFFICIENT_POINTS"
        ]
        refused = await owner.ask(give, input=change, key="")
        assert refused["errors"][0]["extensions"] == {
            "code": "INVALID_REQUEST",
            "status": 400,
            "errors": [
                {"pointer": "/Idempotency-Key", "detail": "1 to 200 characters are needed."}
            ],
        }
        viewer = Client(edge, await edge.token("viewer", shop=domain))
        assert await viewer.codes(give, input=change, key="k3") == ["FORBIDDEN"]


async def test_rubbish_gets_an_answer_that_helps(run: Run) -> None:
    async with run("api_gateway", "auth", "roles") as process:
        edge = Edge(process)
        owner = Client(edge, await edge.token("owner"))
        rubbish: list[Any] = [
            {},
            {"query": 7},
            {"query": ""},
            [],
            "x",
            {"query": "{a}", "variables": []},
        ]
        for body in rubbish:
            answer = await owner.post(body)
            assert answer.status_code == 400, body
            assert answer.json()["code"] == "INVALID_REQUEST"
        for query, said in (
            ("{", "Syntax Error"),
            ("{ nothing }", "Cannot query field 'nothing'"),
            ("{ core { getCustomerRfm { segment } } }", "required"),
            ('{ core { getCustomerRfm(input: {customerId: "x"}) { segment } } }', "UUID"),
            ("{ core { listMembers(input: {limit: 1.5}) { nextCursor } } }", "Long"),
            ("query A { __typename } query B { __typename }", "one operation"),
            ("mutation { noSuchThing }", "Cannot query field"),
            ("subscription { x }", "subscription"),
        ):
            found = await owner.ask(query)
            (error,) = found["errors"]
            assert said in error["message"], error
            assert error["extensions"] == {"code": "INVALID_REQUEST", "status": 400}
        assert (await edge.http.get("/graphql")).status_code == 405
        # A service that is away is a refusal of its own field.
        assert await owner.codes("{ core { getUsage { plan } } }") == ["UNAVAILABLE"]
        await edge.http.aclose()


async def test_what_asks_for_too_much_is_refused_before_anything_is_asked(run: Run) -> None:
    async with run("api_gateway", "auth", "roles") as process:
        edge = Edge(process)
        owner = Client(edge, await edge.token("owner"))
        deep = "{ core { listMembers { members { " + "user { member { " * MOST_DEPTH
        deep += "segment" + " } }" * MOST_DEPTH + " } } } }"
        one = "core { listMembers(input: {limit: 250}) { members { points { spendable } } } }"
        wide = "{" + " ".join(f"a{number}: {one}" for number in range(5)) + "}"
        unknown = "query($p: CoreListMembersInput) {" + " ".join(
            f"a{n}: core {{ listMembers(input: $p) {{ members {{ segment }} }} }}" for n in range(9)
        )
        spread = "fragment F on Query { ...G ...G } fragment G on Query { ...H ...H } "
        spread += "fragment H on Query {" + wide[1:-1] + "} { ...F }"
        before = calls_so_far()
        for query in (deep, wide, unknown + "}", spread):
            found = await owner.ask(query)
            assert found["data"] is None
            assert {each["extensions"]["code"] for each in found["errors"]} == {
                "QUERY_TOO_COMPLEX"
            }, found
        assert calls_so_far() == before
        cyclic = "fragment F on Query { __typename ...F } { ...F }"
        assert await owner.codes(cyclic) == ["INVALID_REQUEST"]
        await edge.http.aclose()


@cache
def document() -> str:
    """The schema as it is written down."""
    return graphql_schema().as_str()


@pytest.mark.parametrize("name", sorted(REGISTRY.operations))
def test_every_operation_of_a_shop_is_in_the_schema(name: str) -> None:
    operation = REGISTRY.operations[name]
    sdl = document()
    offered = f'"""{operation.summary}"""' in sdl or operation.summary in sdl
    http = operation.http
    page = http is not None and operation.response.__name__ == "File"
    walled = operation.permission == "public" or operation.permission.startswith("admin:")
    # What is about LoyalNest's own staff is behind their wall, also what needs no permission.
    walled |= http is not None and http.path.startswith("/admin/")
    assert offered is (http is not None and not page and not walled)
