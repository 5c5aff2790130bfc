"""Whose documents a transaction may touch: MongoDB has no wall of its own between shops."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID


class OtherShop(Exception):
    """A use case wanted to write for a shop that its transaction is not about: a mistake in the
    code, and never an answer."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The shops that a transaction is about; None: every one but ``elsewhere``, which live in
    another store."""

    shops: frozenset[UUID] | None
    elsewhere: frozenset[UUID] = frozenset()

    def sees(self, merchant_id: UUID) -> bool:
        if self.shops is None:
            return merchant_id not in self.elsewhere
        return merchant_id in self.shops

    def insist(self, merchants: Iterable[UUID]) -> None:
        """Raises OtherShop if one of them is not among the transaction's."""
        if self.shops is not None and not self.shops.issuperset(merchants):
            raise OtherShop


ACROSS_SHOPS: Final = Scope(None)
