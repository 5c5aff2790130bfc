"""What the gateway grants, without servers: fresh within two seconds, local in between, safe when
roles is away."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.caller import Audience
from contracts.roles import GET_VERSIONS, Assigned, Permissions, Versions
from domain.errors import DeadlineExceeded, LoyaltyError, NotFound, Unavailable
from domain.rbac import DEFAULT_ROLES
from ports.tokens import Claims
from services.api_gateway.permissions import FRESH_SECONDS, IDLE_SECONDS, STALE_SECONDS, Grants

SHOP = uuid4()
BUILT_IN = {role.name: tuple(sorted(role.grants)) for role in DEFAULT_ROLES}
READ, MORE = ("points:read",), ("points:adjust", "points:read")


class Roles:
    """The roles service as the gateway meets it: what is true there, and how often it is asked."""

    def __init__(self, **assigned: tuple[str, ...]) -> None:
        self.now = 0.0
        self.assigned: Mapping[str, tuple[str, ...]] = assigned
        self.version = 1
        self.away: LoyaltyError | None = None
        self.questions = 0
        self.checks = 0
        self.during: Any = None

    def monotonic(self) -> float:
        return self.now

    def change(self, **assigned: tuple[str, ...]) -> None:
        self.assigned = assigned
        self.version += 1

    async def call(self, operation: Any, request: Any, *_: Any, **__: Any) -> Any:
        if self.away is not None:
            raise self.away
        if operation is GET_VERSIONS:
            self.checks += 1
            return Versions(versions=(self.version,) * len(request.merchant_ids))
        self.questions += 1
        name = getattr(request, "subject", None) or request.role
        granted, version = self.assigned.get(name), self.version
        if self.during is not None:
            self.during()
        if hasattr(request, "subject"):
            return Assigned(role="any", permissions=granted or (), version=version)
        if granted is None:
            raise NotFound
        return Permissions(permissions=granted, version=version)


def grants_of(roles: Roles, *, development: bool = False) -> Grants:
    return Grants(roles, development=development, monotonic=roles.monotonic)


def claims(subject: str = "ann", role: str = "owner", **more: Any) -> Claims:
    now = datetime.now(UTC)
    given: dict[str, Any] = {"audience": Audience.MERCHANT, "merchant_id": SHOP} | more
    return Claims(
        subject=subject, role=role, token_id="t", issued_at=now,
        expires_at=now + timedelta(minutes=15), **given,
    )  # fmt: skip


async def test_what_is_assigned_counts_and_not_the_role_at_log_in() -> None:
    grants = grants_of(Roles(ann=READ))
    assert await grants.of(claims("ann", role="owner")) == READ
    assert await grants.of(claims("bob", role="owner")) == ()


async def test_people_who_look_all_the_time_cost_one_check_a_round() -> None:
    roles = Roles(**{f"p{number}": READ for number in range(50)})
    grants = grants_of(roles)
    for _ in range(20):
        for number in range(50):
            assert await grants.of(claims(f"p{number}")) == READ
        roles.now += 0.8
        await grants.check()
    assert (roles.questions, roles.checks) == (50, 20)


async def test_without_any_event_a_change_counts_within_two_seconds() -> None:
    roles = Roles(ann=READ)
    grants = grants_of(roles)
    await grants.of(claims())
    roles.change(ann=())
    roles.now = FRESH_SECONDS - 0.1
    assert await grants.of(claims()) == READ
    roles.now = FRESH_SECONDS
    assert await grants.of(claims()) == ()


async def test_a_check_finds_the_change_before_that() -> None:
    roles = Roles(ann=READ, bob=MORE)
    grants = grants_of(roles)
    await grants.of(claims("ann"))
    await grants.of(claims("bob"))
    roles.change(ann=(), bob=MORE)
    roles.now = 0.8
    await grants.check()
    assert await grants.of(claims("ann")) == ()
    assert await grants.of(claims("bob")) == MORE


async def test_an_event_makes_it_count_at_once_also_for_a_question_that_is_out() -> None:
    roles = Roles(ann=READ)
    grants = grants_of(roles)
    await grants.of(claims())
    roles.change(ann=MORE)
    grants.forget(uuid4())
    assert await grants.of(claims()) == READ
    grants.forget(SHOP)
    assert await grants.of(claims()) == MORE

    def change_again() -> None:
        roles.during = None
        roles.change(ann=())
        grants.forget(SHOP)

    grants.forget(SHOP)
    roles.during = change_again
    assert await grants.of(claims()) == MORE  # asked before the change
    assert await grants.of(claims()) == ()


async def test_nobody_else_is_kept_when_a_newer_answer_shows_a_change() -> None:
    roles = Roles(ann=READ, bob=MORE)
    grants = grants_of(roles)
    await grants.of(claims("ann"))
    roles.change(ann=())
    await grants.of(claims("bob"))
    assert await grants.of(claims("ann")) == ()


@pytest.mark.parametrize("away", [Unavailable(), DeadlineExceeded()])
async def test_while_roles_is_away_the_last_word_holds_for_a_minute(away: LoyaltyError) -> None:
    roles = Roles(ann=READ)
    grants = grants_of(roles)
    await grants.of(claims())
    roles.away = away
    roles.now = STALE_SECONDS
    with pytest.raises(Unavailable):
        await grants.check()
    assert await grants.of(claims()) == READ
    with pytest.raises(type(away)):
        await grants.of(claims("bob"))
    roles.now = STALE_SECONDS + 1
    with pytest.raises(type(away)):
        await grants.of(claims())


async def test_after_an_event_the_last_word_does_not_hold_even_while_roles_is_away() -> None:
    roles = Roles(ann=READ)
    grants = grants_of(roles)
    await grants.of(claims())
    grants.forget(SHOP)
    roles.away = Unavailable()
    with pytest.raises(Unavailable):
        await grants.of(claims())


async def test_shops_that_nobody_looks_at_are_not_asked_for() -> None:
    roles = Roles(ann=READ)
    grants = grants_of(roles)
    await grants.check()
    await grants.of(claims())
    roles.now = IDLE_SECONDS + 1
    await grants.check()
    assert roles.checks == 0
    await grants.of(claims())
    assert roles.questions == 2


async def test_tokens_for_development_hold_only_where_they_are_made() -> None:
    roles = Roles(clerk=READ)
    for subject in ("development", "demo"):
        assert await grants_of(roles).of(claims(subject, role="owner")) == ()
        grants = grants_of(roles, development=True)
        assert await grants.of(claims(subject, role="viewer")) == BUILT_IN["viewer"]
        assert await grants.of(claims(subject, role="clerk")) == READ
        assert await grants.of(claims(subject, role="nobody")) == ()
        assert await grants.of(claims("ann", role="owner")) == ()


async def test_an_impersonator_has_a_built_in_role_or_nothing() -> None:
    roles = Roles(clerk=MORE, ann=MORE)
    grants = grants_of(roles)
    token = {"impersonator": "admin:1"}
    assert await grants.of(claims("admin:1", role="support", **token)) == BUILT_IN["support"]
    assert await grants.of(claims("ann", role="clerk", **token)) == ()
    assert roles.questions == 0


@pytest.mark.parametrize(
    ("audience", "merchant_id"),
    [(Audience.ADMIN, None), (Audience.ADMIN, SHOP), (Audience.MERCHANT, None)],
)
async def test_nothing_by_default(audience: Audience, merchant_id: UUID | None) -> None:
    roles = Roles(ann=MORE, owner=MORE)
    granted = await grants_of(roles).of(claims(audience=audience, merchant_id=merchant_id))
    assert (granted, roles.questions) == ((), 0)
