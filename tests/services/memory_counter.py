"""A shop where members redeem, kept in memory."""

from typing import Any

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.system import UuidV7
from tests.services.counter import Counter
from tests.services.given import StandingClock


class Memory(Counter):
    def __init__(self) -> None:
        clock = StandingClock()
        self.memory: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, UuidV7())
        super().__init__(self.memory, clock)

    @property
    def said(self) -> list[str]:
        return [each.subject.rsplit(".", 1)[0].removeprefix("evt.") for each in self.memory.said]
