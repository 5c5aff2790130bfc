"""Shops of one house come together in an organisation, and leave it."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from contracts.caller import Caller
from contracts.kit import Nothing
from contracts.organizations import (
    ORGANIZATION_JOINED,
    ORGANIZATION_LEFT,
    CreateOrganization,
    GetOrganizationKey,
    JoinOrganization,
    MembershipChanged,
    Organization,
    OrganizationCode,
    OrganizationKey,
    OrganizationLeft,
    ShopOfOrganization,
)
from domain.admins.errors import ShopNotActive
from domain.admins.guessing import NONE, counted, may_guess
from domain.codes import code_of, read_code
from domain.errors import InvalidRequest, LoyaltyError, NotFound, Problem
from domain.organizations import (
    CODE_BYTES,
    INVITATION_LASTS,
    MOST_SHOPS,
    AlreadyInOrganization,
    NoOrganization,
    OrganizationCodeSpent,
    OrganizationFull,
    TooManyWrongCodes,
    has_left,
    name_problems,
    wrong_codes_of,
)
from ports.events import Received
from ports.merchants import Status
from ports.organizations import Invitation, Memberships, Organizations, Standing
from ports.organizations import Organization as Founded
from ports.sealing import KeyMaker
from ports.unit import Unit, Units
from services.auth.challenges import Random
from services.auth.vault import digest


class Organizing:
    def __init__(
        self,
        units: Units[Organizations],
        own: Units[Memberships],
        keys: KeyMaker,
        random: Random,
        new_id: Callable[[], UUID],
    ) -> None:
        self._units = units
        self._own = own
        self._keys = keys
        self._random = random
        self._new_id = new_id

    async def get(self, caller: Caller, _: Nothing) -> Organization:
        async with self._units() as unit:
            organization_id = await unit.stores.organization_of(caller.tenant)
            # It may end in between, with the last shop that leaves; held, it does not.
            if organization_id is None or not await unit.stores.count_shops(organization_id):
                raise NoOrganization
            return await _shown(unit, organization_id)

    async def create(self, caller: Caller, request: CreateOrganization) -> Organization:
        if problems := name_problems(request.name):
            raise InvalidRequest(problems=problems)
        organization_id = self._new_id()
        # Before the transaction, because the key service may have to be asked; maybe in vain.
        key = await self._keys.new_organization_key(organization_id)
        async with self._units() as unit:
            unit.actor = caller.name
            shop = (await unit.stores.hold([caller.tenant])).get(caller.tenant)
            founded = Founded(organization_id, request.name.strip(), unit.now())
            if shop is None:
                raise ShopNotActive  # nor was it ever
            if shop.organization_id is not None:
                # Whoever did not hear the answer asks again.
                known = await unit.stores.find(shop.organization_id)
                if shop.joined_with or known.name != founded.name:
                    raise AlreadyInOrganization
                return await _shown(unit, shop.organization_id)
            if shop.status is not Status.ACTIVE:
                raise ShopNotActive
            await unit.stores.found(founded, key)
            await _enter(unit, caller.tenant, organization_id)
            return await _shown(unit, organization_id)

    async def invite(self, caller: Caller, _: Nothing) -> OrganizationCode:
        code = code_of(self._random(CODE_BYTES))
        async with self._own() as unit:
            unit.actor = caller.name
            shop = (await unit.stores.hold([caller.tenant])).get(caller.tenant)
            if shop is None or shop.organization_id is None:
                raise NoOrganization
            now = unit.now()
            invitation = Invitation(
                merchant_id=caller.tenant,
                organization_id=shop.organization_id,
                digest=digest(read_code(code, CODE_BYTES)),
                created_at=now,
                expires_at=now + INVITATION_LASTS,
            )
            await unit.stores.invite(invitation)
        return OrganizationCode(code=code, expires_at=invitation.expires_at)

    async def join(self, caller: Caller, request: JoinOrganization) -> Organization:
        code = read_code(request.code, CODE_BYTES)
        if not code:
            problem = Problem("/code", "Expected the code as the other shop was shown it.")
            raise InvalidRequest(problems=[problem])
        async with self._units() as unit:
            unit.actor = caller.name
            joined = await _join(unit, caller.tenant, digest(code))
            if isinstance(joined, UUID):
                return await _shown(unit, joined)
        # After the commit: a wrong code is counted, and raising before would forget it.
        raise joined

    async def leave(self, caller: Caller, _: Nothing) -> OrganizationLeft:
        async with self._units() as unit:
            unit.actor = caller.name
            shop = (await unit.stores.hold([caller.tenant])).get(caller.tenant)
            if shop is None or shop.organization_id is None:
                raise NoOrganization
            await _leave(unit, shop.merchant_id, shop.organization_id)
        return OrganizationLeft(organization_id=shop.organization_id)

    async def key(self, caller: Caller, request: GetOrganizationKey) -> OrganizationKey:
        async with self._units() as unit:
            wrapped = await unit.stores.wrapped_key(caller.tenant, request.organization_id)
        if not wrapped:
            raise NotFound("The shop is not in this organisation.")
        return OrganizationKey(organization_id=request.organization_id, wrapped_key=wrapped)


async def leave_with_the_app(unit: Unit[Organizations], events: Sequence[Received[Any]]) -> None:
    """Shops that have removed the app leave their organisations, also those that are back by now.
    What has become of them is in their rows: an event that comes late or twice does nothing."""
    causes = {event.merchant_id: event for event in events}
    gone: list[tuple[UUID, Standing]] = []
    for shop in (await unit.stores.hold(causes)).values():
        if shop.organization_id is None or shop.joined_at is None:
            continue
        uninstalled = shop.status is Status.UNINSTALLED
        if has_left(
            uninstalled=uninstalled, installed_at=shop.installed_at, joined_at=shop.joined_at
        ):
            gone.append((shop.organization_id, shop))
    # In one order everywhere, so that no two batches wait for each other's organisations.
    for organization_id, shop in sorted(gone, key=lambda each: each[0]):
        await _leave(unit, shop.merchant_id, organization_id, causes[shop.merchant_id])


async def _join(unit: Unit[Organizations], merchant_id: UUID, known: bytes) -> UUID | LoyaltyError:
    """The organisation that the shop is in now, or why it is not."""
    stores, now = unit.stores, unit.now()
    invitation = await stores.invitation(known, now)
    inviter_id = merchant_id if invitation is None else invitation.merchant_id
    held = await stores.hold({merchant_id, inviter_id})
    if merchant_id not in held:
        return ShopNotActive()  # nor was it ever
    shop, inviter = held[merchant_id], held[inviter_id]
    if shop.organization_id is not None:
        # Whoever did not hear the answer enters the code again.
        again = shop.joined_with == known
        return shop.organization_id if again else AlreadyInOrganization()
    if shop.status is not Status.ACTIVE:
        return ShopNotActive()
    bucket, failures = wrong_codes_of(str(merchant_id)), await stores.wrong_codes(merchant_id)
    if not may_guess([(bucket, failures)], now):
        return TooManyWrongCodes()
    # Again, now that its shop is held: it may have been used, or the shop have left.
    invitation = await stores.invitation(known, now)
    if invitation is None or inviter.status is not Status.ACTIVE:
        await stores.count_wrong_codes(merchant_id, counted(bucket, failures, now))
        return OrganizationCodeSpent()
    organization_id = invitation.organization_id
    if await stores.count_shops(organization_id) >= MOST_SHOPS:
        return OrganizationFull()
    await stores.uninvite(inviter_id)
    await stores.count_wrong_codes(merchant_id, NONE)
    await _enter(unit, merchant_id, organization_id, known)
    return organization_id


async def _enter(
    unit: Unit[Organizations], merchant_id: UUID, organization_id: UUID, joined_with: bytes = b""
) -> None:
    now = unit.now()
    version = await unit.stores.enter(merchant_id, organization_id, joined_with, now)
    body = MembershipChanged(organization_id=organization_id, version=version, occurred_at=now)
    unit.emit(ORGANIZATION_JOINED, body, merchant_id)


async def _leave(
    unit: Unit[Organizations],
    merchant_id: UUID,
    organization_id: UUID,
    cause: Received[Any] | None = None,
) -> None:
    version = await unit.stores.leave(merchant_id)
    if await unit.stores.count_shops(organization_id) == 0:
        await unit.stores.end(organization_id)
    body = MembershipChanged(
        organization_id=organization_id, version=version, occurred_at=unit.now()
    )
    unit.emit(ORGANIZATION_LEFT, body, merchant_id, cause=cause)


async def _shown(unit: Unit[Organizations], organization_id: UUID) -> Organization:
    organization = await unit.stores.find(organization_id)
    shops = await unit.stores.shops_of(organization_id)
    return Organization(
        organization_id=organization_id,
        name=organization.name,
        shops=tuple(
            ShopOfOrganization(
                store=each.merchant_id, shop_domain=each.shop_domain, joined_at=each.joined_at
            )
            for each in shops
        ),
    )
