"""The audit record tells what changed without telling who a person is."""

from domain.audit import HIDDEN, Change, changes_between


def test_changes_are_named_and_personal_values_are_not():
    before = {"email": "old@example.com", "tier": "Silver", "language": "en"}
    after = {"email": "new@example.com", "tier": "Gold", "language": "en", "phone": "555"}
    assert changes_between(before, after, personal=frozenset(("email", "phone"))) == (
        Change("email", HIDDEN, HIDDEN),
        Change("phone", "", HIDDEN),
        Change("tier", "Silver", "Gold"),
    )
