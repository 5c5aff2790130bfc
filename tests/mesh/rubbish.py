"""Requests and events as nobody should send them: good ones with something wrong in them."""

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

MARK: Final = "rubbish7f3a9c"
"""In every text that is made up here, so that it can be told where it went."""

NASTY: Final[tuple[str, ...]] = (
    "null",
    "true",
    "-1",
    "0.5",
    "1e400",
    "-1e-400",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "1" + "0" * 40,
    "[]",
    "{}",
    "[[[]]]",
    '""',
    f'"{MARK}"',
    rf'"{MARK}\u0000"',
    rf'"{MARK}\ud800"',
    rf'"\udfff{MARK}"',
    rf'"{MARK}\r\n\u2028\u202e"',
    f'"{MARK}{"é" * 20_000}"',
    f'"\'; DROP TABLE {MARK}; --"',
    f'"{{{{ {MARK} }}}}%s%n"',
    f'"../../{MARK}"',
    '"00000000-0000-0000-0000-000000000000"',
    '"0001-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59+00:00"',
    '"NaN"',
    '"Infinity"',
    '"-0"',
    f'["{MARK}", 1, null]',
    f'{{"{MARK}": {{"{MARK}": 1}}}}',
    "NaN",
    "-Infinity",
    "01",
    f'"{MARK}',
)
"""Values in JSON, the last four of which are none."""

NOT_EVEN: Final[tuple[bytes, ...]] = (
    b"",
    b"null",
    b"[]",
    b'"' + MARK.encode() + b'"',
    b"{",
    b"\xff\xfe\x00",
    b'{"' + MARK.encode() + b'": "\xc3\x28"}',
    b"[" * 20_000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"\xef\xbb\xbf{}",
)
"""What is no object at all."""


def spoilt(random: Random, good: Mapping[str, Any], times: int) -> Iterator[bytes]:
    """``good`` in JSON, so many times, each time wrong in another way."""
    for _ in range(times):
        kind = random.randrange(8)
        if kind == 0:
            yield random.choice(NOT_EVEN)
        elif kind == 1:
            yield _json(_written(good) | {MARK: random.choice(NASTY)})
        elif kind == 2 and good:
            left_out = random.choice(sorted(good))
            yield _json({name: text for name, text in _written(good).items() if name != left_out})
        elif kind == 3 and good:
            # The same field twice.
            name = random.choice(sorted(good))
            yield _json(_written(good))[:-1] + f',"{name}":{random.choice(NASTY)}}}'.encode()
        else:
            yield _json(_one_inside(random, good))


def _one_inside(random: Random, good: Mapping[str, Any]) -> dict[str, str]:
    """With one value, however deep, replaced."""
    texts = _written(good)
    if not texts:
        return {MARK: random.choice(NASTY)}
    name = random.choice(sorted(texts))
    inside = good[name]
    if isinstance(inside, Mapping) and inside and random.random() < 0.7:
        texts[name] = _json(_one_inside(random, inside)).decode()
    elif isinstance(inside, list) and inside and random.random() < 0.7:
        first = inside[0]
        if isinstance(first, Mapping):
            texts[name] = "[" + _json(_one_inside(random, first)).decode() + "]"
        else:
            texts[name] = f"[{random.choice(NASTY)}]"
    else:
        texts[name] = random.choice(NASTY)
    return texts


def _written(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in values.items()}


def _json(texts: Mapping[str, str]) -> bytes:
    return (
        "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in texts.items()) + "}"
    ).encode()
