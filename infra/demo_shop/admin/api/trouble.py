"""What goes over the Admin API, and what can go wrong there; for tests.

trouble.next(Lost(), field="discountCodeBasicCreate")   # it is made, and nobody is told
trouble.next(Instead(503), times=2)                     # whatever is asked, twice
trouble.asked["discountCodeBasicCreate"]                # how often, answered or not
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

BULK_FILE: Final = "bulk file"
"""What getting the file of a bulk operation is counted and disturbed as."""


@dataclass(frozen=True, slots=True)
class Instead:
    """This is answered, and nothing is done. 401 is what an access token that ended gets."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Throttled:
    """Refused as if the app had nothing left: 200 and an error."""


@dataclass(frozen=True, slots=True)
class Lost:
    """All is done, and the connection breaks before the answer."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """The connection breaks before anything is done."""


@dataclass(frozen=True, slots=True)
class Slow:
    """All is done, and answered so much later."""

    seconds: float


Fault = Instead | Throttled | Lost | Unheard | Slow


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    name: str
    times: int


class Trouble:
    """While ``released`` is not set, what is done is not told."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.met: Counter[type[Fault]] = Counter()
        self.released = asyncio.Event()
        self.released.set()
        self._waiting: list[_Waiting] = []
        self._maybe: Callable[[], Fault | None] | None = None
        self._maybe_field = ""

    def next(self, fault: Fault, *, field: str = "", times: int = 1) -> None:
        """This happens to the next documents, or to those that ask for a ``field`` of the root."""
        self._waiting.append(_Waiting(fault, field, times))

    def now_and_then(self, draw: Callable[[], Fault | None], *, field: str) -> None:
        """From now on ``draw`` says of each document that asks for a ``field`` of the root what
        happens to it. Unlike what was said for the ``next`` ones it does not pile up while nobody
        asks."""
        self._maybe, self._maybe_field = draw, field

    def none(self) -> None:
        """What was still to happen does not."""
        self._waiting.clear()
        self._maybe = None
        self.released.set()

    def meet(self, root_fields: Collection[str]) -> Fault | None:
        """Counts a document, and says what happens to it."""
        self.asked.update(root_fields)
        for each in self._waiting:
            if not each.name or each.name in root_fields:
                each.times -= 1
                if each.times == 0:
                    self._waiting.remove(each)
                self.met[type(each.fault)] += 1
                return each.fault
        if self._maybe is not None and self._maybe_field in root_fields:
            drawn = self._maybe()
            if drawn is not None:
                self.met[type(drawn)] += 1
                return drawn
        return None
