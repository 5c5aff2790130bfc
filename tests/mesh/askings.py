"""Every operation, everybody who may ask for it, and the ways to ask: through the gateway, by
GraphQL and directly over NATS."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import msgspec

from adapters.runtime.host import Process
from adapters.system import SystemClock
from adapters.tokens.jwt_tokens import JwtIssuer
from adapters.tokens.keys import load_signing_keys
from contracts.caller import ANYONE, Audience, Caller
from contracts.generate.examples import example
from contracts.generate.schemas import Schemas, name_of
from contracts.http import STATUS
from contracts.kit import AUTHENTICATED, INTERNAL, PUBLIC, Http, Idempotency, Operation, Request
from contracts.registry import REGISTRY
from domain.badges import BADGES
from domain.errors import LoyaltyError
from domain.rbac import ADMIN, ADMIN_ROLES, DEFAULT_ROLES
from tests.mesh.graphql import questions
from tests.mesh.said import world_of
from tests.mesh.two_shops import NOTHING, REWARD, STAFF, Ids, Shop, key_of, staff, texts_of

AnyOperation = Operation[Request, msgspec.Struct]

MOVING = {"core.v1.GetImport"}
"""What changes by itself: an import tries for a while to reach a Shopify that is not there."""

OPERATIONS: Final = [each for _, each in sorted(REGISTRY.operations.items())]
BOUND: Final = [each for each in OPERATIONS if each.http is not None]
SCHEMAS: Final = Schemas({each.request for each in OPERATIONS})

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
            timeout=60,
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
