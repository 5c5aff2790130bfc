"""What the gateway knows of revoked tokens, without servers: heard, learnt, forgotten, too old."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.caller import Audience
from contracts.sessions import AuthRevoked, ListRevoked, RevokedItem, RevokedList, Why
from domain.errors import DeadlineExceeded, LoyaltyError, Unauthenticated, Unavailable
from ports.sessions import REMEMBERED
from ports.tokens import LEEWAY, LIFETIME, Claims
from services.api_gateway.revoked import STALE_SECONDS, RevokedTokens

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SESSION = uuid4()


class Auth:
    """Answers what is revoked, or is away."""

    def __init__(self) -> None:
        self.revoked: tuple[RevokedItem, ...] = ()
        self.away: LoyaltyError | None = None
        self.as_of = NOW
        self.asked: list[datetime | None] = []

    async def call(self, *asked: Any, **_: Any) -> Any:
        request: ListRevoked = asked[1]
        self.asked.append(request.since)
        if self.away is not None:
            raise self.away
        return RevokedList(as_of=self.as_of, revoked=self.revoked)


class World:
    """A gateway's revoked tokens, with its two clocks in hand."""

    def __init__(self) -> None:
        self.auth = Auth()
        self.time = NOW
        self.seconds = 0.0
        self.tokens = RevokedTokens(self.auth, self, lambda: self.seconds)

    def now(self) -> datetime:
        return self.time

    def refuses(self, claims: Claims) -> bool:
        try:
            self.tokens.check(claims)
        except Unauthenticated:
            return True
        return False


def claims(session_id: UUID | None = SESSION, token_id: str = "t1") -> Claims:
    return Claims(
        audience=Audience.ADMIN,
        subject="7",
        token_id=token_id,
        session_id=session_id,
        issued_at=NOW,
        expires_at=NOW + LIFETIME,
    )


def said(**ids: Any) -> AuthRevoked:
    return AuthRevoked(expires_at=NOW + REMEMBERED, reason=Why.REVOKED, **ids)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.tokens.learn()
    return made


async def test_nobody_gets_in_before_it_is_known_what_is_revoked() -> None:
    world = World()
    with pytest.raises(Unavailable):
        world.tokens.check(claims())
    world.auth.away = Unavailable()
    with pytest.raises(Unavailable):
        await world.tokens.learn()
    with pytest.raises(Unavailable):
        world.tokens.check(claims())
    world.auth.away = None
    await world.tokens.learn()
    world.tokens.check(claims())


async def test_an_event_ends_a_session_or_one_token_and_no_other(world: World) -> None:
    world.tokens.hear(said(token_ids=("t1",)))
    assert world.refuses(claims())
    assert not world.refuses(claims(token_id="t2"))
    world.tokens.hear(said(session_ids=(SESSION,)))
    assert world.refuses(claims(token_id="t2"))
    assert not world.refuses(claims(uuid4(), "t2"))
    assert not world.refuses(claims(None, "t2"))


async def test_what_no_event_told_is_learnt_by_asking(world: World) -> None:
    other = uuid4()
    world.auth.revoked = (
        RevokedItem(session_id=SESSION, expires_at=NOW + REMEMBERED),
        RevokedItem(token_id="t9", expires_at=NOW + REMEMBERED),
    )
    world.auth.as_of = NOW + timedelta(seconds=1)
    await world.tokens.learn()
    assert world.refuses(claims())
    assert world.refuses(claims(other, "t9"))
    assert not world.refuses(claims(other))
    await world.tokens.learn()
    assert world.auth.asked == [None, NOW, NOW + timedelta(seconds=1)]


@pytest.mark.parametrize("away", [Unavailable(), DeadlineExceeded()])
async def test_while_auth_is_away_what_is_known_holds_for_half_a_minute(
    world: World, away: LoyaltyError
) -> None:
    world.tokens.hear(said(session_ids=(SESSION,)))
    world.auth.away = away
    world.seconds = STALE_SECONDS
    with pytest.raises(Unavailable):
        await world.tokens.learn()
    assert world.refuses(claims())
    world.tokens.check(claims(uuid4()))
    world.seconds = STALE_SECONDS + 0.1
    with pytest.raises(Unavailable):  # not: log in again, for the token may be a good one
        world.tokens.check(claims(uuid4()))
    # An event alone does not tell what was missed.
    world.tokens.hear(said(token_ids=("t5",)))
    with pytest.raises(Unavailable):
        world.tokens.check(claims(uuid4()))
    world.auth.away = None
    await world.tokens.learn()
    world.tokens.check(claims(uuid4()))
    assert world.refuses(claims())


async def test_an_answer_that_took_long_is_as_old_as_its_question(world: World) -> None:
    class Slow(Auth):
        async def call(self, *asked: Any, **more: Any) -> Any:
            world.seconds += STALE_SECONDS + 1
            return await super().call(*asked, **more)

    tokens = RevokedTokens(Slow(), world, lambda: world.seconds)
    await tokens.learn()
    with pytest.raises(Unavailable):
        tokens.check(claims())


async def test_it_is_remembered_until_the_verifier_refuses_the_last_token(world: World) -> None:
    """Issued a moment before by an auth whose clock goes ahead of the one that revoked. Both are
    forgotten by the gateway's own clock, so it does not matter how that one goes."""
    over_at = NOW + LEEWAY + LIFETIME
    dead_at = over_at + LEEWAY
    world.tokens.hear(said(session_ids=(SESSION,)))
    world.time = dead_at
    await world.tokens.learn()
    assert world.refuses(claims())
    world.time = dead_at + timedelta(seconds=1)
    await world.tokens.learn()
    assert not world.refuses(claims())


async def test_repeats_never_shorten_what_is_remembered(world: World) -> None:
    world.tokens.hear(said(session_ids=(SESSION,)))
    earlier = AuthRevoked(
        session_ids=(SESSION,), expires_at=NOW + timedelta(seconds=1), reason=Why.REVOKED
    )
    world.tokens.hear(earlier)
    world.time = NOW + timedelta(minutes=10)
    await world.tokens.learn()
    assert world.refuses(claims())
