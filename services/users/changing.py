"""People added and changed by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from contracts.caller import Audience, Caller, service_caller
from contracts.contact import Contact
from contracts.roles import GET_PERMISSIONS, PermissionsOf
from contracts.shop import member_id
from contracts.users import (
    STAFF,
    USER_CREATED,
    USER_UPDATED,
    BirthdaySet,
    CreatedUser,
    CreateUser,
    SetBirthday,
    UpdateUser,
    User,
    UserChanged,
    UserExists,
)
from domain.birthdays import Birthday
from domain.birthdays import problems_of as birthday_problems
from domain.errors import Forbidden, InvalidRequest, LoyaltyError, NotFound, Problem
from domain.rbac import allows, check_grant
from ports.mesh import Mesh
from ports.people import People, Person, PersonKey
from ports.sealing import CannotOpen
from ports.unit import Unit, Units
from services.users.checks import creation_problems, update_problems
from services.users.envelope import Envelope, Envelopes, Private, shown

_MANAGES_STAFF: Final = "roles:write"


class _OtherKey(CannotOpen):
    """A person is sealed with a key that the shop did not have when it was asked for its keys."""

    def __init__(self, person: Person) -> None:
        super().__init__()
        self.person = person


@dataclass(frozen=True, slots=True)
class _Change:
    """What somebody wants of a person: what is wrong with that today, and what it makes of what is
    known. ``of_customer``: only customers have that."""

    user_id: UUID
    problems: Callable[[date], Sequence[Problem]]
    made_of: Callable[[Private], Private]
    language: str | None = None
    of_customer: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What somebody new is sealed with, and whether the caller may employ them: others had to be
    asked for both. A refusal is kept until it is known that this is no repeat."""

    envelope: Envelope
    refusal: LoyaltyError | None = None


class Changing:
    def __init__(self, units: Units[People], envelopes: Envelopes, mesh: Mesh) -> None:
        self._units = units
        self._envelopes = envelopes
        self._mesh = mesh

    async def prepare_creation(self, caller: Caller, request: CreateUser) -> Prepared:
        """Auth and roles may have to be asked, so before the transaction."""
        envelope = await self._envelopes.of(caller.tenant)
        if request.kind == STAFF:
            try:
                await self._check_may_employ(caller, request.role)
            except LoyaltyError as refusal:
                return Prepared(envelope, refusal)
        return Prepared(envelope)

    async def create(
        self, unit: Unit[People], caller: Caller, request: CreateUser, prepared: Prepared
    ) -> CreatedUser:
        """Add a person. The answer is kept for repeats, so it holds nothing personal."""
        problems = creation_problems(request, unit.now().date())
        if problems:
            raise InvalidRequest(problems=problems)
        tenant = caller.tenant
        if prepared.refusal is not None:
            raise prepared.refusal
        private = Private(_contact(request), _birthday(request))
        customer = request.shopify_customer_id
        user_id = member_id(tenant, customer) if customer else unit.new_id()
        sealed = prepared.envelope.close(private, user_id)
        if await unit.stores.email_taken(tenant, request.kind, sealed.email_index):
            raise UserExists
        now = unit.now()
        person = Person(
            key=PersonKey(tenant, user_id),
            kind=request.kind,
            shopify_customer_id=customer,
            email_index=sealed.email_index,
            sealed_contact=sealed.contact,
            sealed_birthday=sealed.birthday,
            language=request.language.strip(),
            role=request.role,
            created_at=now,
            updated_at=now,
            name_index=sealed.name_index,
            birthday_days=None if request.kind == STAFF else sealed.birthday_days,
        )
        if not await unit.stores.add(person):
            raise UserExists
        unit.emit(USER_CREATED, _said(person), tenant)
        return CreatedUser(user_id=person.key.user_id, kind=person.kind, created_at=now)

    async def update(self, caller: Caller, request: UpdateUser) -> User:
        change = _Change(
            request.user_id,
            partial(update_problems, request),
            lambda before: _updated(before, request),
            request.language,
        )
        return await self._change(caller, change)

    async def set_birthday(self, caller: Caller, request: SetBirthday) -> BirthdaySet:
        user_id = request.user_id
        if caller.audience is Audience.CUSTOMER:
            user_id = caller.customer_id
        if user_id is None:
            raise InvalidRequest(problems=[Problem("/user_id", "Name the customer.")])
        month, day, year = request.month, request.day, request.year
        change = _Change(
            user_id,
            partial(birthday_problems, month, day, year),
            lambda before: replace(before, birthday=Birthday(month, day, year)),
            of_customer=True,
        )
        await self._change(caller, change)
        return BirthdaySet(user_id=user_id, month=month, day=day, year=year)

    async def _change(self, caller: Caller, change: _Change) -> User:
        # Before the transaction: auth may have to be asked, and nobody should wait for that.
        envelope = await self._envelopes.of(caller.tenant)
        try:
            return await self._changed(caller, change, envelope)
        except _OtherKey as unknown:
            envelope = await self._envelopes.of(caller.tenant, [unknown.person])
            return await self._changed(caller, change, envelope)

    async def _changed(self, caller: Caller, change: _Change, envelope: Envelope) -> User:
        async with self._units() as unit:
            unit.actor = caller.name
            problems = change.problems(unit.now().date())
            if problems:
                raise InvalidRequest(problems=problems)
            key = PersonKey(caller.tenant, change.user_id)
            known = await unit.stores.lock(key)
            if known is None or (change.of_customer and known.kind == STAFF):
                raise NotFound("This shop has no such person.")
            if not envelope.knows(known):
                raise _OtherKey(known)
            if known.kind == STAFF:
                _check_manages_staff(caller)
            before = envelope.open(known)
            after = change.made_of(before)
            language = known.language if change.language is None else change.language.strip()
            if after == before and language == known.language:
                return shown(known, before)
            sealed = envelope.close(after, key.user_id)
            if sealed.email_index != known.email_index and await unit.stores.email_taken(
                key.merchant_id, known.kind, sealed.email_index
            ):
                raise UserExists
            person = replace(
                known,
                email_index=sealed.email_index,
                sealed_contact=sealed.contact,
                sealed_birthday=sealed.birthday,
                language=language,
                updated_at=max(unit.now(), known.updated_at),
                name_index=sealed.name_index,
                contact_of=None,
                birthday_of=None,
                birthday_days=None if known.kind == STAFF else sealed.birthday_days,
                # For an address that somebody has typed here nobody vouches, were it found by the
                # same index as the one before.
                email_verified=known.email_verified and after.contact.email == before.contact.email,
            )
            await unit.stores.change(person)
            unit.emit(USER_UPDATED, _said(person), key.merchant_id)
            return shown(person, after)

    async def _check_may_employ(self, caller: Caller, role: str) -> None:
        """Raises Forbidden or CannotGrant for somebody who may not give this role to a colleague,
        InvalidRequest for a role that the shop has not."""
        _check_manages_staff(caller)
        try:
            granted = await self._mesh.call(
                GET_PERMISSIONS,
                PermissionsOf(role=role),
                service_caller("users", caller.tenant),
                deadline=2.0,
            )
        except NotFound:
            problem = Problem("/role", "This shop has no role of that name.")
            raise InvalidRequest(problems=[problem]) from None
        if caller.audience is not Audience.SERVICE:
            check_grant(frozenset(caller.permissions), granted.permissions)


def _check_manages_staff(caller: Caller) -> None:
    if caller.audience is not Audience.SERVICE and not allows(
        frozenset(caller.permissions), _MANAGES_STAFF
    ):
        raise Forbidden("Staff is added and changed by those who manage roles.")


def _contact(request: CreateUser) -> Contact:
    return Contact(
        email=request.email.strip(),
        phone=request.phone.strip(),
        first_name=request.first_name.strip(),
        last_name=request.last_name.strip(),
    )


def _updated(before: Private, request: UpdateUser) -> Private:
    given = {
        name: value.strip()
        for name in Contact.__struct_fields__
        if (value := getattr(request, name)) is not None
    }
    birthday = before.birthday if request.birthday is None else _birthday(request)
    return Private(msgspec.structs.replace(before.contact, **given), birthday)


def _birthday(request: CreateUser | UpdateUser) -> Birthday | None:
    return None if request.birthday is None else Birthday.of(request.birthday)


def _said(person: Person) -> UserChanged:
    return UserChanged(
        user_id=person.key.user_id,
        kind=person.kind,
        shopify_customer_id=person.shopify_customer_id,
        language=person.language,
        occurred_at=person.updated_at,
    )
