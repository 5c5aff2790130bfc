"""A change of who may do what, on real servers and seen from outside: everywhere in two seconds."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from websockets import ConnectionClosed

from adapters.postgres.roles import PostgresRoleBook
from adapters.runtime.host import Process
from adapters.system import SystemClock
from adapters.tokens.jwt_tokens import JwtIssuer
from adapters.tokens.keys import load_signing_keys
from contracts.caller import Audience, service_caller
from contracts.roles import ROLE_ASSIGNED
from domain.errors import Unavailable
from ports.tenancy import within
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge
from tests.mesh.said import heard, world_of
from tests.mesh.test_roles import assign, assigned, create, now, remove, staff, update


def token_of(process: Process, merchant: UUID, subject: str, role: str) -> str:
    """What a log-in that found ``role`` would have been given."""
    keys = load_signing_keys(world_of(process).settings.jwt_key_file)
    return (
        JwtIssuer(keys, SystemClock())
        .issue(Audience.MERCHANT, subject, merchant_id=merchant, role=role)
        .token
    )


async def seconds_until(edge: Edge, token: str, status: int) -> float:
    started = time.monotonic()
    await eventually(
        lambda: edge.get("/v1/api/roles", token),
        lambda answer: answer.status_code == status,
        seconds=4,
    )
    return time.monotonic() - started


async def test_a_change_takes_effect_at_the_gateway_within_two_seconds(run: Run) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    async with run("api_gateway", "auth", "roles") as process, run("api_gateway") as second:
        edges = [Edge(process), Edge(second)]
        # What counts is never the role at log-in.
        token = token_of(process, merchant, "ann", "viewer")
        changes: list[tuple[Any, int]] = [
            (lambda: assign(process, owner, "ann", "owner"), 200),
            (lambda: assign(process, owner, "bob", "owner"), 200),
            (lambda: assign(process, owner, "ann", "support"), 403),
            (lambda: create(process, owner, "clerk"), 403),
            (lambda: assign(process, owner, "ann", "clerk"), 403),
            (lambda: update(process, owner, "clerk", "roles:read"), 200),
            (lambda: update(process, owner, "clerk"), 403),
            (lambda: update(process, owner, "clerk", inherits=["manager"]), 200),
            (lambda: remove(process, owner, "ann"), 403),
        ]
        assert (await edges[0].get("/v1/api/roles", token)).status_code == 403
        for change, status in changes:
            await change()
            for edge in edges:
                assert await seconds_until(edge, token, status) < 2
        for edge in edges:
            await edge.http.aclose()


async def test_a_change_counts_also_when_nobody_hears_of_it(run: Run) -> None:
    merchant = uuid4()
    async with run("api_gateway", "auth", "roles") as process:
        edge = Edge(process)
        await assign(process, staff(merchant, "owner"), "ann", "owner")
        token = token_of(process, merchant, "ann", "owner")
        assert (await edge.get("/v1/api/roles", token)).status_code == 200
        # As if the process had died between the commit and the event.
        units = world_of(process).units("roles", PostgresRoleBook)
        with within((merchant,)):
            async with units() as unit:
                await unit.stores.begin_change(merchant)
                known = await unit.stores.assignment(merchant, "ann")
                assert known is not None
                await unit.stores.assign(replace(known, role=""))
        assert await seconds_until(edge, token, 403) < 2
        await edge.http.aclose()


async def test_known_permissions_survive_the_roles_service(run: Run) -> None:
    merchant = uuid4()
    async with run("api_gateway", "auth", "core") as process:
        edge = Edge(process)
        ann, bob = (token_of(process, merchant, who, "owner") for who in ("ann", "bob"))
        path = "/v1/api/core/members"
        said = await heard(process, ROLE_ASSIGNED, merchant)
        async with run("roles") as roles_process:
            for who in ("ann", "cleo"):
                await assign(roles_process, staff(merchant, "owner"), who, "owner")
            await eventually(lambda: now(said), lambda bodies: len(bodies) == 2)
            assert (await edge.get(path, ann)).status_code == 200
        assert (await edge.get(path, ann)).status_code == 200
        assert (await edge.get(path, bob)).status_code == 503
        with pytest.raises(Unavailable):
            await assigned(process, merchant, "ann")
        async with run("roles") as roles_process:
            await remove(roles_process, service_caller("test", merchant), "ann")
            await eventually(
                lambda: edge.get(path, ann), lambda answer: answer.status_code == 403, seconds=2
            )
        await edge.http.aclose()


async def test_a_listener_who_may_no_longer_look_is_sent_away(run: Run) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    async with run("api_gateway", "auth", "roles") as process:
        edge = Edge(process)
        await assign(process, owner, "ann", "viewer")
        await create(process, owner, "nothing")
        token = token_of(process, merchant, "ann", "viewer")
        async with edge.stream(token) as socket:
            assert json.loads(await socket.recv())["event"] == "stream.open"
            await assign(process, owner, "ann", "nothing")
            async with asyncio.timeout(2):
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
            assert socket.close_code == 4403
        await edge.http.aclose()
