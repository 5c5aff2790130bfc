"""Ids that a real shop could have: beyond 2⁵³, never the same in two runs, the same in a repeat."""

from hashlib import blake2b
from typing import Final

_FLOOR: Final = 1 << 61  # far beyond what a float can hold exactly
_ROOM: Final = 30  # bits: a thousand million objects in one run


class Numbers:
    """Counts up from a place that ``name`` decides."""

    def __init__(self, name: str) -> None:
        self._name = name
        place = int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 34
        self._last = _FLOOR + (place << _ROOM)
        self._uuids = 0

    def next(self) -> int:
        self._last += 1
        return self._last

    def next_uuid(self) -> str:
        """Written like the UUIDs that Shopify names webhooks and events with."""
        self._uuids += 1
        digest = blake2b(f"{self._name}/{self._uuids}".encode(), digest_size=16).hexdigest()
        parts = (digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:])
        return "-".join(parts)
