"""The real clock and the real identifiers."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class UuidV7:
    def new(self) -> UUID:
        return uuid7()
