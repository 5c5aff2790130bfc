"""Sealing entries in each shop's chain of hashes, and proving that all there is agrees with it."""

from collections.abc import AsyncIterator
from typing import TypeVar
from uuid import UUID

from domain.points.chain import Head, Proof
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
            sealed = await chain.seal(progress.sealed_to, progress.seal_to, now)
            await chain.keep_progress(progress.seal_to, sweeping=left)
        if not left and sealed.entries < AT_ONCE:
            return


async def verify(reader: ChainReader, merchant_id: UUID, since: Head | None = None) -> Proof:
    """Whether a shop's entries are what was sealed, in the order it was, none missing and none put
    in, and wallets are what they add up to."""
    proof = Proof(merchant_id, await reader.sealed_to(), since)
    async for block in reader.blocks(merchant_id):
        proof.block(block)
    proof.blocks_done()
    wallets = reader.wallets(merchant_id)
    kept = await _next(wallets)
    member: UUID | None = None

    async def close(until: UUID | None) -> KeptWallet | None:
        """Compare wallets up to the one of the member whose entries were just told."""
        following = kept
        while following is not None and (until is None or following.customer_id <= until):
            proof.wallet(*following)
            reached = following.customer_id == until
            following = await _next(wallets)
            if reached:
                return following
        if until is not None:
            proof.wallet(until, None, 0)
        return following

    async for stored, slot in reader.entries(merchant_id):
        if stored is not None and stored.customer_id != member:
            if member is not None:
                kept = await close(member)
            member = stored.customer_id
            proof.member(member)
        proof.entry(stored, slot)
    if member is not None:
        kept = await close(member)
    await close(None)
    return proof


async def _next(rows: AsyncIterator[T]) -> T | None:
    return await anext(rows, None)
