"""A shop's staff: who was invited, who logs in, and who has left.

What somebody may do is said by roles alone, under the subject of their log-ins; who they are, here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from contracts.caller import Caller, service_caller
from contracts.kit import Body, Event
from contracts.paging import MOST
from contracts.roles import (
    ASSIGN_ROLE,
    LIST_ASSIGNMENTS,
    REMOVE_ASSIGNMENT,
    AssignRole,
    ListAssignments,
    RemoveAssignment,
)
from contracts.users import (
    STAFF,
    USER_CREATED,
    USER_DELETED,
    USER_UPDATED,
    LinkStaff,
    RemoveStaff,
    StaffRemoved,
    User,
    UserChanged,
    UserDeleted,
    UserExists,
)
from domain.errors import InvalidRequest, NotFound, Problem
from ports.events import Received
from ports.mesh import Mesh
from ports.people import Person, PersonKey
from ports.staff import StaffBook, SubjectKey
from ports.unit import Unit, Units
from services.users.checks import is_shopify_id
from services.users.envelope import Envelopes

_OF_STAFF: Final = "staff:"
"""What the subjects of a shop's own staff begin with; after it comes their id at Shopify."""


class Roles:
    """What the staff of a shop may do, as roles says."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def shown(self, merchant_id: UUID, people: Sequence[User]) -> tuple[User, ...]:
        """These people; staff who can log in with the role they have now. Raises Unavailable or
        DeadlineExceeded when roles does not answer."""
        if not any(person.subject for person in people):
            return tuple(people)
        roles = await self._all(merchant_id)
        return tuple(
            msgspec.structs.replace(person, role=roles.get(person.subject, ""))
            if person.subject
            else person
            for person in people
        )

    async def _all(self, merchant_id: UUID) -> Mapping[str, str]:
        """By subject. A shop's staff is few, and mostly one page."""
        caller = service_caller("users", merchant_id)
        roles: dict[str, str] = {}
        cursor = None
        while True:
            request = ListAssignments(limit=MOST, cursor=cursor)
            page = await self._mesh.call(LIST_ASSIGNMENTS, request, caller, deadline=2.0)
            roles |= {each.subject: each.role for each in page.assignments}
            cursor = page.next_cursor
            if cursor is None:
                return roles


class Staffing:
    def __init__(
        self, units: Units[StaffBook], envelopes: Envelopes, roles: Roles, mesh: Mesh
    ) -> None:
        self._units = units
        self._envelopes = envelopes
        self._roles = roles
        self._mesh = mesh

    async def link(self, caller: Caller, request: LinkStaff) -> User:
        """The role is given first: whoever stops in between can do it again."""
        if not is_shopify_id(request.shopify_staff_id):
            problem = Problem("/shopify_staff_id", "Expected the digits of the id.")
            raise InvalidRequest(problems=[problem])
        subject = f"{_OF_STAFF}{request.shopify_staff_id}"
        person = await self._staff(caller, request.user_id)
        if person.subject not in ("", subject):
            problem = Problem("/user_id", "They are somebody else at Shopify.")
            raise InvalidRequest(problems=[problem])
        if not person.subject:
            if person.role:
                # For the caller, who has to be allowed to give it, and to take what was there.
                given = AssignRole(subject=subject, role=person.role)
                await self._mesh.call(ASSIGN_ROLE, given, caller, deadline=2.0)
            async with self._units() as unit:
                unit.actor = caller.name
                if not await unit.stores.link(person.key, subject, unit.now()):
                    raise UserExists
                _say(unit, USER_UPDATED, person.key)
            person = await self._staff(caller, request.user_id)
        envelope = await self._envelopes.of(caller.tenant, [person])
        return (await self._roles.shown(caller.tenant, [envelope.show(person)]))[0]

    async def remove(self, caller: Caller, request: RemoveStaff) -> StaffRemoved:
        """The role is taken first: whoever stops in between can do it again."""
        person = await self._staff(caller, request.user_id)
        role = person.role
        if person.subject:
            taken = RemoveAssignment(subject=person.subject)
            try:
                answer = await self._mesh.call(REMOVE_ASSIGNMENT, taken, caller, deadline=2.0)
            except NotFound:
                pass  # they have none
            else:
                role = answer.role
        async with self._units() as unit:
            unit.actor = caller.name
            if await unit.stores.dismiss(person.key):
                body = UserDeleted(user_id=person.key.user_id, kind=STAFF, occurred_at=unit.now())
                unit.emit(USER_DELETED, body, caller.tenant)
        return StaffRemoved(user_id=person.key.user_id, role=role)

    async def _staff(self, caller: Caller, user_id: UUID) -> Person:
        async with self._units() as unit:
            found = await unit.stores.find(caller.tenant, [user_id])
        if not found or found[0].kind != STAFF:
            raise NotFound("This shop has no such member of staff.")
        return found[0]


async def meet(unit: Unit[StaffBook], events: Sequence[Received[Any]]) -> None:
    """Know whoever is given a role, be it by logging in: a name can be added by hand."""
    subjects = {
        SubjectKey(event.merchant_id, event.body.subject): PersonKey(
            event.merchant_id, uuid5(event.merchant_id, event.body.subject)
        )
        for event in events
        if event.body.subject.startswith(_OF_STAFF)
    }
    for key in await unit.stores.meet(subjects, unit.now()):
        _say(unit, USER_CREATED, key)


def _say(unit: Unit[StaffBook], event: Event[Body], key: PersonKey) -> None:
    body = UserChanged(user_id=key.user_id, kind=STAFF, occurred_at=unit.now())
    unit.emit(event, body, key.merchant_id)
