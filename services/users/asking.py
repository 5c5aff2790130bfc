"""Who the people of a shop are: one, many, or a page of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from contracts.caller import Caller
from contracts.paging import BAD_CURSOR, MOST
from contracts.users import GetUser, ListUsers, User, Users, UsersOf
from domain.errors import InvalidRequest, NotFound, Problem
from ports.people import People, Person, Place
from ports.unit import Units
from services.users.checks import listing_problems
from services.users.envelope import Envelopes
from services.users.finding import Finding
from services.users.staff import Roles


class Asking:
    def __init__(
        self, units: Units[People], envelopes: Envelopes, finding: Finding, roles: Roles
    ) -> None:
        self._units = units
        self._envelopes = envelopes
        self._finding = finding
        self._roles = roles

    async def user(self, caller: Caller, request: GetUser) -> User:
        async with self._units() as unit:
            found = await unit.stores.find(caller.tenant, [request.user_id])
        if not found:
            raise NotFound("This shop has no such person.")
        return (await self._opened(caller.tenant, found))[0]

    async def users(self, caller: Caller, request: UsersOf) -> Users:
        """Those that the shop has, in no particular order."""
        if len(request.user_ids) > MOST:
            raise InvalidRequest(problems=[Problem("/user_ids", f"At most {MOST} at once.")])
        async with self._units() as unit:
            found = await unit.stores.find(caller.tenant, request.user_ids)
        return Users(users=await self._opened(caller.tenant, found))

    async def page(self, caller: Caller, request: ListUsers) -> Users:
        if request.search:
            found = await self._finding.by_name(caller, request)
            people = await self._roles.shown(caller.tenant, found.users)
            return msgspec.structs.replace(found, users=people)
        after = _checked(request)
        tenant = caller.tenant
        index = ""
        if request.email:
            index = (await self._envelopes.of(tenant)).index(request.email)
            if not index:
                return Users(users=())  # nothing but blanks
        async with self._units() as unit:
            rows = await unit.stores.page(tenant, request.kind, index, after, request.limit + 1)
        page = rows[: request.limit]
        return Users(
            users=await self._opened(tenant, page),
            next_cursor=_cursor(page[-1]) if len(rows) > len(page) else None,
        )

    async def _opened(self, merchant_id: UUID, people: Sequence[Person]) -> tuple[User, ...]:
        if not people:
            return ()  # and a shop without people needs no key
        envelope = await self._envelopes.of(merchant_id, people)
        return await self._roles.shown(merchant_id, list(map(envelope.show, people)))


def _checked(request: ListUsers) -> Place | None:
    """Where the page begins. Raises InvalidRequest with all that is wrong."""
    problems = listing_problems(request)
    after = None
    if request.cursor is not None:
        after = _place(request.cursor)
        if after is None:
            problems.append(BAD_CURSOR)
    if problems:
        raise InvalidRequest(problems=problems)
    return after


def _cursor(last: Person) -> str:
    place = f"{last.created_at.isoformat()} {last.key.user_id}"
    return urlsafe_b64encode(place.encode()).decode("ascii")


def _place(cursor: str) -> Place | None:
    try:
        created_at, _, user_id = urlsafe_b64decode(cursor.encode("ascii")).decode().partition(" ")
        at = datetime.fromisoformat(created_at)
        return Place(at.astimezone(UTC), UUID(user_id))
    except (ValueError, OverflowError):
        return None
