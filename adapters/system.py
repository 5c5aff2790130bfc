"""The real clock and the real identifiers."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
from uuid_utils import compat


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class UuidV7:
    def new(self) -> UUID:
        return compat.uuid7()

    def text(self) -> str:
        return str(uuid_utils.uuid7())
