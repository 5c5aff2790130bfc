"""What an advocate asks for: their link, and how their referrals go."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from contracts.caller import Audience, Caller
from contracts.paging import cursor_of, limit_problems
from contracts.referrals import (
    CreateLink,
    GetProgress,
    GetReferralStatus,
    Link,
    Progress,
    ReferralStatus,
)
from domain.errors import InvalidRequest, NotFound, Problem
from domain.program import defaults
from domain.referrals.codes import code_from
from domain.referrals.states import state_name
from ports.referrals import AdvocateLink, MemberKey, ReferralBook, Tracked
from ports.unit import Units
from services.referrals.friends import friend_of
from services.referrals.shops import Shops

_DEFAULTS: Final = defaults("USD")  # a shop's currency changes nothing about its referrals


class Advocates:
    """``entropy`` gives random bytes for a code that nobody can guess."""

    def __init__(
        self, units: Units[ReferralBook], shops: Shops, entropy: Callable[[], bytes]
    ) -> None:
        self._units = units
        self._shops = shops
        self._entropy = entropy

    async def create_link(self, caller: Caller, request: CreateLink) -> Link:
        """The advocate's one link, alive for as long as the program lets a new one live."""
        tenant = caller.tenant
        customer_id = _advocate(caller, request.customer_id)
        domain = await self._shops.domain(tenant)
        async with self._units() as unit:
            program = (await unit.stores.programs([tenant])).get(tenant, _DEFAULTS).referral
            if not program.enabled:
                raise NotFound("This shop has no referral program.")
            now = unit.now()
            link = await unit.stores.keep_link(
                tenant,
                AdvocateLink(
                    customer_id=customer_id,
                    code=code_from(self._entropy()),
                    created_at=now,
                    expires_at=now + timedelta(days=program.expiry_days),
                ),
            )
        return Link(
            code=link.code,
            url=f"https://{domain}/?ref={link.code}",
            customer_id=customer_id,
            created_at=link.created_at,
            expires_at=link.expires_at,
        )

    async def status(self, caller: Caller, request: GetReferralStatus) -> ReferralStatus:
        async with self._units() as unit:
            found = await unit.stores.referral(caller.tenant, request.referral_id)
        if found is None or not _concerns(found, caller):
            raise NotFound("This shop has no such referral.")
        return status_of(found)

    async def progress(self, caller: Caller, request: GetProgress) -> Progress:
        advocate = MemberKey(caller.tenant, _advocate(caller, request.customer_id))
        problems = limit_problems(request.limit)
        before = cursor_of(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            link = await unit.stores.link_of(advocate)
            if link is None:
                raise NotFound("This member has no referral link.")
            tally = await unit.stores.tally(advocate, before, request.limit + 1)
        page = tally.page[: request.limit]
        return Progress(
            customer_id=advocate.customer_id,
            code=link.code,
            claimed=tally.claimed,
            completed=tally.completed,
            referrals=tuple(map(status_of, page)),
            next_cursor=str(page[-1].referral.id) if len(tally.page) > len(page) else None,
        )


def status_of(tracked: Tracked) -> ReferralStatus:
    referral = tracked.referral
    return ReferralStatus(
        referral_id=referral.id,
        code=referral.code,
        state=state_name(referral),
        advocate_id=referral.advocate_id,
        friend_id=friend_of(tracked),
        claimed_at=getattr(referral, "claimed_at", None),
        completed_at=getattr(referral, "completed_at", None),
        expires_at=referral.expires_at,
    )


def _advocate(caller: Caller, customer_id: UUID | None) -> UUID:
    """Whose link is meant. A customer's token means its own, whatever the request says."""
    if caller.audience is Audience.CUSTOMER:
        if caller.customer_id is None:
            raise NotFound
        return caller.customer_id
    if customer_id is None:
        raise InvalidRequest(problems=[Problem("/customer_id", "Name the member.")])
    return customer_id


def _concerns(tracked: Tracked, caller: Caller) -> bool:
    """Members see the referrals they gave or took; staff all of their shop."""
    return caller.audience is not Audience.CUSTOMER or caller.customer_id in (
        tracked.referral.advocate_id,
        friend_of(tracked),
    )
