"""Finding people who are sealed: by a name that may be misspelt, and those who share an address."""

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

from contracts.caller import Caller
from contracts.paging import BAD_CURSOR, limit_problems
from contracts.users import Duplicate, Duplicates, ListDuplicates, ListUsers, User, Users
from domain.errors import InvalidRequest, Problem
from domain.names import least_shared, name_parts
from ports.names import Names, Rank, Sought
from ports.unit import Units
from services.users.checks import listing_problems
from services.users.envelope import Envelopes

_RANK: Final = struct.Struct(">H16s")
_INDEX_DIGITS: Final = 32
_AT_ONCE: Final = 100
_MOST_LOOKS: Final = 4
"""For one page, so many times so many (or a page, if that is more)."""
_SHOWN: Final = 10
"""People shown of each address; some have thousands, of customers who gave none."""


class Finding:
    def __init__(self, units: Units[Names], envelopes: Envelopes) -> None:
        self._units = units
        self._envelopes = envelopes

    async def by_name(self, caller: Caller, request: ListUsers) -> Users:
        """Those whose names are most like the one asked for first.

        The index finds some besides who only have numbers in common with it; once opened they are
        left out. A page may be shorter for that than asked for, and there still be more.
        """
        problems = listing_problems(request)
        after = None if request.cursor is None else _rank(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        tenant = caller.tenant
        parts = frozenset(name_parts(request.search))
        numbers = (await self._envelopes.of(tenant)).sought(request.search)
        if not numbers:
            return Users(users=())  # nothing but blanks
        sought = Sought(numbers, least_shared(len(numbers)))
        alike: list[tuple[int, User]] = []
        for _ in range(_MOST_LOOKS):
            async with self._units() as unit:
                found = await unit.stores.search(
                    tenant, request.kind, sought, after, max(request.limit, _AT_ONCE) + 1
                )
            envelope = await self._envelopes.of(tenant, (each.person for each in found))
            for left, each in zip(range(len(found) - 1, -1, -1), found, strict=True):
                user = envelope.show(each.person)
                shared = len(parts.intersection(name_parts(user.first_name, user.last_name)))
                if shared >= least_shared(len(parts)):
                    alike.append((shared, user))
                after = Rank(each.shared, user.user_id)
                if len(alike) == request.limit:
                    return _page(alike, after if left else None)
            if len(found) <= max(request.limit, _AT_ONCE):
                return _page(alike, None)
        return _page(alike, after)

    async def duplicates(self, caller: Caller, request: ListDuplicates) -> Duplicates:
        problems = limit_problems(request.limit)
        after = "" if request.cursor is None else _address(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        tenant = caller.tenant
        async with self._units() as unit:
            found = await unit.stores.namesakes(tenant, after, request.limit + 1, _SHOWN)
        if not found:
            return Duplicates(duplicates=())  # and a shop without people needs no key
        page = found[: request.limit]
        people = (person for each in page for person in each.newest)
        envelope = await self._envelopes.of(tenant, people)
        more = len(found) > len(page)
        return Duplicates(
            duplicates=tuple(
                Duplicate(count=each.count, users=tuple(map(envelope.show, each.newest)))
                for each in page
            ),
            next_cursor=page[-1].email_index if more else None,
        )


def _page(alike: list[tuple[int, User]], last: Rank | None) -> Users:
    """Some of them share more with the name than their numbers told, others less."""
    ordered = sorted(alike, key=lambda each: -each[0])
    return Users(
        users=tuple(user for _, user in ordered),
        next_cursor=None if last is None else _cursor(*last),
    )


def _cursor(shared: int, user_id: UUID) -> str:
    return urlsafe_b64encode(_RANK.pack(shared, user_id.bytes)).decode("ascii")


def _rank(cursor: str, problems: list[Problem]) -> Rank | None:
    try:
        shared, user_id = _RANK.unpack(urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, binascii.Error, struct.error):
        problems.append(BAD_CURSOR)
        return None
    return Rank(shared, UUID(bytes=user_id))


def _address(cursor: str, problems: list[Problem]) -> str:
    """The blind index of the address at which the page before ended."""
    if len(cursor) != _INDEX_DIGITS or not cursor.isascii() or not cursor.isalnum():
        problems.append(BAD_CURSOR)
    return cursor
