"""Sessions on real servers: refresh tokens that count once, and who may end what."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import auth, shop
from contracts.caller import ANYONE, NO_SHOP, Audience, Caller
from contracts.kit import Nothing
from contracts.sessions import (
    AUTH_REVOKED,
    LIST_SESSIONS,
    LOG_OUT,
    REFRESH_SESSION,
    REVOKE,
    REVOKE_SESSION,
    ListSessions,
    RefreshSession,
    Revoke,
    RevokeSession,
    SessionsPage,
    TokenPair,
)
from domain.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from ports.sessions import GRACE, REFRESH_LIFETIME, REMEMBERED, Holder
from ports.tokens import LIFETIME
from tests.conftest import Run, eventually
from tests.mesh.said import heard, register, say, world_of
from tests.mesh.sessions import TEST, Auth


@pytest.fixture
async def at(run: Run) -> AsyncIterator[Auth]:
    async with run("auth") as process:
        yield Auth(process, await register(process))


async def test_a_session_is_gone_on_with_pair_by_pair(at: Auth) -> None:
    pair = await at.open()
    first = at.claims(pair)
    opened = at.clock.time
    assert (pair.expires_at, first.expires_at) == (opened + LIFETIME, opened + LIFETIME)
    assert pair.refresh_expires_at == opened + REFRESH_LIFETIME
    for days in (1, 29, 30):
        at.clock.later(timedelta(days=days) - timedelta(seconds=1))
        following = await at.refresh(pair)
        assert following.refresh_token != pair.refresh_token
        assert following.refresh_expires_at == at.clock.time + REFRESH_LIFETIME
        claims = at.claims(following)
        assert claims.session_id == first.session_id
        assert claims.token_id != first.token_id
        assert (claims.subject, claims.role, claims.merchant_id) == (
            "staff-1", "owner", at.merchant.merchant_id,
        )  # fmt: skip
        pair = following
    at.clock.later(REFRESH_LIFETIME)
    assert not await at.goes_on(pair)


async def test_through_the_mesh_anybody_may_refresh_and_rubbish_is_refused(at: Auth) -> None:
    pair = await at.open()
    request = RefreshSession(refresh_token=pair.refresh_token)
    following: TokenPair = await at.call(REFRESH_SESSION, request, ANYONE)
    validated = await at.call(auth.VALIDATE_TOKEN, auth.ValidateToken(token=following.token), TEST)
    assert validated.session_id == at.claims(pair).session_id
    for rubbish in ("", "x", "ü" * 43, "a" * 43, "a" * 100_000, pair.token):
        with pytest.raises(Unauthenticated):
            await at.call(REFRESH_SESSION, RefreshSession(refresh_token=rubbish), ANYONE)


async def test_a_lost_answer_is_given_again(at: Auth) -> None:
    pair = await at.open()
    first = await at.refresh(pair)
    at.clock.later(GRACE)
    again = await at.refresh(pair)
    assert again.refresh_token == first.refresh_token
    assert again.refresh_expires_at == first.refresh_expires_at
    assert at.claims(again).session_id == at.claims(first).session_id
    assert not await at.is_refused(pair)
    assert await at.goes_on(again)


async def test_a_second_use_later_ends_the_session_for_both(at: Auth) -> None:
    said = await heard(at.process, AUTH_REVOKED, at.merchant.merchant_id)
    stolen = await at.open()
    other = await at.open()
    following = await at.refresh(stolen)
    at.clock.later(GRACE + timedelta(milliseconds=1))
    assert not await at.goes_on(stolen)
    assert not await at.goes_on(following)
    assert await at.is_refused(following)
    await eventually(lambda: _done(said))
    assert said[0].reason == "reused"
    assert said[0].subject == "staff-1"
    assert said[0].session_ids == (at.claims(following).session_id,)
    # Somebody who goes on trying changes nothing, and other sessions are not concerned.
    assert not await at.goes_on(stolen)
    assert not await at.is_refused(other)
    assert await at.goes_on(other)
    assert len(said) == 1


async def test_once_the_answer_was_used_it_is_not_given_again(at: Auth) -> None:
    pair = await at.open()
    following = await at.refresh(pair)
    newest = await at.refresh(following)
    assert not await at.goes_on(pair)
    assert not await at.goes_on(newest)
    assert await at.is_refused(newest)


async def test_of_two_that_refresh_at_once_none_loses_the_session(at: Auth) -> None:
    pair = await at.open()
    pairs = await asyncio.gather(*(at.refresh(pair) for _ in range(12)))
    (refresh_token,) = {each.refresh_token for each in pairs}
    assert refresh_token != pair.refresh_token
    assert len({at.claims(each).token_id for each in pairs}) == 12
    assert not await at.is_refused(pair)
    assert await at.goes_on(pairs[0])


async def test_a_thief_and_the_owner_at_once_never_both_go_on(at: Auth) -> None:
    for _ in range(5):
        stolen = await at.open()
        newest = await at.refresh(stolen)
        at.clock.later(GRACE + timedelta(seconds=1))
        await asyncio.gather(
            *(at.goes_on(each) for each in (newest, stolen, newest, stolen)),
        )
        assert await at.is_refused(newest)
        assert not await at.goes_on(newest)


async def test_revoking_and_refreshing_at_once_ends_what_was_refreshed(at: Auth) -> None:
    for _ in range(5):
        pair = await at.open()
        session_id = at.claims(pair).session_id
        assert session_id is not None
        await asyncio.gather(at.goes_on(pair), at.sessions.revoke(session_id))
        assert await at.is_refused(pair)
        assert not await at.goes_on(pair)


async def test_tokens_are_kept_nowhere(at: Auth) -> None:
    pair = await at.open()
    following = await at.refresh(pair)
    secrets = [each.refresh_token for each in (pair, following)]
    secrets += [pair.token, following.token, pair.token.split(".")[2]]
    found = ""
    async with world_of(at.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        for table in ("sessions", "used_refresh_tokens", "revocations"):
            rows = await connection.execute(text(f"SELECT t::text FROM {table} t"))
            found += "".join(row[0] for row in rows)
    assert str(at.claims(pair).session_id) in found
    for secret in secrets:
        assert secret not in found
        assert secret.encode().hex() not in found


async def test_an_impersonation_cannot_be_refreshed_beyond_its_end(at: Auth) -> None:
    end = at.clock.time + timedelta(minutes=30)
    pair = await at.open(impersonator="admin:9", lifetime=timedelta(minutes=30))
    assert pair.refresh_expires_at == end
    assert at.caller(pair).name == "merchant:staff-1 via admin:9"
    at.clock.later(timedelta(minutes=20))
    following = await at.refresh(pair)
    assert (following.expires_at, following.refresh_expires_at) == (end, end)
    claims = at.claims(following)
    assert (claims.expires_at, claims.impersonator) == (end, "admin:9")
    at.clock.later(timedelta(minutes=10))
    assert not await at.goes_on(following)


async def test_ones_own_sessions_are_listed_and_can_be_ended(at: Auth) -> None:
    pairs = [await at.open("ann") for _ in range(5)]
    await at.open("bob")
    foreign = replace(at.holder("ann"), merchant_id=(await register(at.process)).merchant_id)
    elsewhere = await at.sessions.open(foreign)
    ann = at.caller(pairs[0])
    ids = [at.claims(each).session_id for each in pairs]

    async def listed(limit: int = 250) -> list[SessionsPage]:
        pages: list[SessionsPage] = []
        cursor = None
        while not pages or cursor is not None:
            request = ListSessions(limit=limit, cursor=cursor)
            pages.append(await at.call(LIST_SESSIONS, request, ann))
            cursor = pages[-1].next_cursor
        return pages

    pages = await listed(2)
    assert [len(page.sessions) for page in pages] == [2, 2, 1]
    infos = [each for page in pages for each in page.sessions]
    assert [each.session_id for each in infos] == ids[::-1]
    assert [each.current for each in infos] == [False] * 4 + [True]
    assert {each.device for each in infos} == {"Firefox on Linux"}
    odd = await at.sessions.open(at.holder("odd"), device="\0\n" + "ü" * 500)
    (mine,) = (await at.call(LIST_SESSIONS, ListSessions(), at.caller(odd))).sessions
    assert mine.device == "ü" * 120

    one = RevokeSession(session_id=ids[3] or NO_SHOP)
    assert (await at.call(REVOKE_SESSION, one, ann)).sessions == 1
    assert (await at.call(REVOKE_SESSION, one, ann)).sessions == 0
    assert await at.is_refused(pairs[3])
    assert not await at.goes_on(pairs[3])
    (page,) = await listed()
    assert [each.session_id for each in page.sessions] == [ids[4], *ids[2::-1]]

    for session_id in (at.claims(elsewhere).session_id, uuid4()):
        with pytest.raises(NotFound):
            await at.call(REVOKE_SESSION, RevokeSession(session_id=session_id or NO_SHOP), ann)
    assert await at.goes_on(elsewhere)

    assert (await at.call(LOG_OUT, Nothing(), ann)).sessions == 1
    assert (await at.call(LOG_OUT, Nothing(), ann)).sessions == 0
    assert await at.is_refused(pairs[0])
    assert not await at.goes_on(pairs[0])
    assert await at.goes_on(pairs[1])

    with pytest.raises(InvalidRequest) as refusal:
        await at.call(LIST_SESSIONS, ListSessions(limit=0, cursor="x"), ann)
    assert {each.pointer for each in refusal.value.problems} == {"/limit", "/cursor"}
    for operation, request in (
        (LIST_SESSIONS, ListSessions()), (LOG_OUT, Nothing()), (REVOKE_SESSION, one),
    ):  # fmt: skip
        with pytest.raises(Unauthenticated):
            await at.call(operation, request, ANYONE)


async def test_support_ends_a_token_a_session_a_person_a_shop(at: Auth) -> None:
    admin = Caller(audience=Audience.ADMIN, actor="9", permissions=("admin:support",))
    domain = at.merchant.shop_domain

    async def revoke(**what: Any) -> tuple[int, int]:
        done = await at.call(REVOKE, Revoke(**what), admin)
        return done.sessions, done.tokens

    bob = f"bob-{uuid4().hex}"
    pair, other = await at.open("ann"), await at.open(bob)
    token_id = at.claims(pair).token_id
    assert await revoke(token_id=token_id) == (0, 1)
    assert await revoke(token_id=token_id) == (0, 0)
    assert await at.is_refused(pair)
    with pytest.raises(Unauthenticated, match="revoked"):
        await at.call(auth.VALIDATE_TOKEN, auth.ValidateToken(token=pair.token), TEST)
    following = await at.refresh(pair)  # the session goes on
    assert not await at.is_refused(following)
    assert await revoke(session_id=at.claims(following).session_id) == (1, 0)
    assert await at.is_refused(following)
    with pytest.raises(Unauthenticated, match="revoked"):
        await at.call(auth.VALIDATE_TOKEN, auth.ValidateToken(token=following.token), TEST)

    bobs = [other, await at.open(bob), await at.open("owner", impersonator=f"merchant:{bob}")]
    elsewhere = await register(at.process)
    abroad = await at.sessions.open(replace(at.holder(bob), merchant_id=elsewhere.merchant_id))
    carl, member = await at.open("carl"), uuid4()
    assert await revoke(audience="merchant", subject=bob, shop_domain=domain) == (3, 0)
    assert [await at.is_refused(each) for each in (*bobs, abroad, carl)] == [True] * 3 + [False] * 2
    assert await revoke(audience="merchant", subject=bob) == (1, 0)
    assert await at.is_refused(abroad)

    customer = Holder(
        Audience.CUSTOMER, "carl", merchant_id=at.merchant.merchant_id, customer_id=member
    )
    members = await at.sessions.open(customer)
    assert await revoke(shop_domain=domain) == (2, 0)
    assert [await at.is_refused(each) for each in (carl, members)] == [True, True]
    assert not await at.goes_on(carl)
    assert await at.goes_on(await at.open("carl"))  # a new log-in is fine

    staff = await at.sessions.open(Holder(Audience.ADMIN, "8", role="support"))
    assert at.claims(staff).merchant_id is None
    assert await at.goes_on(staff)
    assert await revoke(audience="admin", subject="8") == (1, 0)
    assert await at.is_refused(staff)

    for missing in (
        {"session_id": uuid4()}, {"shop_domain": "nowhere.myshopify.com"}, {"shop_domain": "x"},
        {"audience": "merchant", "subject": "x", "shop_domain": "nowhere.myshopify.com"},
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await revoke(**missing)
    for bad in (
        {}, {"token_id": "t", "session_id": uuid4()}, {"subject": "bob"}, {"audience": "merchant"},
        {"audience": "service", "subject": "x"}, {"token_id": "a b"}, {"token_id": "a" * 101},
        {"audience": "admin", "subject": "\0"}, {"token_id": "t", "shop_domain": domain},
    ):  # fmt: skip
        with pytest.raises(InvalidRequest):
            await revoke(**bad)
    owner = Caller(
        audience=Audience.MERCHANT, actor="ann", merchant_id=at.merchant.merchant_id,
        permissions=("settings:*",),
    )  # fmt: skip
    with pytest.raises(Forbidden):
        await at.call(REVOKE, Revoke(shop_domain=domain), owner)


async def test_a_closed_shop_has_no_sessions_and_a_new_beginning_keeps_its_own(at: Auth) -> None:
    merchant = at.merchant
    pair = await at.open()
    other = Auth(at.process, await register(at.process))
    untouched = await other.open()
    removed = datetime.now(UTC)
    body = shop.Uninstalled(shop_domain=merchant.shop_domain)
    await say(at.process, shop.APP_UNINSTALLED, body, merchant.merchant_id, at=removed)
    await eventually(lambda: at.is_refused(pair))
    assert not await at.goes_on(pair)
    with pytest.raises(NotFound):
        await at.open()

    await register(at.process, merchant.shop_domain)
    assert not await at.goes_on(pair)
    at.clock.time = datetime.now(UTC)
    fresh = await at.open()
    # What was said of the shop before comes again, late.
    closed = auth.MerchantChanged(shop_domain=merchant.shop_domain, status="uninstalled")
    await say(at.process, auth.MERCHANT_CHANGED, closed, merchant.merchant_id, at=removed)
    marker = await register(at.process)
    marked = Auth(at.process, marker)
    last = await marked.open()
    gone = auth.MerchantChanged(shop_domain=marker.shop_domain, status="suspended")
    await say(at.process, auth.MERCHANT_CHANGED, gone, marker.merchant_id, at=datetime.now(UTC))
    await eventually(lambda: marked.is_refused(last))
    assert not await at.is_refused(fresh)
    assert await at.goes_on(fresh)
    assert await other.goes_on(untouched)


async def test_a_refresh_meets_a_shop_that_is_just_closed(at: Auth) -> None:
    """Before the news that ends its sessions is through."""
    pair = await at.open()
    async with world_of(at.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        await connection.execute(
            text(
                "UPDATE merchants SET status = 'suspended', suspended_at = now()"
                " WHERE merchant_id = :id"
            ),
            {"id": at.merchant.merchant_id},
        )
    assert not await at.goes_on(pair)


async def test_what_is_over_is_forgotten_and_nothing_else(at: Auth) -> None:
    pair = await at.open()
    newest = await at.refresh(pair)
    ended = await at.open("ann")
    session_id = at.claims(ended).session_id
    assert session_id is not None
    await at.sessions.revoke(session_id)

    async def rows() -> dict[str, int]:
        mine = {"id": at.merchant.merchant_id}
        counts = {}
        async with world_of(at.process).database("auth").transaction(ACROSS_SHOPS) as connection:
            for table, which in (
                ("sessions", "merchant_id = :id"),
                ("used_refresh_tokens", "session_id IN (SELECT session_id FROM sessions"
                 " WHERE merchant_id = :id)"),
            ):  # fmt: skip
                query = f"SELECT count(*) FROM {table} WHERE {which}"
                counts[table] = int((await connection.execute(text(query), mine)).scalar_one())
        return counts

    async def forget(now: datetime) -> None:
        async with at.units() as unit:
            await unit.stores.forget_ended(now)

    await forget(at.clock.time + REMEMBERED - timedelta(seconds=1))
    assert await at.is_refused(ended)
    await forget(at.clock.time + REMEMBERED + timedelta(seconds=1))
    assert not await at.is_refused(ended)
    assert await rows() == {"sessions": 2, "used_refresh_tokens": 1}
    for _ in range(2):
        at.clock.later(timedelta(days=1))
        newest = await at.refresh(newest)
    await forget(at.clock.time + timedelta(days=28, hours=1))
    assert await rows() == {"sessions": 1, "used_refresh_tokens": 1}
    await forget(at.clock.time + timedelta(days=31))
    assert await rows() == {"sessions": 0, "used_refresh_tokens": 0}


async def _done(said: list[Any]) -> bool:
    return bool(said)
