"""What a consumer says it relies on: the fields it reads, as a struct of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec

from contracts.generate.compare import Way, differences
from contracts.generate.schemas import Schemas
from contracts.kit import Body, Event, Operation, Request
from contracts.views import View
from domain.errors import LoyaltyError
from tests.contracts import expectations


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a body or an answer that a consumer reads; it does without the others.

    A field has a default where the consumer can do without it too.
    """


@dataclass(frozen=True)
class Reads:
    """A consumer takes these events, and reads ``part`` of them: a view where it has one."""

    events: tuple[Event[Body], ...]
    part: type[Part | View]


@dataclass(frozen=True)
class Calls:
    """A consumer sends ``request``, reads ``part`` of the answer, and tells ``errors`` apart."""

    operation: Operation[Request, msgspec.Struct]
    request: dict[str, Any]
    part: type[Part]
    errors: tuple[type[LoyaltyError], ...] = ()


@dataclass(frozen=True)
class Pact:
    """All that one service relies on."""

    consumer: str
    reads: tuple[Reads, ...] = ()
    calls: tuple[Calls, ...] = ()


def pacts() -> dict[str, Pact]:
    """Every pact by its consumer: one module of ``expectations`` for each."""
    names = [each.name for each in iter_modules(expectations.__path__)]
    found = [import_module(f"{expectations.__name__}.{name}").PACT for name in names]
    assert names == [pact.consumer for pact in found]
    return dict(zip(names, found, strict=True))


def unmet(part: type[Part | View], provided: type[msgspec.Struct], way: Way) -> Sequence[str]:
    """What ``part`` expects and ``provided`` does not promise, one line each."""
    schemas = Schemas({part, provided})
    lines = differences(provided.__name__, way, schemas.document(part), schemas.document(provided))
    # Seen from a pact, everything it leaves out is new.
    return [line for line in lines if not line.endswith("is new and has no default")]
