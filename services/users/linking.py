"""Telling the mesh which members of an organisation's shops are one person.

Nobody is opened where the shop's news is stored, so whoever has changed, or whose shop has joined
or left, is looked at soon after, a few at a time. Who was not looked at yet is told by their row:
what a crash left is done later, and a shop with a million customers is worked off like any other.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from contracts.organizations import (
    MEMBER_LINKED,
    MEMBER_UNLINKED,
    ORGANIZATION_JOINED,
    MemberLinked,
    MemberUnlinked,
)
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from domain.keys import KeysShut
from ports.events import Received
from ports.links import Candidate, Claim, Links, Membership, Moved
from ports.organization_keys import OrganizationKeys, Pools
from ports.people import Person, PersonKey
from ports.sealing import CannotOpen
from ports.tenancy import within
from ports.unit import Unit, Units
from services.users.envelope import Envelope, Envelopes

log = logging.getLogger(__name__)

_AT_ONCE: Final = 200
"""About 10 ms of work, for which nothing else runs in the process."""
_SHOPS: Final = 100
_NOBODY: Final = UUID(int=0)


async def learn_memberships(unit: Unit[Links], events: Sequence[Received[Any]]) -> None:
    """Know which organisation each shop is in; the rest is worked out by and by."""
    newest: dict[UUID, Membership] = {}
    for event in events:
        body, merchant_id = event.body, event.merchant_id
        known = newest.get(merchant_id)
        if known is None or known.version < body.version:
            joined = event.event is ORGANIZATION_JOINED
            organization_id = body.organization_id if joined else None
            newest[merchant_id] = Membership(merchant_id, body.version, organization_id)
    await unit.stores.learn(newest.values())


async def apply_redactions(unit: Unit[Links], events: Sequence[Received[Any]]) -> None:
    """Whoever asked a shop to be forgotten is in no pool any more, whatever it says later."""
    await unit.stores.never_link(
        {
            PersonKey(event.merchant_id, event.body.customer_id)
            for event in events
            if event.body.customer_id is not None
        }
    )


class Linking:
    def __init__(
        self,
        across: Units[Links],
        units: Units[Links],
        envelopes: Envelopes,
        keys: OrganizationKeys,
    ) -> None:
        self._across = across
        self._units = units
        self._envelopes = envelopes
        self._keys = keys

    async def run(self) -> None:
        """Work out all who are to be, but for shops whose keys nobody can open now. Raises
        Unavailable when auth or the key service was away for one; the others are done."""
        away: Unavailable | DeadlineExceeded | None = None
        after = _NOBODY
        while True:
            async with self._across() as unit:
                shops = await unit.stores.unsettled(after, _SHOPS)
            for shop in shops:
                try:
                    with within([shop.merchant_id]):
                        await self._settle(shop)
                except KeysShut:
                    continue
                except (Unavailable, DeadlineExceeded) as error:
                    away = error
                except Exception:
                    # Its turn comes again; the others must not wait for it.
                    log.exception("members of shop %s were not worked out", shop.merchant_id)
            if len(shops) < _SHOPS:
                break
            after = shops[-1].merchant_id
        if away is not None:
            raise Unavailable(away.detail) from away

    async def _settle(self, shop: Membership) -> None:
        """All of one shop, unless it joins or leaves meanwhile."""
        pools: Pools | None = None
        while True:
            async with self._units() as unit:
                candidates = await unit.stores.candidates(shop, _AT_ONCE)
            if not candidates:
                return
            known = [each.person for each in candidates if _is_known(each)]
            if known and shop.organization_id is not None and pools is None:
                try:
                    pools = await self._keys.pools(shop.merchant_id, shop.organization_id)
                except NotFound:
                    return  # it has left, and the news of that is on its way
            claims = await self._claims(candidates, known, pools)
            async with self._units() as unit:
                moved = await unit.stores.settle(shop, claims)
                if moved is None:
                    return
                for each in moved:
                    _say(unit, shop, each)

    async def _claims(
        self, candidates: Sequence[Candidate], known: Sequence[Person], pools: Pools | None
    ) -> list[Claim]:
        found: dict[PersonKey, UUID | None] = {}
        if pools is not None and known:
            try:
                envelope = await self._envelopes.of(known[0].key.merchant_id, known)
            except NotFound:
                pass  # a shop that was erased knows nobody
            else:
                found = {each.key: _pool(each, envelope, pools) for each in known}
        return [Claim(each, found.get(each.person.key)) for each in candidates]


def _is_known(candidate: Candidate) -> bool:
    """Whether there is a verified address to go by."""
    person = candidate.person
    return candidate.may_link and person.email_verified and bool(person.email_index)


def _pool(person: Person, envelope: Envelope, pools: Pools) -> UUID | None:
    try:
        return pools.of(envelope.open(person).contact.email)
    except CannotOpen:
        log.error("user %s cannot be opened with the key of the shop", person.key.user_id)  # noqa: TRY400 - the trace says no more
        return None


def _say(unit: Unit[Links], shop: Membership, moved: Moved) -> None:
    step, now = moved.step, unit.now()
    if not step.joins:
        unlinked = MemberUnlinked(
            customer_id=moved.user_id, pool_id=step.pool_id, version=step.version, occurred_at=now
        )
        unit.emit(MEMBER_UNLINKED, unlinked, shop.merchant_id)
    elif shop.organization_id is not None:
        linked = MemberLinked(
            customer_id=moved.user_id,
            pool_id=step.pool_id,
            organization_id=shop.organization_id,
            version=step.version,
            occurred_at=now,
        )
        unit.emit(MEMBER_LINKED, linked, shop.merchant_id)
