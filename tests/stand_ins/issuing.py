"""``ports.issuing.Issuing`` that behaves like Shopify does on its good and on its bad days."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from domain.errors import Unavailable
from domain.points.benefits import Benefit, StoreCredit
from ports.issuing import IssueRefused, NotReached, Purchase


async def _nothing() -> None:
    pass


@dataclass
class StandInShopify:
    """What it was asked to issue, by its id there. ``weather`` says how the next tries end, in
    turn: ``away`` (not reached), ``lost`` (done, but the answer is not heard), ``unheard`` (not
    done, and that is not heard either), ``refuse``, ``slow``; all others work. ``meanwhile``
    happens between the doing and the answer."""

    issued: dict[str, Purchase] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    weather: list[str] = field(default_factory=list)
    tries: int = 0
    meanwhile: Callable[[], Awaitable[None]] = _nothing

    async def issue(self, merchant_id: UUID, purchase: Purchase) -> str:
        self.tries += 1
        day = self.weather.pop(0) if self.weather else ""
        if day == "away":
            raise NotReached
        if day == "unheard":
            raise Unavailable
        if day == "refuse":
            raise IssueRefused("The product is gone.")
        if day == "slow":
            await asyncio.sleep(3600)
        await asyncio.sleep(0)
        external_id = f"gid://shopify/{merchant_id}/{purchase.code or purchase.redemption_id}"
        known = self.issued.setdefault(external_id, purchase)
        assert known == purchase, "another question under the same code"
        await self.meanwhile()
        if day == "lost":
            raise Unavailable
        return external_id

    async def withdraw(self, merchant_id: UUID, benefit: Benefit, external_id: str) -> bool:
        self.tries += 1
        day = self.weather.pop(0) if self.weather else ""
        if day == "away":
            raise NotReached
        assert external_id in self.issued
        if isinstance(benefit, StoreCredit):
            return False
        self.withdrawn.add(external_id)
        await self.meanwhile()
        if day == "lost":
            raise Unavailable
        return external_id not in self.used
