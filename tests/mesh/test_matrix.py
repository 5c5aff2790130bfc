"""Who may do what: every operation for every role, with the ids of the own shop's rows and with
those of another shop's, through the gateway, by GraphQL and directly over NATS.

Whoever lacks the permission is refused, whoever has it is not. The ids of another shop's rows are
answered like ids that nobody has; nothing of that shop is in any answer, and after all of it that
shop is as it was. A member reaches their own account and nobody else's.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Final
from uuid import uuid4

import pytest
import pytest_asyncio

from contracts.caller import Audience
from contracts.kit import AUTHENTICATED, PUBLIC, Idempotency
from domain.rbac import ADMIN, ADMIN_ROLES
from services import SERVICES
from tests.conftest import Run
from tests.mesh.askings import (
    ANYBODY,
    ASKERS,
    BOUND,
    MEMBER,
    OPERATIONS,
    OTHERS,
    OWNER,
    Answer,
    AnyOperation,
    Asker,
    World,
    all_of,
    is_of_a_shop,
    may,
    named,
    wrong,
)
from tests.mesh.graphql import questions
from tests.mesh.two_shops import Ids, Shop, admin, key_of, nobodys, open_shop, reopen, texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBERS_REACH: Final = frozenset(
    (
        "gamification.v1.GetLeaderboard",
        "gamification.v1.ListBadges",
        "points.v1.CancelRedemption",
        "points.v1.EarnPoints",
        "points.v1.GetOwnPoints",
        "points.v1.GetPointsBalance",
        "points.v1.GetPointsBalances",
        "points.v1.GetPointsHistory",
        "points.v1.GetRedemption",
        "points.v1.GetReward",
        "points.v1.GetStatement",
        "points.v1.ListLots",
        "points.v1.ListOffers",
        "points.v1.ListRedemptions",
        "points.v1.ListRewards",
        "points.v1.RedeemOwnPoints",
        "points.v1.RedeemPoints",
        "referrals.v1.Claim",
        "referrals.v1.CreateLink",
        "referrals.v1.GetProgress",
        "referrals.v1.GetReferralStatus",
        "users.v1.SetBirthday",
    )
)
"""What a member's token is good for, besides what anybody's is."""

NOT_404: Final[Mapping[str, frozenset[int]]] = {
    # A member has no row there before something happens, so any id may be one's: the answer is
    # about the asking shop's own, which has nothing yet or begins with this.
    "campaign.v1.GetVIPTier": frozenset((200,)),
    "gamification.v1.AwardBadge": frozenset((200,)),
    "points.v1.ExplainPurchase": frozenset((200,)),
    "points.v1.SyncSales": frozenset((200,)),
    "points.v1.ListOffers": frozenset((200,)),
    "referrals.v1.CreateLink": frozenset((200,)),
    # Anybody may be given a role before they log in.
    "roles.v1.AssignRole": frozenset((200, 400)),
    # What is named as a part of something else is refused with a pointer to it.
    "roles.v1.CreateRole": frozenset((400,)),
    "roles.v1.UpdateRole": frozenset((400,)),
    "referrals.v1.Claim": frozenset((400,)),
    # An activity is a part of the program, and another shop's is in none of this one.
    "points.v1.EarnPoints": frozenset((422,)),
}
"""How the id of nobody's row is answered where that is neither 404 nor an empty list."""

ONE_AFTER_ANOTHER: Final = frozenset(
    (
        "auth.v1.CreateOrganization",
        "auth.v1.GetOrganization",
        "auth.v1.InviteShop",
        "auth.v1.JoinOrganization",
        "auth.v1.LeaveOrganization",
    )
)
"""What is refused after others of these: a shop is in one organisation, or in none."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(run: Run) -> AsyncIterator[World]:
    # GraphQL counts all that it is asked as one.
    async with run(*SERVICES, rate_limit_percent="1000") as process:
        tags = [f"{name}{uuid4().hex[:8]}" for name in ("ours", "theirs")]
        admins = {role.name: await admin(process, role.name) for role in ADMIN_ROLES}
        superadmin = admins["superadmin"]
        ours, theirs = await asyncio.gather(*(open_shop(process, tag, superadmin) for tag in tags))
        one = World(process, ours, theirs, admins)
        yield one
        await reopen(process, superadmin)
        await one.http.aclose()


def permitted(answer: Answer) -> bool:
    """Refused by the check of permissions, or let through it, as it should be."""
    operation, asker = answer.operation, answer.asker
    if not may(asker, operation.permission):
        nobody = asker.expired or asker.audience is Audience.ANYONE
        return answer.status == (401 if nobody else 403)
    if answer.status >= 500:
        return False
    # What anybody may ask, such as a log-in, refuses by itself, and answers only so often.
    by_itself = operation.permission in (PUBLIC, AUTHENTICATED)
    return by_itself or answer.status not in (401, 403, 429)


def leaks(answer: Answer, marks: Iterable[str]) -> bool:
    """Whether there is something in it that was not in the question. LoyalNest's own staff looks
    at every shop."""
    if answer.asker.audience is Audience.ADMIN:
        return False
    text = answer.text
    for asked in texts_of(answer.request):
        text = text.replace(asked, "")
    return any(mark in text for mark in marks)


async def test_the_members_reach_is_what_it_is_meant_to_be() -> None:
    reach = {each.name for each in OPERATIONS if may(MEMBER, each.permission)}
    anybodys = {each.name for each in OPERATIONS if each.permission in (PUBLIC, AUTHENTICATED)}
    assert reach - anybodys == MEMBERS_REACH
    assert all(
        named(each, nobodys("")) or each.name.endswith(("Leaderboard", "ListRewards"))
        for each in OPERATIONS
        if each.name in MEMBERS_REACH
    )


async def test_every_id_that_can_be_named_has_a_row() -> None:
    ids = nobodys("")
    unknown = [
        f"{each.name}.{field}"
        for each in OPERATIONS
        if is_of_a_shop(each) or each.permission == AUTHENTICATED
        for field in each.request.__struct_fields__
        if re.fullmatch(r"(.*_)?ids?", field) and not key_of(ids, each, field)
    ]
    assert unknown == [], "give them a row in tests/mesh/two_shops.py"


Ask = Callable[[AnyOperation, Asker, Ids, Shop], Awaitable[Answer]]

WAYS: Final = ("over_http", "over_nats")
SOME: Final = [
    each
    for each in ASKERS
    if each in (OWNER, OTHERS[-1], MEMBER, ANYBODY)
    or each.name in ("a role without anything", "no role any more", "admin superadmin", "expired")
]
"""By GraphQL, which asks the same check of permissions as HTTP: one of each kind."""


def every(way: str) -> list[tuple[AnyOperation, Asker]]:
    """Every operation that is reached this way, with everybody who may ask."""
    if way == "over_http":
        return [(operation, asker) for operation in BOUND for asker in ASKERS]
    if way == "over_graphql":
        return [(each, asker) for each in BOUND if each.name in questions() for asker in SOME]
    # Nobody is checked for what is public, and there are no tokens that could be expired.
    return [
        (operation, asker)
        for operation in OPERATIONS
        for asker in ASKERS
        if not asker.expired and (operation.permission != PUBLIC or asker is ANYBODY)
    ]


@pytest.mark.parametrize("way", [*WAYS, "over_graphql"])
async def test_every_operation_for_every_role(world: World, way: str) -> None:
    ours, ask = world.ours, getattr(world, way)
    owners = [each for each in every(way) if each[1] is OWNER]
    others = [each for each in every(way) if each[1] is not OWNER]
    answers = await all_of(ask(*each, ours.ids, ours) for each in owners)
    # The requests are good ones, when they are made for the first time.
    first = [
        each
        for each in answers
        if is_of_a_shop(each.operation)
        and (way == "over_http" or each.operation.http is None)
        and each.operation.name not in ONE_AFTER_ANOTHER
    ]
    assert wrong(first, lambda each: each.fine) == []
    answers += await all_of(ask(*each, ours.ids, ours) for each in others)
    assert wrong(answers, permitted) == []
    assert wrong(answers, lambda each: not leaks(each, world.theirs.marks)) == []
    neighbours = texts_of(ours.neighbours) - texts_of(ours.ids)
    mine = [each for each in answers if each.asker is MEMBER]
    assert wrong(mine, lambda each: not leaks(each, neighbours)) == []


@pytest.mark.parametrize("way", WAYS)
async def test_another_shops_rows_do_not_exist(world: World, way: str) -> None:
    ours, theirs, ask = world.ours, world.theirs, getattr(world, way)
    ids = theirs.ids if way == "over_http" else theirs.neighbours
    before = await world.as_it_is(theirs)
    naming = [
        (operation, asker)
        for operation, asker in every(way)
        if named(operation, ids) and operation.permission not in (*ADMIN, PUBLIC)
    ]
    # What is written under such an id is a row of the shop's own from then on.
    for changing in (False, True):
        answers = await all_of(
            ask(operation, asker, ids, ours)
            for operation, asker in naming
            if changing is (operation.idempotency is not Idempotency.SAFE)
        )
        assert wrong(answers, permitted) == []
        assert wrong(answers, lambda each: not leaks(each, theirs.marks)) == []
        let_in = [each for each in answers if may(each.asker, each.permission)]
        rows = wrong(let_in, lambda each: each.asker is MEMBER or is_no_row(each))
        assert rows == [], "or NOT_404 has to say why"
        likewise = await all_of(
            ask(each.operation, each.asker, nobodys("nobodys"), ours) for each in let_in
        )
        pairs = zip(let_in, likewise, strict=True)
        assert [f"{one}\n{two}" for one, two in pairs if not same(one, two)] == []
    assert await world.as_it_is(theirs) == before


def is_no_row(answer: Answer) -> bool:
    expected = NOT_404.get(answer.operation.name, frozenset())
    return answer.status == 404 or answer.empty or answer.status in expected


def same(theirs: Answer, nobodys: Answer) -> bool:
    """Nobody can tell from the answer whether another shop has a row of this id."""
    if theirs.operation.name in NOT_404:
        return theirs.status == nobodys.status
    return theirs.shape() == nobodys.shape()


async def test_a_foreign_row_among_own_ones_does_not_exist_either(world: World) -> None:
    ours, theirs = world.ours, world.theirs
    several = [each for each in OPERATIONS if is_of_a_shop(each) and len(named(each, ours.ids)) > 1]
    assert several
    before = await world.as_it_is(theirs)
    answers = await all_of(
        world.over_nats(operation, OWNER, ours.ids | {key: theirs.ids[key]}, ours)
        for operation in several
        for key in [key_of(theirs.ids, operation, field) for field in named(operation, ours.ids)]
    )
    assert wrong(answers, is_no_row) == []
    assert wrong(answers, lambda each: not leaks(each, theirs.marks)) == []
    assert await world.as_it_is(theirs) == before


@pytest.mark.parametrize("way", WAYS)
async def test_a_member_reaches_no_other_member(world: World, way: str) -> None:
    ours, ask = world.ours, getattr(world, way)
    asked = [
        operation
        for operation, asker in every(way)
        if asker is MEMBER and named(operation, ours.neighbours)
    ]
    answers, likewise = [], []
    for changing in (False, True):  # what is read must not change meanwhile
        these = [each for each in asked if changing is (each.idempotency is not Idempotency.SAFE)]
        answers += await all_of(ask(each, MEMBER, ours.neighbours, ours) for each in these)
        likewise += await all_of(ask(each, MEMBER, nobodys("nobodys"), ours) for each in these)
    assert wrong(answers, permitted) == []
    theirs = texts_of(ours.neighbours) - texts_of(ours.ids)
    assert wrong(answers, lambda each: not leaks(each, theirs)) == []
    pairs = zip(answers, likewise, strict=True)
    different = [(one, two) for one, two in pairs if one.shape() != two.shape()]
    # A code is made to be handed on, and what is offered is offered to everybody.
    meant = {
        "points.v1.GetReward",
        "points.v1.RedeemOwnPoints",
        "points.v1.RedeemPoints",
        "referrals.v1.Claim",
    }
    assert [str(one) for one, _ in different if one.operation.name not in meant] == []


async def test_how_much_was_asked(world: World, counted: Callable[[str], None]) -> None:
    """Comes last."""
    http, nats, graphql = (world.asked[way] for way in ("http", "nats", "graphql"))
    counted(
        f"matrix: {len(OPERATIONS)} operations ({len(BOUND)} with HTTP) x {len(ASKERS)} roles x own"
        f" and another shop: {http} requests over HTTP, {nats} over NATS, {graphql} by GraphQL"
    )
    assert min(http, nats) > len(BOUND) * len(ASKERS)
    assert graphql == len(questions()) * len(SOME)
