"""Everything wrong with a request is told at once, and nothing gets in that could not be kept."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.numbers import check_of
from adapters.validation import body_reader, convert_request, decode_request
from contracts.kit import Body, Event, Request
from contracts.registry import REGISTRY
from domain.errors import InvalidRequest


@dataclass(frozen=True)
class Rule:
    amount: Decimal
    names: tuple[str, ...] = ()


class Ask(Request, frozen=True, kw_only=True):
    count: int
    text: str = ""
    rules: tuple[Rule, ...] = ()
    more: Mapping[str, str] = {}


class Plain(Request, frozen=True, kw_only=True):
    count: int


def pointers(payload: bytes, request: type[Request] = Ask) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        decode_request(msgspec.json.Decoder(request), payload)
    return sorted(each.pointer for each in refused.value.problems)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"text": 1, "colour": 2}', ["/colour", "/count", "/text"]),
        (b'{"count": 1, "rules": [{"amount": "1"}, {"amount": "x"}]}', ["/rules/1/amount"]),
        (b'{"count": 1, "rules": [{"amount": "1e999999999"}]}', ["/rules/0/amount"]),
        (b'{"count": 1, "rules": [{"amount": "1e-50"}]}', ["/rules/0/amount"]),
        (b'{"count": 1, "rules": [{"amount": "1"}, {"amount": 1e30}]}', ["/rules/1/amount"]),
        (b'{"count": 1, "rules": [{"amount": "NaN"}]}', ["/rules/0/amount"]),
        (b'{"count": 9223372036854775808}', ["/count"]),
        (b'{"count": -9223372036854775809}', ["/count"]),
        (b'{"count": 1' + b"0" * 5000 + b', "text": 3}', ["/count", "/text"]),
        (b'{"count": 1, "text": "a\\u0000"}', ["/text"]),
        (b'{"count": 1, "rules": [{"amount": "1", "names": ["\\u0000"]}]}', ["/rules/0/names/0"]),
        (b'{"count": 1, "more": {"\\u0000": "x"}}', ["/more/\x00"]),
        (b'{"count": "\xff"}', ["/count"]),
        (b"[]", [""]),
        (b"3", [""]),
    ],
)  # fmt: skip
def test_every_bad_field_is_named(payload: bytes, expected: list[str]) -> None:
    assert pointers(payload) == expected


@pytest.mark.parametrize("payload", [b"{", b'{"count": 1}}', b"\xff", b'{"a":' * 100_000])
def test_what_is_no_json_is_said_to_be_none(payload: bytes) -> None:
    assert pointers(payload, Plain) in ([], ["/a"], [""])


def test_reasonable_values_get_in() -> None:
    body = {
        "count": 2**63 - 1,
        "text": "ünï ☃",
        "rules": [{"amount": "99999999999999999999.99"}, {"amount": "-0.00"}, {"amount": 10}],
    }
    found = decode_request(msgspec.json.Decoder(Ask), json.dumps(body).encode())
    assert isinstance(found, Ask)
    assert found.rules[0].amount == Decimal("99999999999999999999.99")


def test_texts_of_a_query_are_looked_at_too() -> None:
    with pytest.raises(InvalidRequest) as refused:
        convert_request(Ask, {"count": "1", "text": "\x00"})
    assert [each.pointer for each in refused.value.problems] == ["/text"]
    with pytest.raises(InvalidRequest) as refused:
        convert_request(Ask, {"count": "x", "colour": "red"})
    assert {each.pointer for each in refused.value.problems} == {"/count", "/colour"}


rubbish: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_whatever_comes_is_taken_or_refused_in_order(data: st.DataObject) -> None:
    operation = REGISTRY.operations[data.draw(st.sampled_from(sorted(REGISTRY.operations)))]
    names = [*operation.request.__struct_fields__, "more"]
    values = data.draw(st.dictionaries(st.sampled_from(names), rubbish))
    for payload in (json.dumps(values).encode(), data.draw(st.binary(max_size=30))):
        with suppress(InvalidRequest):
            decode_request(msgspec.json.Decoder(operation.request), payload)


class Told(Body, frozen=True):
    name: str = ""
    rules: tuple[Rule, ...] = ()
    best: Rule | None = None
    bounds: tuple[Decimal, Decimal] = (Decimal(0), Decimal(1))
    scores: tuple[int, int] = (0, 0)


@pytest.mark.parametrize(
    "body",
    [
        Told(),
        Told(name="NaN"),
        Told(
            rules=(Rule(Decimal("-1.5")), Rule(Decimal("99999999999999999999.9"))),
            best=Rule(Decimal(2)),
        ),
    ],
)
def test_events_with_numbers_pass(body: Told) -> None:
    assert body_reader(Told)(msgspec.json.encode(body)) == body


@pytest.mark.parametrize("no_number", ["NaN", "sNaN", "-inf", " N_aN7 ", "1e999", "\\u004eaN"])
@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ('{"rules": [{"amount": "1"}, {"amount": "%s"}]}', "/rules/1/amount"),
        ('{"best": {"amount": "%s"}}', "/best/amount"),
        ('{"bounds": ["0", "%s"]}', "/bounds/1"),
    ],
)
def test_what_is_no_number_is_found_wherever_it_is_in_an_event(
    payload: str, pointer: str, no_number: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        body_reader(Told)((payload % no_number).encode())
    assert [each.pointer for each in refused.value.problems] == [pointer]


@pytest.mark.parametrize("event", REGISTRY.events.values(), ids=lambda event: event.name)
def test_the_decimals_of_every_event_can_be_looked_at(event: Event[Body]) -> None:
    decimals = repr(msgspec.inspect.type_info(event.body)).count("DecimalType()")
    assert (check_of(event.body) is not None) == (decimals > 0)
