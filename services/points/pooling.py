"""One balance in several stores: who shares it, what it is, and bringing points to where they are
spent.

A transaction is about the caller's shop alone unless it is known that the member shares with
others: only then it is opened for those shops, too, and asks again, holding the wallets, who shares
by then. Earning never asks.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from uuid import UUID

from contracts.organizations import MemberLinked, MemberUnlinked
from contracts.points import Balance, StoreBalance
from domain.points.expiry import NextExpiry
from domain.points.lot import Share
from domain.points.pooling import given, missing, taken, to_be_moved
from domain.points.wallet import EMPTY, Wallet, together
from ports.events import Received
from ports.ledger import HistoryEntry, NewEntry, WalletKey
from ports.pooling import Account, Link, Pooling, Pools, SharedLedger
from ports.tenancy import also_within
from ports.unit import Unit, Units
from services.points.balances import balance_of
from services.points.posting import post

PoolingT = TypeVar("PoolingT", bound=Pooling)
SharedT = TypeVar("SharedT", bound=SharedLedger)

_LOTS: Final = 250
"""Read at once."""


async def apply_links(unit: Unit[PoolingT], events: Sequence[Received[Any]]) -> None:
    """Learn which members are one person in several stores, and which are not any more."""
    told: dict[WalletKey, Link] = {}
    for event in events:
        key = WalletKey(event.merchant_id, event.body.customer_id)
        link = _link(event.body)
        if key not in told or told[key].version < link.version:
            told[key] = link
    await unit.stores.learn_links(told)


def _link(body: MemberLinked | MemberUnlinked) -> Link:
    if isinstance(body, MemberUnlinked):
        return Link(None, None, body.version, body.occurred_at)
    return Link(body.pool_id, body.organization_id, body.version, body.occurred_at)


class Sharing:
    """``pools`` are of all shops: nobody else finds out who else is in a member's pool."""

    def __init__(self, units: Units[SharedLedger], pools: Units[Pools]) -> None:
        self._units = units
        self._pools = pools

    async def shops(self, member: WalletKey) -> frozenset[UUID]:
        """Those that share a member's balance; none for most."""
        async with self._pools() as unit:
            return frozenset(key.merchant_id for key in await unit.stores.pool(member))

    @asynccontextmanager
    async def opened(self, member: WalletKey) -> AsyncIterator[Unit[SharedLedger]]:
        """A transaction about all shops that a member shares points with."""
        with also_within(await self.shops(member)):
            async with self._units() as unit:
                yield unit

    async def balance(self, member: WalletKey) -> Balance | None:
        """What a member has, in whichever store; None for who never had a point."""
        async with self._units() as unit:
            own = await unit.stores.account(member)
        if not own.linked:
            return _shown(member, {member: own})
        async with self.opened(member) as unit:
            pool = await unit.stores.pool(member) or [member]
            return _shown(member, {key: await unit.stores.account(key) for key in pool})

    async def spendable(self, member: WalletKey) -> int:
        """What a member can spend, in whichever store."""
        async with self.opened(member) as unit:
            pool = await unit.stores.pool(member) or [member]
            wallets = [await unit.stores.wallet(key) or EMPTY for key in pool]
        return together(wallets).spendable

    async def history(
        self, member: WalletKey, before: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, HistoryEntry]]:
        """The newest entries before the entry ``before``, whichever store they are of, each with
        its store."""
        async with self.opened(member) as unit:
            found = [
                (key.merchant_id, each)
                for key in await unit.stores.pool(member) or [member]
                for each in await unit.stores.history(key, before, limit)
            ]
        return sorted(found, key=lambda each: each[1].entry_id, reverse=True)[:limit]


def _shown(member: WalletKey, accounts: Mapping[WalletKey, Account]) -> Balance | None:
    wallets = [each.wallet for each in accounts.values() if each.wallet is not None]
    if not wallets:
        return None
    ends = [each.next_expiry for each in accounts.values() if each.next_expiry is not None]
    stores = [_of_store(key, each.wallet or EMPTY) for key, each in accounts.items()]
    return balance_of(
        member.customer_id, together(wallets), _first(ends), stores if len(stores) > 1 else ()
    )


def _of_store(key: WalletKey, wallet: Wallet) -> StoreBalance:
    return StoreBalance(
        store=key.merchant_id,
        spendable=wallet.spendable,
        pending=wallet.pending,
        lifetime=wallet.lifetime,
        spent=wallet.spent,
        expired=wallet.expired,
    )


def _first(ends: Sequence[NextExpiry]) -> NextExpiry | None:
    """The next points to expire, in whichever store."""
    if not ends:
        return None
    at = min(each.at for each in ends)
    return NextExpiry(at, sum(each.points for each in ends if each.at == at))


def own_of(pool: Mapping[WalletKey, Wallet], merchant_id: UUID) -> WalletKey:
    """The wallet of a pool that is in this shop."""
    return next(key for key in pool if key.merchant_id == merchant_id)


async def bring_here(
    unit: Unit[SharedT], here: WalletKey, pool: Mapping[WalletKey, Wallet], cost: int
) -> int:
    """Move what one wallet lacks of ``cost`` points there from the others of its pool, which are
    all held and have them together; how many were moved."""
    points = missing(pool[here], cost)
    if points == 0:
        return 0
    # By store, which says who gives of a lot that is in several.
    lots = {
        key: await _first_lots(unit, key, points)
        for key in sorted(pool)
        if key != here and pool[key].spendable > 0
    }
    reference, now = unit.new_id(), unit.now()
    outs = [
        NewEntry(unit.new_id(), key, taken(reference, here.merchant_id, part), now)
        for key, part in sorted(to_be_moved(lots, points).items())
    ]
    # Who spends is no business of the other stores.
    actor, unit.actor = unit.actor, ""
    # What paid is known once it is posted, and goes over as it is.
    used = {each.entry.entry_id: each.entry.draft.uses for each in await post(unit, outs)}
    unit.actor = actor
    ins = [
        NewEntry(
            unit.new_id(),
            here,
            given(reference, out.wallet.merchant_id, -out.draft.points, used[out.entry_id]),
            now,
        )
        for out in outs
    ]
    await post(unit, ins)
    return points


async def _first_lots(unit: Unit[SharedT], key: WalletKey, points: int) -> list[Share]:
    """The lots of a wallet that would be spent first, as many as have so many points."""
    found: list[Share] = []
    while sum(share.points for share in found) < points:
        page = await unit.stores.lots(key, found[-1] if found else None, _LOTS)
        found += page
        if len(page) < _LOTS:
            break
    return found
