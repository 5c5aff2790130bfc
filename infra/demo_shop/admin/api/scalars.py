"""What the schema's own scalars take: amounts, instants, days, whole numbers as text."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema, value_from_ast_untyped


def teach(schema: GraphQLSchema) -> None:
    """A schema made from an introspection lets everything through; this makes it look."""
    for name, parse in _PARSERS.items():
        scalar = schema.type_map[name]
        if isinstance(scalar, GraphQLScalarType):
            _take(scalar, parse)


def _take(scalar: GraphQLScalarType, parse: Callable[[Any], Any]) -> None:
    # graphql-core offers no other way to change a scalar of a schema that is there.
    scalar.coerce_input_value = parse
    scalar.coerce_input_literal = lambda node: parse(value_from_ast_untyped(node))


def _decimal(given: Any) -> Decimal:
    if isinstance(given, str | int | float) and not isinstance(given, bool):
        try:
            amount = Decimal(str(given))
        except InvalidOperation:
            amount = Decimal("NaN")
        if amount.is_finite():
            return amount
    raise GraphQLError(f"invalid decimal '{given}'")


def _date_time(given: Any) -> datetime:
    try:
        at = datetime.fromisoformat(given)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise GraphQLError(f"invalid DateTime '{given}'") from None


def _date(given: Any) -> date:
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise GraphQLError(f"invalid date '{given}'") from None


def _unsigned(given: Any) -> int:
    if isinstance(given, int | str) and not isinstance(given, bool) and str(given).isdecimal():
        return int(given)
    raise GraphQLError(f"invalid unsigned integer '{given}'")


_PARSERS: Final[dict[str, Callable[[Any], Any]]] = {
    "Decimal": _decimal,
    "Money": _decimal,
    "DateTime": _date_time,
    "Date": _date,
    "UnsignedInt64": _unsigned,
}
