"""Finding what is sealed by parts of it: each stands as a number that only its shop can make."""

from collections.abc import Sequence
from typing import Protocol

from ports.sealing import MerchantKey


class BlindSearch(Protocol):
    """Numbers for parts of texts (``domain.names``), the same for the same part and key. Few enough
    that several parts share one, so a number does not name its part (docs/decisions/0020)."""

    def stored(self, key: MerchantKey, parts: Sequence[str]) -> Sequence[int]:
        """What to keep beside a sealed text, among numbers drawn at random, sorted; nothing for
        no parts."""
        ...

    def days(self, key: MerchantKey, month: int, day: int) -> int:
        """The number of six days of the year, this one among them; which they are only the shop's
        key tells. For 29 February, too."""
        ...

    def asked(self, key: MerchantKey, parts: Sequence[str]) -> Sequence[int]:
        """What to look for, in the order of the parts; none twice."""
        ...
