"""How an event is remembered: the same id is the same key, two ids are two."""

from uuid import UUID

from adapters.journal import inbox_key


def test_our_own_ids_stay_what_they_are() -> None:
    assert inbox_key("0191d2b4-0000-7000-8000-000000000001") == UUID(
        "0191d2b4-0000-7000-8000-000000000001"
    )


def test_a_shops_ids_become_keys_of_their_own() -> None:
    ids = ["demo-store.myshopify.com:b54557e4", "other.myshopify.com:b54557e4", "", "é"]
    keys = [inbox_key(each) for each in ids]
    assert len(set(keys)) == len(ids)
    assert keys == [inbox_key(each) for each in ids]
    # Pinned: another key for an id that was seen before would apply its event again.
    assert inbox_key(ids[0]) == UUID("915aa1b6-ce0a-6a72-db69-a46f3a88a628")
