"""Which events share a message, and that each comes out as it went in."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.msg import Msg

from adapters.nats.connection import ACTOR, AT, EVENT_ID, MESSAGE_ID, PACKED, TRACE
from adapters.nats.packs import (
    MOST_BYTES,
    MOST_EVENTS,
    Carried,
    Parcel,
    carried,
    count_of,
    parcels,
    unpacked,
)
from ports.events import Outgoing

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def event(subject: str = "evt.a.b.1", payload: bytes = b"{}", trace: str = "") -> Carried:
    return carried(Outgoing(str(uuid4()), subject, payload, NOW, trace, "merchant:1"))


def message(one: Parcel) -> Msg:
    client: Any = None
    return Msg(client, subject=one.subject, data=one.payload, headers=one.headers)


@given(
    st.lists(
        st.builds(
            lambda subject, text, trace: event(subject, msgspec.json.encode({"text": text}), trace),
            st.sampled_from(["evt.a.b.1", "evt.a.c.1", "evt.a.b.2"]),
            st.text(),
            st.sampled_from(["", "00-1-2-01"]),
        ),
        max_size=150,
    )
)
def test_everything_comes_out_once_and_in_the_order_of_its_subject(events: list[Carried]) -> None:
    made = list(parcels(events))
    out = [each for one in made for each in unpacked(message(one))]
    for subject in {each.subject for each in events}:
        assert [each for each in out if each.subject == subject] == [
            each for each in events if each.subject == subject
        ]
    assert len(out) == len(events)
    assert [one.ids for one in made] == [
        [each.id for each in unpacked(message(one))] for one in made
    ]
    assert all(count_of(message(one)) == len(one.ids) <= MOST_EVENTS for one in made)


def test_one_event_is_a_plain_message() -> None:
    alone = event(payload=b'{"points":1}', trace="00-1-2-01")
    (made,) = parcels([alone])
    assert made == Parcel(
        "evt.a.b.1",
        b'{"points":1}',
        {MESSAGE_ID: alone.id, AT: NOW.isoformat(), TRACE: "00-1-2-01", ACTOR: "merchant:1"},
        [alone.id],
    )
    assert unpacked(message(made)) == (alone,)


def test_a_replay_keeps_the_id_of_its_event() -> None:
    headers = {MESSAGE_ID: "replay:1", EVENT_ID: "e1", AT: "2026-05-01T14:00:00+02:00"}
    (one,) = unpacked(message(Parcel("evt.a.b.1", b"{}", headers, ())))
    assert (one.id, one.at) == ("e1", datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))))


def test_messages_stay_far_below_what_nats_takes() -> None:
    large = [event(payload=b'"' + b"x" * 100_000 + b'"') for _ in range(20)]
    made = list(parcels(large))
    assert [len(one.ids) for one in made] == [2] * 10
    assert all(len(one.payload) <= MOST_BYTES for one in made)


def test_what_is_large_takes_nobody_along() -> None:
    sizes = (10, MOST_BYTES - 100, 1_900_000, 10, 10)
    made = list(parcels(event(payload=b'"' + b"x" * size + b'"') for size in sizes))
    assert [len(one.ids) for one in made] == [2, 1, 2]


def test_the_same_events_make_the_same_message_and_others_another() -> None:
    events = [event() for _ in range(3)]
    (first,), (again,) = parcels(events), parcels(events)
    assert first == again
    others = [events[:2], events[1:], [events[1], events[0], events[2]]]
    ids = [first.headers[MESSAGE_ID], *(next(parcels(each)).headers[MESSAGE_ID] for each in others)]
    assert all(one != other for one, other in pairwise(sorted(ids)))


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b'[["id","evt.a.b.1"]]', b"\xff"])
def test_a_pack_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        unpacked(message(Parcel("evt.a.b.1", payload, {MESSAGE_ID: "p", PACKED: "2"}, ())))


def test_a_message_of_a_strange_count_counts_as_one() -> None:
    assert count_of(message(Parcel("evt.a.b.1", b"", {PACKED: "-3"}, ()))) == 1
