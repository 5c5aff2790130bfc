"""What the bearer of a token may do right now, answered here without a call where it is known.

The role in a token is what it was at log-in. What counts is the role that its subject has, and what
that may do, neither older than two seconds. So the gateway remembers both for each shop that is
looked at, together with the version of the shop's roles, and asks once a second whether those
versions still hold: one call for all shops at once, however many people look and however much. An
event about a role makes it forget the shop in the same moment.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from contracts.auth import DEVELOPMENT_SUBJECTS
from contracts.caller import Audience, service_caller
from contracts.roles import (
    GET_ASSIGNMENT,
    GET_PERMISSIONS,
    GET_VERSIONS,
    Assigned,
    GetAssignment,
    GetVersions,
    Permissions,
    PermissionsOf,
)
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from domain.rbac import ADMIN_ROLES, CUSTOMER, DEFAULT_ROLES
from ports.mesh import Mesh
from ports.tokens import Claims

FRESH_SECONDS: Final = 2.0
"""Nothing that was true longer ago than this is relied on while roles can be asked."""
CHECK_SECONDS: Final = 0.8
"""How often versions are compared: twice before anything is too old to be relied on."""
STALE_SECONDS: Final = 60.0
"""While roles is away nobody changes one, so what it said last holds for this long, unless an event
says otherwise; after that nobody gets in."""
IDLE_SECONDS: Final = 60.0
"""A shop that nobody looked at for this long is forgotten."""
_DEADLINE: Final = 1.5
_MOST_SHOPS: Final = 10_000
_MOST_PEOPLE: Final = 1_000

_BUILT_IN: Final = {role.name: tuple(sorted(role.grants)) for role in DEFAULT_ROLES}
_ADMINS: Final = {role.name: tuple(sorted(role.grants)) for role in ADMIN_ROLES}

_Question = GetAssignment | PermissionsOf


@dataclass(slots=True)
class _Shop:
    """What is known of one shop: ``answers`` were all true, and ``version`` current, at
    ``true_at``."""

    used_at: float
    version: int = -1
    true_at: float = float("-inf")
    answers: dict[_Question, tuple[str, ...]] = field(default_factory=dict)


class Grants:
    """``development``: whether the role in a token made for development holds as it is."""

    def __init__(
        self,
        mesh: Mesh,
        *,
        development: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mesh = mesh
        self._trusted_subjects = DEVELOPMENT_SUBJECTS if development else frozenset[str]()
        self._monotonic = monotonic
        self._shops: dict[UUID, _Shop] = {}

    async def of(self, claims: Claims) -> tuple[str, ...]:
        """What the token grants; nothing by default. Raises Unavailable or DeadlineExceeded when
        that is not known and roles does not say."""
        if claims.audience is Audience.CUSTOMER:
            return _BUILT_IN[CUSTOMER]
        if claims.audience is Audience.ADMIN:
            return _ADMINS.get(claims.role, ())
        if claims.audience is not Audience.MERCHANT or claims.merchant_id is None:
            return ()
        if claims.impersonator:
            # LoyalNest's staff, who take on a built-in role that auth has checked.
            return _BUILT_IN.get(claims.role, ())
        if claims.subject not in self._trusted_subjects:
            return await self._known(claims.merchant_id, GetAssignment(subject=claims.subject))
        if claims.role in _BUILT_IN:
            return _BUILT_IN[claims.role]
        return await self._known(claims.merchant_id, PermissionsOf(role=claims.role))

    def forget(self, merchant_id: UUID) -> None:
        """Something about the roles or the staff of this shop has changed."""
        self._shops.pop(merchant_id, None)

    async def check(self) -> None:
        """Find out which shops are as they were; to be run every ``CHECK_SECONDS``. Raises
        Unavailable when roles does not say: then everything ages."""
        now = self._monotonic()
        for merchant_id, shop in tuple(self._shops.items()):
            if now - shop.used_at > IDLE_SECONDS:
                del self._shops[merchant_id]
        if self._shops:
            try:
                await self._compare(tuple(self._shops), now)
            except DeadlineExceeded as error:
                raise Unavailable from error

    async def _compare(self, merchant_ids: Collection[UUID], now: float) -> None:
        found = await self._mesh.call(
            GET_VERSIONS,
            GetVersions(merchant_ids=tuple(merchant_ids)),
            service_caller("api_gateway"),
            deadline=_DEADLINE,
        )
        for merchant_id, version in zip(merchant_ids, found.versions, strict=True):
            shop = self._shops.get(merchant_id)
            if shop is None:
                continue
            if shop.version == version:
                shop.true_at = max(shop.true_at, now)
            else:
                self.forget(merchant_id)

    async def _known(self, merchant_id: UUID, question: _Question) -> tuple[str, ...]:
        now = self._monotonic()
        shop = self._shops.get(merchant_id)
        if shop is None:
            if len(self._shops) >= _MOST_SHOPS:
                self._shops.clear()
            shop = self._shops[merchant_id] = _Shop(now)
        shop.used_at = now
        known = shop.answers.get(question)
        if known is not None and now - shop.true_at < FRESH_SECONDS:
            return known
        try:
            answer = await self._ask(merchant_id, question)
        except (Unavailable, DeadlineExceeded):
            # Still known? An event may have come while the question was out.
            same = self._shops.get(merchant_id) is shop
            if known is None or not same or now - shop.true_at > STALE_SECONDS:
                raise
            return known
        if answer is None:
            return ()
        # What was asked before an event came may be what was true before it.
        if self._shops.get(merchant_id) is shop:
            _learn(shop, question, answer, now)
        return answer.permissions

    async def _ask(self, merchant_id: UUID, question: _Question) -> Assigned | Permissions | None:
        caller = service_caller("api_gateway", merchant_id)
        if isinstance(question, GetAssignment):
            return await self._mesh.call(GET_ASSIGNMENT, question, caller, deadline=_DEADLINE)
        try:
            return await self._mesh.call(GET_PERMISSIONS, question, caller, deadline=_DEADLINE)
        except NotFound:
            return None  # the role is gone


def _learn(shop: _Shop, question: _Question, answer: Assigned | Permissions, asked: float) -> None:
    if answer.version != shop.version or len(shop.answers) >= _MOST_PEOPLE:
        shop.answers.clear()
        shop.version = answer.version
        shop.true_at = asked
    else:
        shop.true_at = max(shop.true_at, asked)
    shop.answers[question] = answer.permissions
