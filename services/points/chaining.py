"""Sealing entries in each shop's chain of hashes, and proving that all there is agrees with it."""

from collections.abc import AsyncIterator
from typing import TypeVar
from uuid import UUID

from domain.points.chain import Head, Proof
from domain.points.lot_books import KeptLot
from ports.chain import Chain, ChainReader, KeptWallet
from ports.unit import Units

AT_ONCE = 20_000
"""Entries, more or less, that one transaction seals."""

T = TypeVar("T")


async def seal_entries(units: Units[Chain]) -> None:
    """Put entries into blocks whose transactions, and all before them, have ended."""
    while True:
        async with units() as unit:
            chain = unit.stores
            progress = await chain.hold_progress(AT_ONCE)
            if progress is None:
                return  # another process does it
            now = unit.now()
            left = False
            if progress.sweeping:
                swept = await chain.sweep(progress.sealed_to, AT_ONCE, now)
                left = swept.entries == AT_ONCE
            await chain.seal(progress.sealed_to, progress.seal_to, now)
            await chain.keep_progress(progress.seal_to, sweeping=left)
        if not (left or progress.is_more):
            return


async def verify(reader: ChainReader, merchant_id: UUID, since: Head | None = None) -> Proof:
    """Whether a shop's entries are what was sealed, in the order it was, none missing and none put
    in, and wallets and lots are what they add up to."""
    proof = Proof(merchant_id, await reader.sealed_to(), since)
    async for block in reader.blocks(merchant_id):
        proof.block(block)
    proof.blocks_done()
    beside = _Beside(reader, merchant_id, proof)
    member: UUID | None = None
    async for stored, slot in reader.entries(merchant_id):
        if stored is not None and stored.customer_id != member:
            if member is not None:
                await beside.compare(member)
            member = stored.customer_id
            proof.member(member)
        proof.entry(stored, slot)
    if member is not None:
        await beside.compare(member)
    await beside.compare(None)
    return proof


class _Beside:
    """What is kept beside the entries, read as far as the members whose entries were."""

    def __init__(self, reader: ChainReader, merchant_id: UUID, proof: Proof) -> None:
        self._proof = proof
        self._wallets = reader.wallets(merchant_id)
        self._lots = reader.lots(merchant_id)
        self._wallet: KeptWallet | None = None
        self._lot: KeptLot | None = None
        self._begun = False

    async def compare(self, member: UUID | None) -> None:
        """With what the proof was told of a member, and of those before who have no entries; None:
        nobody comes any more."""
        if not self._begun:
            self._begun = True
            self._wallet, self._lot = await _next(self._wallets), await _next(self._lots)
        is_there = False
        while (kept := self._wallet) is not None and _is_up_to(kept.customer_id, member):
            self._proof.wallet(*kept)
            is_there = is_there or kept.customer_id == member
            self._wallet = await _next(self._wallets)
        if member is not None and not is_there:
            self._proof.wallet(member, None, 0)
        lots: dict[UUID, list[KeptLot]] = {} if member is None else {member: []}
        while (lot := self._lot) is not None and _is_up_to(lot.customer_id, member):
            lots.setdefault(lot.customer_id, []).append(lot)
            self._lot = await _next(self._lots)
        for customer_id, own in lots.items():
            self._proof.lots(customer_id, own)


def _is_up_to(customer_id: UUID, member: UUID | None) -> bool:
    return member is None or customer_id <= member


async def _next(rows: AsyncIterator[T]) -> T | None:
    return await anext(rows, None)
