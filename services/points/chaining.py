"""Sealing entries in each shop's chain of hashes, and proving that all there is agrees with it."""

from collections.abc import Callable
from uuid import UUID

from domain.points.chain import Found, Head, Proof
from ports.chain import Chain, ChainReader, Sealed
from ports.unit import Units

AT_ONCE = 20_000
"""Entries, more or less, that one transaction seals."""


async def seal_entries(
    units: Units[Chain], told: Callable[[Sealed], None] = lambda _sealed: None
) -> None:
    """Put everything that can be sealed into blocks, unless another process does. ``told`` hears of
    what is sealed for good."""
    is_more = True
    while is_more:
        async with units() as unit:
            sealed = await unit.stores.seal(AT_ONCE, unit.now())
        if sealed is not None:
            told(sealed)
        is_more = sealed is not None and sealed.is_more


async def verify(reader: ChainReader, merchant_id: UUID, since: Head | None = None) -> Proof:
    """Whether a shop's entries are what was sealed, in the order it was, none missing and none put
    in, and wallets and lots are what they add up to."""
    proof = Proof(merchant_id, since)
    async for block in reader.blocks(merchant_id):
        proof.block(block)
    proof.blocks_done()
    async for told in reader.books(merchant_id):
        if isinstance(told, Found):
            proof.entry(told)
        else:
            proof.kept(told)
    return proof
