"""What each service does over NATS, kept in ``parts.json`` so that servers start without loading
fifteen services. ``./dev.sh contracts`` writes it anew; a test compares it with the code."""

from functools import cache
from pathlib import Path
from typing import Final

import msgspec

PLACE: Final = Path(__file__).with_name("parts.json")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One service. Topics are those of ``contracts.kit.Event.topic``; the shop comes after them."""

    service: str
    calls: tuple[str, ...]
    """Names of the operations that it asks of others."""
    says: tuple[str, ...]
    """Topics that it publishes; ``dead.<service>`` among them."""
    replays: bool
    """It says again what anybody said, when it has been a dead letter."""
    consumes: dict[str, str]
    """Durable consumers and the stream of each."""
    hears: tuple[str, ...]
    """What it listens to as it passes, without a consumer."""
    looks_back: bool
    """It looks up what passed a moment ago, with consumers that are gone after it."""


@cache
def parts() -> tuple[Part, ...]:
    return msgspec.json.decode(PLACE.read_bytes(), type=tuple[Part, ...])
