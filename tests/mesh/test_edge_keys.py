"""Idempotency keys, for every operation that moves value: without one nothing is done, with one it
is done once, and what is kept of it tells nothing."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import points
from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import service_caller
from contracts.generate.examples import example
from contracts.generate.schemas import Schemas, name_of
from contracts.kit import Idempotency
from contracts.registry import REGISTRY
from contracts.shop import member_id
from domain.errors import InvalidRequest
from tests.conftest import Run, eventually
from tests.mesh.edge import SHOP, Edge, shopify_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYED = {
    name: each for name, each in REGISTRY.operations.items() if each.idempotency is Idempotency.KEY
}
ADJUST = "/v1/api/points/adjust"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(run: Run) -> AsyncIterator[Edge]:
    owners = {each.service for each in KEYED.values()} | {"points"}
    async with run("api_gateway", "auth", "roles", *sorted(owners - {"auth", "roles"})) as process:
        one = Edge(process)
        await one.token()  # of a shop that is there from then on
        yield one
        await one.http.aclose()


@pytest.mark.parametrize("name", KEYED)
async def test_nothing_is_done_without_a_key(edge: Edge, name: str) -> None:
    operation = KEYED[name]
    schemas = Schemas({operation.request})
    asked = example(
        schemas.definitions[name_of(operation.request)], schemas.definitions, whole=False
    )
    for key in ("", "x" * 201):
        with pytest.raises(InvalidRequest) as refused:
            await edge.world.mesh.call_raw(
                name,
                json.dumps(asked).encode(),
                service_caller("test", uuid4()),
                idempotency_key=key,
                deadline=5,
            )
        assert [each.pointer for each in refused.value.problems] == ["/Idempotency-Key"]


async def test_a_repeat_is_answered_as_before_and_another_wish_is_refused(edge: Edge) -> None:
    token = await edge.token()
    await edge.deliver("orders/create", shopify_order(4001, 91))
    merchant = await _shop(edge)
    await eventually(
        lambda: edge.get("/v1/api/points/balance", token, shopify_customer_id="91"),
        lambda answer: answer.status_code == 200,
    )
    gift = {"customer_id": str(member_id(merchant, "91")), "points": 5, "reason": "sorry"}

    async def give(key: str, **other: object) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        answer = await edge.http.post(ADJUST, json=gift | other, headers=headers)
        return answer.status_code, answer.text

    key = str(uuid4())
    answers = await asyncio.gather(*(give(key) for _ in range(10)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert await give(key) == answers[0]
    refused = await give(key, points=6)
    assert (refused[0], json.loads(refused[1])["code"]) == (409, "DUPLICATE_REQUEST")
    another = await give(str(uuid4()))
    assert (another[0], another != answers[0]) == (200, True)
    without = await edge.http.post(ADJUST, json=gift, headers={"Authorization": f"Bearer {token}"})
    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (
        400,
        "/Idempotency-Key",
    )
    history = await edge.get("/v1/api/points/history", token, shopify_customer_id="91")
    given = [each for each in history.json()["entries"] if each["kind"] == "adjust"]
    assert len(given) == 2


async def test_what_is_kept_cannot_be_guessed_at(edge: Edge) -> None:
    merchant = await _shop(edge)
    request = points.Adjust(customer_id=member_id(merchant, "92"), points=7, reason="x")
    key = str(uuid4())
    await edge.world.mesh.call(
        points.ADJUST, request, service_caller("test", merchant), idempotency_key=key
    )
    async with edge.world.database("points").transaction(ACROSS_SHOPS) as connection:
        row = await connection.execute(
            text("SELECT input_hash FROM answers WHERE key LIKE :key"), {"key": f"%{key}"}
        )
        kept = bytes(row.scalar_one())
    plain = msgspec.json.encode(request)
    assert len(kept) == 32
    assert kept not in (hashlib.sha256(plain).digest(), plain)


async def test_a_members_key_is_their_own(edge: Edge) -> None:
    """What one was answered is never another's answer, however alike the keys and wishes are."""
    merchant = await _shop(edge)
    anna, ben = member_id(merchant, "93"), member_id(merchant, "94")
    staff = service_caller("test", merchant)
    key = "same"
    request = points.Adjust(customer_id=anna, points=1, reason="x")

    async def adjust(customer_id: UUID | None) -> points.Adjusted:
        caller = msgspec.structs.replace(staff, customer_id=customer_id)
        return await edge.world.mesh.call(points.ADJUST, request, caller, idempotency_key=key)

    first = await adjust(anna)
    assert await adjust(anna) == first
    assert await adjust(ben) != first
    assert await adjust(None) not in (first, await adjust(ben))


async def _shop(edge: Edge) -> UUID:
    found = await edge.world.mesh.call(
        VALIDATE_MERCHANT, ValidateMerchant(shop_domain=SHOP), service_caller("test")
    )
    return found.merchant_id
