"""Structs of the contracts as GraphQL types: requests become inputs, answers become objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NewType, Optional
from uuid import UUID

import msgspec
import strawberry
from msgspec import inspect
from strawberry.scalars import JSON

Long = NewType("Long", int)
"""GraphQL's own Int has 32 bits; a shop's points may need more."""

LONG: Final = strawberry.scalar(
    name="Long",
    description="A whole number of up to 53 bits.",
    serialize=int,
    parse_value=lambda value: _whole(value),
)
_MOST: Final = 2**53 - 1

_PLAIN: Final[Mapping[type[inspect.Type], Any]] = {
    inspect.StrType: str,
    inspect.BoolType: bool,
    inspect.IntType: Long,
    inspect.FloatType: float,
    inspect.DecimalType: Decimal,
    inspect.UUIDType: UUID,
    inspect.DateTimeType: datetime,
    inspect.DateType: date,
    inspect.DictType: JSON,
}


def _whole(value: object) -> int:
    if type(value) is not int or abs(value) > _MOST:
        raise ValueError("must be a whole number of up to 53 bits")
    return value


def type_name(cls: type) -> str:
    """``contracts.core.Member`` is CoreMember: two services may call different things alike, and a
    name must not change because another service comes to use it. The domain's names are unique."""
    package, _, module = cls.__module__.rpartition(".")
    if package != "contracts" or module == "kit":
        return cls.__name__
    prefix = "".join(part.capitalize() for part in module.split("_"))
    return cls.__name__ if cls.__name__.startswith(prefix) else f"{prefix}{cls.__name__}"


@dataclass(slots=True)
class Types:
    """Makes each type once. ``more`` makes the fields that some answers have besides what they
    carry."""

    more: Mapping[type, Mapping[str, Callable[[], Any]]] = field(default_factory=dict)
    _outputs: dict[type, Any] = field(default_factory=dict)
    _inputs: dict[type, Any] = field(default_factory=dict)
    _enums: dict[type, Any] = field(default_factory=dict)

    def output(self, cls: type) -> Any:
        """The object type of an answer."""
        if cls not in self._outputs:
            # Known before its fields are: a type may lead back to itself.
            made: Any = type(type_name(cls), (), {})
            self._outputs[cls] = made
            made.__annotations__ = {
                each.name: self._of(each.type, self.output) for each in _fields(cls)
            }
            for name, make in self.more.get(cls, {}).items():
                setattr(made, name, make())
            strawberry.type(made, name=type_name(cls), description=_description(cls))
        return self._outputs[cls]

    def input(self, cls: type) -> Any:
        """The input type of a request."""
        if cls not in self._inputs:
            annotations: dict[str, Any] = {}
            defaults: dict[str, Any] = {}
            for each in _fields(cls):
                kind = self._of(each.type, self.input)
                if each.required:
                    annotations[each.name] = kind
                else:
                    annotations[each.name] = Optional[kind]  # noqa: UP045 - made at run time
                    defaults[each.name] = strawberry.UNSET
            name = f"{type_name(cls)}Input"
            made = type(name, (), {"__annotations__": annotations, **defaults})
            self._inputs[cls] = strawberry.input(made, name=name, description=_description(cls))
        return self._inputs[cls]

    def _of(self, kind: inspect.Type, struct: Any) -> Any:
        if isinstance(kind, inspect.Metadata):
            return self._of(kind.type, struct)
        if isinstance(kind, inspect.UnionType):
            present = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
            if len(present) != 1:
                raise TypeError("a union of several types has no GraphQL type here")
            inner = self._of(present[0], struct)
            return Optional[inner] if len(kind.types) > 1 else inner  # noqa: UP045 - made at run time
        if isinstance(kind, inspect.StructType | inspect.DataclassType):
            return struct(kind.cls)
        if isinstance(kind, inspect.VarTupleType | inspect.ListType):
            return list[self._of(kind.item_type, struct)]  # type: ignore[misc]  # made at run time
        if isinstance(kind, inspect.TupleType):
            if len({repr(each) for each in kind.item_types}) != 1:
                raise TypeError("a tuple of several types has no GraphQL type here")
            return list[self._of(kind.item_types[0], struct)]  # type: ignore[misc]  # likewise
        if isinstance(kind, inspect.EnumType):
            return self._enum(kind.cls)
        try:
            return _PLAIN[type(kind)]
        except KeyError:
            raise TypeError(f"{type(kind).__name__} has no GraphQL type yet") from None

    def _enum(self, cls: type[Enum]) -> Any:
        if cls not in self._enums:
            self._enums[cls] = strawberry.enum(cls, name=type_name(cls))
        return self._enums[cls]


def _fields(cls: type) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(cls)
    if not isinstance(info, inspect.StructType | inspect.DataclassType):
        raise TypeError(f"{cls.__name__} has no fields")
    return info.fields


def _description(cls: type) -> str | None:
    return " ".join(cls.__doc__.split()) if cls.__doc__ else None


def as_plain(value: Any) -> Any:
    """What a client sent as an input, without what it left out, ready to be encoded."""
    if isinstance(value, list):
        return [as_plain(each) for each in value]
    if isinstance(value, Enum):  # whose class has a definition as well
        return value
    if hasattr(type(value), "__strawberry_definition__"):
        return {
            name: as_plain(each)
            for name, each in vars(value).items()
            if each is not strawberry.UNSET
        }
    return value


def encode(value: Any) -> bytes:
    """The request of an operation from a client's input."""
    return msgspec.json.encode({} if value is None else as_plain(value))
