"""What is revoked is refused within a second, at every gateway, whoever else is away."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client import REGISTRY as METRICS
from redis.exceptions import RedisError
from websockets import ConnectionClosed

from adapters.runtime.host import Process
from adapters.runtime.settings import Settings
from contracts.caller import NO_SHOP, Audience
from contracts.sessions import AUTH_REVOKED, AuthRevoked, TokenPair, Why
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from ports.sessions import REMEMBERED, Holder, Revocation
from services.api_gateway import revoked
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge
from tests.mesh.said import register, say, world_of
from tests.mesh.sessions import Auth

SESSIONS = "/v1/api/auth/sessions"


async def post(edge: Edge, path: str, token: str = "", **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await edge.http.post(path, json=body, headers=headers)


async def seconds_until_refused(edge: Edge, token: str) -> float:
    started = time.monotonic()
    await eventually(
        lambda: edge.get(SESSIONS, token), lambda answer: answer.status_code == 401, seconds=5
    )
    return time.monotonic() - started


async def member(auth: Auth) -> TokenPair:
    """Somebody for whom the gateway has to ask nobody else."""
    customer_id = uuid4()
    return await auth.sessions.open(
        Holder(
            Audience.CUSTOMER,
            f"customer:{customer_id}",
            merchant_id=auth.merchant.merchant_id,
            customer_id=customer_id,
        )
    )


def silence() -> float:
    """What the alert on a gateway that does not reach auth asks for."""
    found = METRICS.get_sample_value("loyalnest_auth_silence_seconds")
    assert found is not None
    return found


async def works(edge: Edge, token: str) -> bool:
    return (await edge.get(SESSIONS, token)).status_code == 200


async def test_the_life_of_a_session_as_a_client_sees_it(run: Run) -> None:
    async with run("auth", "api_gateway") as process:
        edge = Edge(process)
        auth = Auth(process, await register(process))
        pair = await auth.open("ann", impersonator="admin:9")
        other = await auth.open("ann")

        answer = await post(edge, "/v1/api/auth/refresh", refresh_token=pair.refresh_token)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        following = answer.json()
        assert set(following) == {"token", "expires_at", "refresh_token", "refresh_expires_at"}
        assert (await post(edge, "/v1/api/auth/refresh", refresh_token="x")).status_code == 401

        page = (await edge.get(SESSIONS, following["token"], limit="1")).json()
        (newest,) = page["sessions"]
        assert (newest["current"], newest["impersonator"]) == (False, "")
        page = (await edge.get(SESSIONS, following["token"], cursor=page["next_cursor"])).json()
        (mine,) = page["sessions"]
        assert (mine["current"], mine["impersonator"]) == (True, "admin:9")

        path = f"{SESSIONS}/revoke"
        ended = await post(edge, path, following["token"], session_id=newest["session_id"])
        assert (ended.status_code, ended.json()["sessions"]) == (200, 1)
        assert await seconds_until_refused(edge, other.token) < 1
        assert (await post(edge, "/v1/api/auth/logout", following["token"])).status_code == 200
        assert await seconds_until_refused(edge, following["token"]) < 1
        assert await seconds_until_refused(edge, pair.token) < 1
        gone = await post(edge, "/v1/api/auth/refresh", refresh_token=following["refresh_token"])
        assert gone.status_code == 401
        for path in (SESSIONS, "/v1/api/points/balance"):
            assert (await edge.get(path)).status_code == 401
        assert (await post(edge, "/v1/api/auth/logout")).status_code == 401
        await edge.http.aclose()


async def test_every_gateway_refuses_within_a_second_and_a_new_one_from_the_first_request(
    run: Run,
) -> None:
    async with run("auth") as process, run("api_gateway") as one, run("api_gateway") as two:
        auth = Auth(process, await register(process))
        edges = [Edge(one), Edge(two)]
        gone, stays = await member(auth), await member(auth)
        for edge in edges:
            assert await works(edge, gone.token)
        session_id = auth.claims(gone).session_id
        assert session_id is not None
        await auth.sessions.revoke(session_id)
        for edge in edges:
            assert await seconds_until_refused(edge, gone.token) < 1
            assert await works(edge, stays.token)
        # The news comes again, also with the time of another.
        again = AuthRevoked(
            session_ids=(session_id,), reason=Why.REVOKED, expires_at=auth.clock.time + REMEMBERED
        )
        await say(process, AUTH_REVOKED, again, auth.merchant.merchant_id)
        async with run("api_gateway") as three:
            edges.append(Edge(three))
            for edge in edges:
                assert (await edge.get(SESSIONS, gone.token)).status_code == 401
                assert await works(edge, stays.token)
        for edge in edges:
            await edge.http.aclose()


async def test_news_that_got_lost_cost_less_than_a_second(run: Run) -> None:
    async with run("auth", "api_gateway") as process:
        edge = Edge(process)
        auth = Auth(process, await register(process))
        pair = await member(auth)
        assert await works(edge, pair.token)
        async with auth.units() as unit:  # says nothing
            expires_at = unit.now() + REMEMBERED
            await unit.stores.remember([Revocation(auth.claims(pair).session_id, "", expires_at)])
        assert await seconds_until_refused(edge, pair.token) < 1
        await edge.http.aclose()


async def test_without_auth_what_is_known_holds_until_it_is_too_old(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revoked, "STALE_SECONDS", 2.0)
    async with run("api_gateway") as process:
        edge = Edge(process)
        async with run("auth") as auth_process:
            auth = Auth(auth_process, await register(auth_process))
            ended = await member(auth)
            pair = await member(auth)
            session_id = auth.claims(ended).session_id
            assert session_id is not None
            await eventually(lambda: works(edge, pair.token))
            await auth.sessions.revoke(session_id)
            assert await seconds_until_refused(edge, ended.token) < 1
        assert (await edge.get(SESSIONS, ended.token)).status_code == 401
        unasked = await edge.get(SESSIONS, pair.token)
        assert "It cannot be told" not in unasked.json()["detail"]
        # 503 and not 401: the token may be a good one, and is to be kept.
        too_old = await eventually(
            lambda: edge.get(SESSIONS, pair.token),
            lambda answer: "It cannot be told" in answer.json()["detail"],
        )
        assert (too_old.status_code, "retry-after" in too_old.headers) == (503, True)
        assert silence() > 2
        async with run("auth"):
            await eventually(lambda: works(edge, pair.token))
            assert silence() < 2
            assert (await edge.get(SESSIONS, ended.token)).status_code == 401
        await edge.http.aclose()


async def test_valkey_and_nats_may_be_away(tmp_path: Path) -> None:
    async with Servers(tmp_path) as own:
        ports = {
            "LOYALNEST_HTTP_PORT": str(free_port(set())),
            "LOYALNEST_OPS_PORT": str(free_port(set())),
        }
        process = Process(
            ["auth", "api_gateway"], Settings.from_environment(own.environment() | ports)
        )
        await process.start()
        edge = Edge(process)
        valkey = world_of(process).valkey
        auth = Auth(process, await register(process))

        async def copied(name: str) -> int:
            return int(await valkey.pttl(name))

        first, second, third = [await member(auth) for _ in range(3)]
        ids = [auth.claims(each).session_id or NO_SHOP for each in (first, second, third)]
        assert await auth.sessions.revoke_token("f" * 32) == 1
        await auth.sessions.revoke(ids[0])
        left = await eventually(lambda: copied(f"revoked_session:{ids[0]}"), lambda ms: ms > 0)
        assert 0 < left <= REMEMBERED.total_seconds() * 1000
        assert await eventually(lambda: copied(f"revoked_jti:{'f' * 32}"), lambda ms: ms > 0)

        await own.kill("valkey")
        await auth.sessions.revoke(ids[1])
        assert await seconds_until_refused(edge, second.token) < 1
        assert await works(edge, third.token)
        await own.start("valkey")
        await eventually(valkey.flushall, ignore=[RedisError])
        for each in ids[:2]:  # it gets back also what it had lost
            await eventually(
                lambda each=each: copied(f"revoked_session:{each}"),  # type: ignore[misc]  # of a default
                lambda ms: ms > 0,
                ignore=[RedisError],
            )

        await own.kill("nats")
        await auth.sessions.revoke(ids[2])  # stored; it cannot be said now
        await own.start("nats")
        await eventually(
            lambda: edge.get(SESSIONS, third.token),
            lambda answer: answer.status_code in (200, 401),
            ignore=[httpx.HTTPError],
        )
        assert await seconds_until_refused(edge, third.token) < 1
        await edge.http.aclose()
        await process.stop()


async def test_a_live_stream_ends_with_its_session(run: Run) -> None:
    async with run("auth", "roles", "api_gateway") as process:
        edge = Edge(process)
        auth = Auth(process, await register(process))
        pair = await member(auth)
        async with edge.stream(pair.token) as socket:
            assert json.loads(await socket.recv())["event"] == "stream.open"
            await auth.sessions.revoke(auth.claims(pair).session_id or NO_SHOP)
            started = time.monotonic()
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 5)
            assert socket.close_code == 4401
            assert time.monotonic() - started < 2
        await edge.http.aclose()
