"""Digests that only we can make: by which a secret text is found again without being kept."""

from collections.abc import Sequence
from typing import Protocol


class Digests(Protocol):
    """For one use; digests of the same text for another use are others."""

    def of(self, text: str) -> str:
        """What to keep: nothing can be told from it without our key."""
        ...

    def any_of(self, text: str) -> Sequence[str]:
        """What may have been kept, under the present key or the one before."""
        ...
