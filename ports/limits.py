"""Buckets of requests, shared by all who answer them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.limits import Drawn, Rate


@dataclass(frozen=True, slots=True)
class Bucket:
    """``key`` names it everywhere, and holds no personal data."""

    key: str
    rate: Rate


class Limits(Protocol):
    async def draw(self, buckets: Sequence[Bucket]) -> Drawn:
        """One request out of each of these buckets, or out of none of them if any is empty
        (``domain.limits.draw``). Those that draw at the same moment come one after another.

        Raises Unavailable when it is not known what is in them; at once, while that lasts.
        """
        ...
