"""Every example of docs/organizations.md, run."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.system import UuidV7
from contracts.points import Adjust
from contracts.rewards import Redemption
from domain.points.ledger import EntryKind
from domain.points.wallet import InsufficientPoints
from services.points.account import adjust
from tests.services.counter import Counter
from tests.services.given import StandingClock
from tests.services.sharing import Stores

PAGE = (Path(__file__).parents[2] / "docs" / "organizations.md").read_text(encoding="utf-8")
HEAD = "| here | there | then | here | there |"


def examples() -> list[list[str]]:
    lines = iter(PAGE.splitlines())
    while next(lines) != HEAD:
        pass
    next(lines)
    found = []
    while (line := next(lines)).startswith("|"):
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


class Told:
    """What the page says happens, one after another."""

    def __init__(self) -> None:
        clock = StandingClock()
        units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, UuidV7())
        self.stores = Stores(units, units, clock)
        self.last: tuple[Counter, Redemption] | None = None

    async def begins(self, counter: Counter, points: int) -> None:
        if points:
            kind = EntryKind.ADJUST if points > 0 else EntryKind.REFUND
            await self.stores.gain(counter, points, kind=kind)

    async def happens(self, what: str) -> None:
        stores = self.stores
        match what.split():
            case ["spend", points, place]:
                counter: Counter = getattr(stores, place)
                reward = await counter.offer(cost=int(points))
                with suppress(InsufficientPoints):
                    self.last = (counter, await counter.redeem(reward))
            case ["cancel"]:
                assert self.last is not None
                counter, bought = self.last
                await counter.cancel(bought)
            case ["take", points, "by", "hand", place]:
                counter = getattr(stores, place)
                request = Adjust(customer_id=counter.member, points=-int(points), reason="test")
                with suppress(InsufficientPoints):
                    async with stores.units() as unit:
                        await adjust(unit, counter.staff, request)
            case ["leave"]:
                await stores.unlink(stores.here)
            case _:
                raise AssertionError(f"the page says {what!r}, which is not understood here")


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example[0]}, {example[2]}")
async def test_an_example(example: list[str]) -> None:
    here, there, then, here_after, there_after = example
    told = Told()
    stores = told.stores
    await stores.link(stores.here, stores.there)
    await told.begins(stores.here, int(here))
    await told.begins(stores.there, int(there))
    for what in then.split(", "):
        await told.happens(what)
    assert (await stores.spendable())[:2] == [int(here_after), int(there_after)]


def test_the_page_has_examples() -> None:
    assert len(examples()) > 10
