"""What the proof of a ledger is told, member by member: the same wherever the ledger is kept."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import NamedTuple, TypeVar
from uuid import UUID

from domain.points.chain import Found, Kept
from domain.points.lot_books import KeptLot
from domain.points.wallet import Wallet

T = TypeVar("T")


class KeptWallet(NamedTuple):
    """A wallet as it is stored."""

    customer_id: UUID
    wallet: Wallet
    version: int


async def by_member(
    entries: AsyncIterator[Found],
    wallets: AsyncIterator[KeptWallet],
    lots: AsyncIterator[KeptLot],
) -> AsyncGenerator[Found | Kept]:
    """All of them, each member's entries followed by what is kept beside them; what is given is
    ordered by member, too. What was sealed and is no entry any more may come last."""
    member: UUID | None = None
    wallet, lot = await _next(wallets), await _next(lots)

    async def kept_until(bound: UUID | None) -> AsyncIterator[Kept]:
        """Of everybody who comes before ``bound``."""
        nonlocal member, wallet, lot
        while True:
            first = min(_ids(member, wallet, lot), default=None)
            if first is None or (bound is not None and first >= bound):
                return
            if first == member:
                member = None
            own_wallet, own_lots = None, []
            if wallet is not None and wallet.customer_id == first:
                own_wallet, wallet = wallet, await _next(wallets)
            while lot is not None and lot.customer_id == first:
                own_lots.append(lot)
                lot = await _next(lots)
            if own_wallet is None:
                yield Kept(first, None, 0, own_lots)
            else:
                yield Kept(first, own_wallet.wallet, own_wallet.version, own_lots)

    async for found in entries:
        if found.stored is not None and found.stored.customer_id != member:
            async for kept in kept_until(found.stored.customer_id):
                yield kept
            member = found.stored.customer_id
        yield found
    async for kept in kept_until(None):
        yield kept


def _ids(member: UUID | None, wallet: KeptWallet | None, lot: KeptLot | None) -> Iterator[UUID]:
    """Whose turn may be next."""
    if member is not None:
        yield member
    if wallet is not None:
        yield wallet.customer_id
    if lot is not None:
        yield lot.customer_id


async def _next(rows: AsyncIterator[T]) -> T | None:
    return await anext(rows, None)
