"""An example for whatever a storage port takes, made from its types: nobody has to write one down
for a new method, and nobody can forget to.

All examples of one shop agree with each other: the first of anything has the same id everywhere, so
what one method has stored another finds.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

import msgspec

from contracts.shop import ORDER_CREATED
from domain.program import ProgramSettings, defaults
from ports.events import Received

AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
_FIRST: Final = 7
_CURSORS: Final = frozenset({"after", "before"})
_SHOP: Final = frozenset(
    {
        *("merchant_id", "merchant_ids", "merchants"),
        *("programs", "settings", "calendars", "zones", "changes", "news", "closed_at", "at"),
    }
)
"""Names by which an id is a shop's. Some are of mappings from shops."""
_PLAIN: Final[Mapping[type[Any], object]] = {
    int: 1,
    float: 1.0,
    bool: False,
    Decimal: Decimal(1),
    datetime: AT,
    date: AT.date(),
    timedelta: timedelta(days=1),
}

Told = Mapping[str, object]
"""Values for names whose types do not say enough: of parameters and fields everywhere (``name``),
of a class (``Class.name``) or of a method (``Class.method.name``). A type stands for an example of
it; a function is called with the examples."""


@dataclass(frozen=True)
class Examples:
    """Of the shop ``merchant_id``: with these ``numbers`` where several are taken, otherwise with
    the first of them; of the first page of anything, unless it is to be a ``later`` one."""

    merchant_id: UUID
    told: Told
    numbers: Sequence[int] = (0,)
    later: bool = False

    def arguments(self, method: Callable[..., Awaitable[object]]) -> dict[str, Any]:
        """What to call ``method`` with."""
        hints = typing.get_type_hints(method)
        return {
            name: self.of(hints[name], name, method.__qualname__)
            for name in inspect.signature(method).parameters
        }

    def of(self, hint: Any, name: str = "", owner: str = "") -> Any:
        """An example of a type, for the parameter or field ``name`` of ``owner``."""
        for key in (f"{owner}.{name}", f"{owner.partition('.')[0]}.{name}", name):
            if key in self.told:
                told = self.told[key]
                if isinstance(told, type):
                    return self.of(told)
                return told(self) if isinstance(told, types.FunctionType) else told
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
        if origin is None:
            return self._plain(hint, name)
        if origin in (typing.Union, types.UnionType, typing.Final):
            if name in _CURSORS and not self.later:
                return None
            return self.of(next(each for each in parts if each is not type(None)), name, owner)
        if issubclass(origin, Mapping):
            key, value = parts
            if issubclass(key, Enum):
                return {each: self.of(value, name, owner) for each in key}
            return {each.of(key, name, owner): each.of(value, name, owner) for each in self._each()}
        if origin is tuple and parts[-1] is not Ellipsis:
            return tuple(self.of(each, name, owner) for each in parts)
        if issubclass(origin, Iterable):
            made = [each.of(parts[0], name, owner) for each in self._each()]
            if made[0] == made[-1]:
                made = made[:1]  # of a shop there is only one
            return made if inspect.isabstract(origin) else origin(made)
        return self.of(origin, name, owner)

    def next(self) -> "Examples":
        """The next of each, for what needs another one."""
        return replace(self, numbers=[number + 1 for number in self.numbers])

    def _each(self) -> list["Examples"]:
        return [replace(self, numbers=(number,)) for number in self.numbers]

    def _plain(self, kind: type[Any], name: str) -> Any:
        if kind is UUID:
            return self.merchant_id if name in _SHOP else UUID(int=_FIRST + self.numbers[0])
        if kind is bytes:
            return self.numbers[0].to_bytes(32)
        if kind is str:
            return f"x{self.numbers[0] or ''}"
        if kind is ProgramSettings:
            return defaults("USD")
        if kind is Received:
            return Received("1", ORDER_CREATED, None, self.merchant_id, AT)
        if issubclass(kind, Enum):
            return next(iter(kind))
        if kind in _PLAIN:
            return _PLAIN[kind]
        if dataclasses.is_dataclass(kind):
            names = tuple(each.name for each in dataclasses.fields(kind))
        else:
            names = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else kind._fields
        hints = typing.get_type_hints(kind)
        return kind(**{each: self.of(_kept(hints[each]), each, kind.__name__) for each in names})


def _kept(hint: Any) -> Any:
    """The type of a field that may be ``Final``."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Final else hint
