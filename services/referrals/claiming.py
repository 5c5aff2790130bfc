"""A friend takes up a code: who they are, whether they may, and what their orders already say."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from contracts.caller import Audience, Caller
from contracts.referrals import REFERRAL_CREATED, Claim, ReferralStatus
from contracts.shop import member_id
from domain.errors import InvalidRequest, NotFound, Problem
from domain.points.orders import OrderFacts
from domain.program import ProgramSettings, defaults
from domain.referrals import machine
from domain.referrals.codes import parse_code
from domain.referrals.errors import InvalidReferralCode, NotFirstOrder, ReferralExpired
from domain.referrals.machine import Rejected
from domain.referrals.states import Claimed
from ports.referrals import AdvocateLink, MemberKey, Person, ReferralBook, Tracked
from ports.sealing import Sealer, ShopKeys
from ports.unit import Unit, Units
from services.referrals.friends import stand_in
from services.referrals.links import status_of
from services.referrals.settling import carry_out, changed, has_bought, settle

_DEFAULTS: Final = defaults("USD")  # a shop's currency changes nothing about its referrals
_MOST_EMAIL: Final = 254  # RFC 5321, as a path without its brackets
_MOST_ID: Final = 32


class Claims:
    def __init__(self, units: Units[ReferralBook], keys: ShopKeys, sealer: Sealer) -> None:
        self._units = units
        self._keys = keys
        self._sealer = sealer

    async def claim(self, caller: Caller, request: Claim) -> ReferralStatus:
        """The friend's referral under this code, whose reward waits for their first order.

        Raises INVALID_REFERRAL_CODE, SELF_REFERRAL, REFERRAL_EXPIRED, DUPLICATE_REFERRAL for a
        friend somebody else referred, NOT_FIRST_ORDER for one who has bought before.
        """
        tenant = caller.tenant
        customer_id, email = _named(caller, request)
        code = parse_code(request.code)
        index = ""
        if email:
            # Asked before the transaction, which must not wait for another service.
            index = self._sealer.blind_index(await self._keys.of(tenant), email)
        async with self._units() as unit:
            unit.actor = caller.name
            book = unit.stores
            await book.enter_claim(tenant)
            program = (await book.programs([tenant])).get(tenant, _DEFAULTS)
            link = await book.link(tenant, code)
            if link is None or not program.referral.enabled:
                raise InvalidReferralCode
            person = await book.person(tenant, customer_id, index)
            tracked = await _open(unit, tenant, link, person, program, index)
            await _settle(unit, tracked, person, program)
            stored = await book.referral(tenant, tracked.referral.id)
        return status_of(stored or tracked)


async def _open(
    unit: Unit[ReferralBook],
    tenant: UUID,
    link: AdvocateLink,
    person: Person,
    program: ProgramSettings,
    index: str,
) -> Tracked:
    """The friend's claim of this link: a new one, or the one they made before and still wait in."""
    now = unit.now()
    before = await unit.stores.claims_of(tenant, person)
    for each in before:
        if isinstance(each.referral, Claimed) and each.referral.code == link.code:
            return each
    friend_id = _friend_id(tenant, link, person, index)
    opened = machine.create(
        unit.new_id(), link.customer_id, link.code, program.referral, now
    ).referral
    moved = machine.claim(opened, friend_id, now, already_referred=bool(before))
    if isinstance(moved, Rejected):
        raise moved.error
    if link.expires_at <= now:
        raise ReferralExpired
    if program.referral.new_customers_only:
        for orders in (await _orders(unit, tenant, person)).values():
            if has_bought(orders, now):
                raise NotFirstOrder
    tracked = Tracked(tenant, moved.referral, index)
    await unit.stores.add(tracked)
    unit.emit(REFERRAL_CREATED, changed(tracked, now), tenant)
    return tracked


async def _settle(
    unit: Unit[ReferralBook], tracked: Tracked, person: Person, program: ProgramSettings
) -> None:
    """An order of the friend's may have been worked on while the claim was on its way."""
    for member, orders in (await _orders(unit, tracked.merchant_id, person)).items():
        settled = settle(tracked, member.customer_id, orders, program, unit.now())
        if settled is not None:
            await carry_out(unit, [settled])
            return


async def _orders(
    unit: Unit[ReferralBook], tenant: UUID, person: Person
) -> Mapping[MemberKey, Sequence[OrderFacts]]:
    return await unit.stores.first_orders(MemberKey(tenant, each) for each in person.customer_ids)


def _friend_id(tenant: UUID, link: AdvocateLink, person: Person, index: str) -> UUID:
    """Which member the friend is. One account of the advocate's among theirs makes it theirs."""
    if link.customer_id in person.customer_ids:
        return link.customer_id
    return min(person.customer_ids, default=stand_in(tenant, index))


def _named(caller: Caller, request: Claim) -> tuple[UUID | None, str]:
    """The friend's member id or e-mail. A customer's token names itself, whatever is said."""
    if caller.audience is Audience.CUSTOMER:
        if caller.customer_id is None:
            raise NotFound
        return caller.customer_id, ""
    email, shopify_id = request.email.strip(), request.shopify_customer_id.strip()
    problems = []
    if bool(email) == bool(shopify_id):
        detail = "Name the friend by one of email and shopify_customer_id."
        problems.append(Problem("/email", detail))
    if email and not (len(email) <= _MOST_EMAIL and "@" in email[1:-1]):
        problems.append(Problem("/email", "This is no e-mail address."))
    if len(shopify_id) > _MOST_ID:
        problems.append(Problem("/shopify_customer_id", f"At most {_MOST_ID} characters."))
    if problems:
        raise InvalidRequest(problems=problems)
    return (member_id(caller.tenant, shopify_id) if shopify_id else None), email
