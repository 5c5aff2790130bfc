"""Who may do what: every operation for every role, with the ids of the own shop's rows and with
those of another shop's, through the gateway, by GraphQL and directly over NATS.

Whoever lacks the permission is refused, whoever has it is not. The ids of another shop's rows are
answered like ids that nobody has; nothing of that shop is in any answer, and after all of it that
shop is as it was. A member reaches their own account and nobody else's.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from adapters.runtime.host import Process
from adapters.system import SystemClock
from adapters.tokens.jwt_tokens import JwtIssuer
from adapters.tokens.keys import load_signing_keys
from contracts.caller import ANYONE, Audience, Caller
from contracts.generate.examples import example
from contracts.generate.schemas import Schemas, name_of
from contracts.http import STATUS
from contracts.kit import (
    AUTHENTICATED,
    INTERNAL,
    PUBLIC,
    Http,
    Idempotency,
    Operation,
    Request,
)
from contracts.registry import REGISTRY
from domain.badges import BADGES
from domain.errors import LoyaltyError
from domain.rbac import ADMIN, ADMIN_ROLES, DEFAULT_ROLES
from services import SERVICES
from tests.conftest import Run
from tests.mesh.graphql import questions
from tests.mesh.said import world_of
from tests.mesh.two_shops import (
    NOTHING,
    REWARD,
    STAFF,
    Ids,
    Shop,
    admin,
    key_of,
    nobodys,
    open_shop,
    reopen,
    staff,
    texts_of,
)

AnyOperation = Operation[Request, msgspec.Struct]

MOVING = {"core.v1.GetImport"}
"""What changes by itself: an import tries for a while to reach a Shopify that is not there."""

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONS: Final = [each for _, each in sorted(REGISTRY.operations.items())]
BOUND: Final = [each for each in OPERATIONS if each.http is not None]
SCHEMAS: Final = Schemas({each.request for each in OPERATIONS})

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

NEW: Final = frozenset(
    (
        "points.v1.CreateReward.product_id",
        "points.v1.UpdateReward.product_id",
        "referrals.v1.Claim.shopify_customer_id",
        "roles.v1.CreateRole.name",
        "users.v1.CreateUser.shopify_customer_id",
        "users.v1.LinkStaff.shopify_staff_id",
    )
)
"""Fields that name what is new to the shop, or Shopify's alone."""


@dataclass(frozen=True)
class Asker:
    """Somebody with a token, or without one. ``grants`` are the permissions and wildcards held."""

    name: str
    audience: Audience
    subject: str
    grants: frozenset[str] = frozenset()
    role: str = ""
    expired: bool = False


GRANTS: Final = {role.name: role.grants for role in DEFAULT_ROLES}
OWNER, *OTHERS = (Asker(name, Audience.MERCHANT, staff(name), GRANTS[name]) for name in STAFF)
MEMBER: Final = Asker("customer", Audience.CUSTOMER, "", GRANTS["customer"], role="customer")
ANYBODY: Final = Asker("anonymous", Audience.ANYONE, "")
ASKERS: Final = (
    OWNER,
    *OTHERS,
    MEMBER,
    Asker("a role without anything", Audience.MERCHANT, staff(NOTHING)),
    # What was said of the role at log-in is no role.
    Asker("no role any more", Audience.MERCHANT, "staff:gone", role="owner"),
    ANYBODY,
    *(
        Asker(f"admin {role.name}", Audience.ADMIN, "", role.grants, role=role.name)
        for role in ADMIN_ROLES
    ),
    Asker("expired", Audience.MERCHANT, staff("owner"), role="owner", expired=True),
)


def is_of_a_shop(operation: AnyOperation) -> bool:
    """Whether it needs one of the permissions that a shop's roles have."""
    return operation.permission not in (PUBLIC, AUTHENTICATED, INTERNAL, *ADMIN)


def may(asker: Asker, needed: str) -> bool:
    """The rules once more, as a table would have them."""
    if asker.expired or needed == INTERNAL:
        return False
    if needed == PUBLIC:
        return True
    if needed == AUTHENTICATED:
        return asker.audience is not Audience.ANYONE
    if (needed in ADMIN) != (asker.audience is Audience.ADMIN):
        return False
    area = needed.partition(":")[0]
    return bool(asker.grants & {needed, f"{area}:*", "admin:full"})


def request_of(operation: AnyOperation, ids: Ids, shop: Shop) -> dict[str, Any]:
    """A valid request that names rows by ``ids``, wherever one can be named."""
    schema = SCHEMAS.definitions[name_of(operation.request)]
    body: dict[str, Any] = example(schema, SCHEMAS.definitions, whole=False)
    body |= named(operation, ids)
    contents: dict[str, Any] = msgspec.to_builtins(
        body | CONTENTS.get(operation.name, lambda _: {})(shop)
    )
    return contents


def named(operation: AnyOperation, ids: Ids) -> dict[str, Any]:
    """The fields of a request that name rows, with the ids that they name."""
    fields = operation.request.__struct_fields__
    old = [each for each in fields if f"{operation.name}.{each}" not in NEW]
    keys = {each: key_of(ids, operation, each) for each in old}
    if keys.get("customer_id"):
        keys.pop("shopify_customer_id", None)  # one of the two
    return {each: ids[key] for each, key in keys.items() if key}


CONTENTS: Final[Mapping[str, Callable[[Shop], dict[str, Any]]]] = {
    "core.v1.UpdateSettings": lambda shop: {"settings": shop.settings},
    "event_tracking.v1.CreateTask": lambda _: {"kind": "noop"},
    "event_tracking.v1.CreateTasks": lambda _: {"tasks": [{"kind": "noop"}]},
    "frontend.v1.GetAsset": lambda _: {"path": "app.js"},
    "gamification.v1.AwardBadge": lambda _: {"badge": BADGES[0].id},
    "points.v1.CreateReward": lambda _: REWARD,
    "points.v1.SimulateProgram": lambda shop: {"settings": shop.settings},
    "points.v1.UpdateReward": lambda _: REWARD | {"version": 1},
    "referrals.v1.Claim": lambda _: {"shopify_customer_id": f"f{uuid4().hex[:12]}"},
    "roles.v1.CreateRole": lambda _: {"name": f"r{uuid4().hex}"},
    "users.v1.CreateUser": lambda _: {
        "email": f"{uuid4().hex}@example.com",
        "shopify_customer_id": "",
        "role": "",
    },
    "users.v1.LinkStaff": lambda _: {"shopify_staff_id": str(uuid4().int % 10**15 + 1)},
    "users.v1.UpdateUser": lambda _: {"language": "fr"},
}
"""What else a request has to say to be valid."""


class World:
    """Two shops, and everybody who may ask: all of them of the first shop."""

    def __init__(
        self, process: Process, ours: Shop, theirs: Shop, admins: Mapping[str, UUID]
    ) -> None:
        self.ours = ours
        self.theirs = theirs
        self._admins = admins
        self.asked: Counter[str] = Counter()
        self._mesh = world_of(process).mesh
        self.client = world_of(process).client
        self.vouching = world_of(process).vouching
        settings = world_of(process).settings
        keys = load_signing_keys(settings.jwt_key_file)
        self._issuer = JwtIssuer(keys, SystemClock())
        self._past = JwtIssuer(keys, Yesterday())
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.http_port}",
            timeout=10,
            limits=httpx.Limits(max_connections=8),
        )

    def _subject(self, asker: Asker, shop: Shop) -> str:
        if asker.audience is Audience.CUSTOMER:
            return f"customer:{shop.member}"
        return asker.subject or str(self._admins[asker.role])

    def token(self, asker: Asker, shop: Shop) -> str:
        issuer = self._past if asker.expired else self._issuer
        member = asker.audience is Audience.CUSTOMER
        return issuer.issue(
            asker.audience,
            self._subject(asker, shop),
            merchant_id=None if asker.audience is Audience.ADMIN else shop.merchant_id,
            customer_id=shop.member if member else None,
            role=asker.role or "viewer",
        ).token

    async def over_http(
        self, operation: AnyOperation, asker: Asker, ids: Ids, shop: Shop
    ) -> "Answer":
        assert operation.http is not None
        request = request_of(operation, ids, shop)
        headers = {}
        if asker.audience is not Audience.ANYONE:
            headers["Authorization"] = f"Bearer {self.token(asker, shop)}"
        if operation.idempotency is Idempotency.KEY:
            headers["Idempotency-Key"] = str(uuid4())
        path, rest = _path(operation.http, request)
        self.asked["http"] += 1
        if operation.http.method == "GET":
            answer = await self.http.get(path, params=_query(rest), headers=headers)
        else:
            answer = await self.http.request(
                operation.http.method, path, json=rest, headers=headers
            )
        return Answer(operation, asker, request, answer.status_code, answer.text)

    async def over_graphql(
        self, operation: AnyOperation, asker: Asker, ids: Ids, shop: Shop
    ) -> "Answer":
        request = request_of(operation, ids, shop)
        question = questions()[operation.name]
        headers = {}
        if asker.audience is not Audience.ANYONE:
            headers["Authorization"] = f"Bearer {self.token(asker, shop)}"
        asked = {
            "query": question.text, "variables": question.variables(request, str(uuid4())),
        }  # fmt: skip
        self.asked["graphql"] += 1
        answer = await self.http.post("/graphql", json=asked, headers=headers)
        status = answer.status_code
        if status == 200 and (errors := answer.json().get("errors")):
            status = errors[0]["extensions"]["status"]
        return Answer(operation, asker, request, status, answer.text)

    async def over_nats(
        self, operation: AnyOperation, asker: Asker, ids: Ids, shop: Shop
    ) -> "Answer":
        """As a service would be called by one that checks nothing."""
        request = request_of(operation, ids, shop)
        caller = ANYONE
        if asker.audience is not Audience.ANYONE:
            member = asker.audience is Audience.CUSTOMER
            caller = Caller(
                audience=asker.audience,
                actor=self._subject(asker, shop),
                merchant_id=None if asker.audience is Audience.ADMIN else shop.merchant_id,
                customer_id=shop.member if member else None,
                role=asker.role,
                permissions=tuple(asker.grants),
            )
        self.asked["nats"] += 1
        try:
            raw = await self._mesh.call_raw(
                operation.name,
                json.dumps(request).encode(),
                caller,
                idempotency_key=str(uuid4()),
                deadline=operation.deadline,
            )
        except LoyaltyError as error:
            text = f"{error.code} {error.detail}"
            return Answer(operation, asker, request, STATUS[error.kind], text)
        return Answer(operation, asker, request, 200, raw.decode())

    async def as_it_is(self, shop: Shop) -> dict[str, str]:
        """All that can be read of a shop by its owner, once nothing moves there any more."""
        reads = [
            each
            for each in BOUND
            if each.idempotency is Idempotency.SAFE
            and may(OWNER, each.permission)
            and each.permission != PUBLIC
            and each.name not in MOVING
        ]
        found: dict[str, str] = {}
        while True:
            answers = await all_of(self.over_http(each, OWNER, shop.ids, shop) for each in reads)
            assert wrong(answers, lambda each: each.fine) == []
            again = {each.operation.name: each.text for each in answers}
            if again == found:
                return found
            found = again


class Yesterday:
    def now(self) -> datetime:
        return datetime.now(UTC) - timedelta(days=1)


@dataclass(frozen=True)
class Answer:
    operation: AnyOperation
    asker: Asker
    request: dict[str, Any]
    status: int
    text: str

    @property
    def permission(self) -> str:
        return self.operation.permission

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300

    @property
    def empty(self) -> bool:
        """A list without anything in it."""
        try:
            answer = json.loads(self.text)
        except ValueError:
            return False
        lists = [each for each in answer.values() if isinstance(each, list)]
        return self.fine and lists != [] and not any(lists)

    def shape(self) -> tuple[int, str]:
        """What it says, but for ids, times and what was asked."""
        text = self.text
        for asked in sorted(texts_of(self.request), key=len, reverse=True):
            text = text.replace(asked, "…") if len(asked) > 3 else text
        return self.status, _CHANGING.sub("…", text)

    def __str__(self) -> str:
        return f"{self.operation.name} as {self.asker.name}: {self.status} {self.text[:200]}"


_CHANGING: Final = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)"
    r"|reserved|issuing"  # where there is no Shopify, it is asked again and again
)


def _path(http: Http, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    rest = dict(request)

    def put(found: re.Match[str]) -> str:
        return str(rest.pop(found[1]))

    return re.sub(r"{([a-z_]+)(?::path)?}", put, http.path), rest


def _query(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


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


async def all_of(askings: Iterable[Any]) -> list[Answer]:
    """Eight at a time."""
    turn = asyncio.Semaphore(8)

    async def one(asking: Any) -> Answer:
        async with turn:
            answer: Answer = await asking
            return answer

    return list(await asyncio.gather(*map(one, askings)))


def wrong(answers: Iterable[Answer], holds: Callable[[Answer], bool]) -> list[str]:
    return [str(each) for each in answers if not holds(each)]


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
