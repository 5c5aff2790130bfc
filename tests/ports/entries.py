"""Entries for the suites of the ledger."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life
from ports.ledger import NewEntry, WalletKey
from tests.ports.stores import IDS

AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)


def entry(
    key: WalletKey, points: int, ref: str = "", life: Life = FOREVER, **changes: Any
) -> NewEntry:
    """An adjustment, but for the ``changes``."""
    draft = EntryDraft(
        kind=EntryKind.ADJUST, points=points, reason="test", source="adjust",
        source_ref=ref or str(uuid4()), rule="",
    )  # fmt: skip
    return NewEntry(IDS.new(), key, draft._replace(**changes), AT, life=life)
