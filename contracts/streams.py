"""What the outside world may listen to over WebSockets, while it happens."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from contracts.kit import Body, Event

PROTOCOL: Final = "loyalnest"
"""The WebSocket subprotocol; the token follows it as a second one, since a browser can set no
header here and an address with a token in it ends up in logs."""


class StreamOpen(msgspec.Struct, frozen=True):
    """The first message: from now on everything is sent. ``resumed``: so is everything since the
    event that was named with ``?after=``; what passed within two seconds before it may come again,
    with the id that it had. Otherwise what is shown has to be loaded."""

    resumed: bool = False


class StreamGap(msgspec.Struct, frozen=True):
    """So many events were dropped, since the listener is slower than its shop; what is shown has to
    be loaded again."""

    missed: int


OPEN: Final = "stream.open"
GAP: Final = "stream.gap"


@dataclass(frozen=True, slots=True)
class Stream:
    """``areas`` are the first parts of the names of its events: ``points`` of ``points.earned``."""

    name: str
    path: str
    permission: str
    areas: tuple[str, ...]
    summary: str

    def carries(self, event: Event[Body]) -> bool:
        area, _, rest = event.topic.removeprefix("evt.").partition(".")
        return event.prefix == "evt" and area in self.areas and rest.count(".") == 0 and rest != ""

    def events(self, known: Iterable[Event[Body]]) -> tuple[Event[Body], ...]:
        return tuple(each for each in known if self.carries(each))


POINTS: Final = Stream(
    "points",
    "/api/points/stream",
    "points:read",
    ("points", "referral", "vip_tier", "badge"),
    "What happens to the members of a shop: points, referrals, tiers, badges. A member's token"
    " brings that member's events only.",
)

STREAMS: Final = (POINTS,)
