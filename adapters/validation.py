"""Reading a request so that everything wrong with it is reported, not only the first thing."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from adapters.numbers import DIGITS, check_of
from contracts.kit import Body, Request
from domain.errors import InvalidRequest, Problem

_NOT_JSON: Final = "The body is not valid JSON."
_ODD: Final = re.compile(rb"\\u0000|\d{19}")
"""A request without this, and without decimals, holds nothing that could not be kept."""
_WHOLE: Final = 2**63
"""Whole numbers have 64 bits wherever they are kept."""
_FIRST_YEAR: Final = 1000
_LAST_YEAR: Final = 8999
"""Of instants that can be reckoned with in every time zone, days and years on."""


def decode_request(decoder: msgspec.json.Decoder[Request], payload: bytes) -> Request:
    """The request in ``payload``. Raises InvalidRequest with one problem for every bad field."""
    payload = payload or b"{}"
    try:
        request = decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise InvalidRequest(problems=_problems(decoder.type, payload, error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(_NOT_JSON) from error
    if _ODD.search(payload) or _has_decimals(decoder.type):
        check_values(request)
    return request


def convert_request(request: type[Request], values: Mapping[str, object]) -> Request:
    """The request made of texts, as a query string or a path has them."""
    try:
        made = msgspec.convert(values, request, strict=False)
    except msgspec.ValidationError as error:
        found = _field_problems(
            request, values, lambda value, kind: msgspec.convert(value, kind, strict=False)
        )
        raise InvalidRequest(problems=found or [_problem("", str(error))]) from error
    if _has_decimals(request) or any(map(_looks_odd, values.values())):
        check_values(made)
    return made


def body_reader(body: type[Body]) -> Callable[[bytes], Body]:
    """What makes an event's body of JSON. It raises ``msgspec.MsgspecError``, and InvalidRequest
    for a decimal that is no number, or none of money: PostgreSQL keeps NaN, and every sum it comes
    into is none from then on. There are far too many events to look at each value of them, so only
    at their decimals."""
    decode = msgspec.json.Decoder(body).decode
    has_numbers_only = check_of(body)
    if has_numbers_only is None:
        return decode

    def read(payload: bytes) -> Body:
        made = decode(payload)
        if not has_numbers_only(made):
            check_values(made)
        return made

    return read


def _problems(
    request: type[Request], payload: bytes, error: msgspec.ValidationError
) -> list[Problem]:
    # The slow way, taken only when the fast one has failed.
    try:
        raw = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return [Problem("", "Expected a JSON object.")]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Problem("", _NOT_JSON)]
    found = _field_problems(request, raw, lambda value, kind: msgspec.json.decode(value, type=kind))
    return found or [_problem("", str(error))]


def _field_problems(
    request: type[Request], values: Mapping[str, Any], read: Callable[[Any, Any], object]
) -> list[Problem]:
    problems = []
    known = {field.encode_name: field for field in msgspec.structs.fields(request)}
    for name, field in known.items():
        if name not in values:
            if field.required:
                problems.append(Problem(f"/{name}", "This field is required."))
            continue
        try:
            read(values[name], field.type)
        except msgspec.ValidationError as error:
            problems.append(_problem(f"/{name}", str(error)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problems.append(Problem(f"/{name}", _NOT_JSON))
    problems.extend(
        Problem(f"/{name}", "There is no such field.") for name in values if name not in known
    )
    return problems


def _problem(pointer: str, message: str) -> Problem:
    """msgspec says ``Expected `int`, got `str` - at `$.rules[0].rate```: split what from where."""
    what, _, where = message.partition(" - at `$")
    inside = where.rstrip("`").replace("[", ".").replace("]", "").replace(".", "/")
    return Problem(pointer + inside, what if what.endswith(".") else what + ".")


def check_values(request: Request | Body) -> None:
    """Raises InvalidRequest for values that fit their types and could not be kept or reckoned with
    all the same."""
    if problems := list(_odd("", request)):
        raise InvalidRequest(problems=problems)


def _looks_odd(value: object) -> bool:
    """Whether a text may be, or stand for, a value that could not be kept; a whole number of 19
    digits has one at this place, and a UUID has none."""
    return (
        not isinstance(value, str) or "\x00" in value or (len(value) > 18 and value[18].isdigit())
    )


def _odd(pointer: str, value: object) -> Iterator[Problem]:
    if isinstance(value, str):
        if "\x00" in value:
            yield Problem(pointer, "A text has no character U+0000.")
    elif isinstance(value, int):
        if not -_WHOLE <= value < _WHOLE:
            yield Problem(pointer, "The number is out of range.")
    elif isinstance(value, datetime):
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            yield Problem(pointer, "An instant of our era is needed.")
    elif isinstance(value, Decimal):
        if not _is_reasonable(value):
            yield Problem(
                pointer, f"A number has {DIGITS} digits at most before the point and behind it."
            )
    else:
        for name, part in _parts(value):
            yield from _odd(f"{pointer}/{name}", part)


def _is_reasonable(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and value.adjusted() < DIGITS and exponent >= -DIGITS


def _parts(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, msgspec.Struct):
        return ((name, getattr(value, name)) for name in value.__struct_fields__)
    if is_dataclass(value):
        return ((each.name, getattr(value, each.name)) for each in fields(value))
    if isinstance(value, Mapping):
        # A key is said to be wrong where its value is.
        return [*value.items(), *((key, key) for key in value)]
    if isinstance(value, list | tuple | set | frozenset):
        return enumerate(value)
    return ()


@cache
def _has_decimals(request: type[Request]) -> bool:
    return any(isinstance(each, inspect.DecimalType) for each in _types(request))


def _types(request: type[Request]) -> Iterator[inspect.Type]:
    """Every type that a request is made of, however deep."""
    seen: set[type] = set()
    waiting: list[object] = [inspect.type_info(request)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(node)
        elif isinstance(node, inspect.Field):
            waiting.append(node.type)
        elif isinstance(node, inspect.Type):
            yield node
            cls = getattr(node, "cls", None)
            if cls is None or cls not in seen:
                seen |= {cls} if cls is not None else set()
                waiting.extend(getattr(node, name) for name in node.__struct_fields__)
