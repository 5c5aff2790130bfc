"""Privacy requests have a date by which they must be answered."""

from datetime import UTC, datetime

from domain.privacy import due_at


def test_thirty_days():
    assert due_at(datetime(2026, 1, 31, tzinfo=UTC)) == datetime(2026, 3, 2, tzinfo=UTC)
