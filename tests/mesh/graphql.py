"""Every operation as GraphQL asks for it: a query with all that the answer has, and its variables
made of the request that HTTP takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
)

from adapters.graphql.relations import RELATIONS
from adapters.graphql.types import type_name
from contracts.kit import Operation, Request
from contracts.registry import REGISTRY
from services.api_gateway.wiring import graphql_schema

AnyOperation = Operation[Request, msgspec.Struct]

_LEADS_ON: Final = {(type_name(each.of), _name) for each in RELATIONS for _name in (each.name,)}
_DEEPEST: Final = 5


@dataclass(frozen=True)
class Question:
    """How GraphQL asks an operation."""

    text: str
    input: GraphQLInputObjectType | None
    keyed: bool

    def variables(self, request: Mapping[str, Any], key: str) -> dict[str, Any]:
        """``request`` is as HTTP takes it."""
        asked: dict[str, Any] = {"key": key} if self.keyed else {}
        if self.input is not None:
            asked["input"] = _as_input(self.input, request)
        return asked


@cache
def questions() -> dict[str, Question]:
    """By the name of the operation; those that GraphQL does not offer are not among them."""
    found = {}
    schema: GraphQLSchema = graphql_schema()._schema
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for operation in REGISTRY.operations.values():
        verb = operation.name.rpartition(".")[2]
        service = _camel(operation.service)
        places: list[tuple[GraphQLObjectType, str, str]] = [
            (schema.mutation_type, "mutation", "%s")
        ]
        if group := schema.query_type.fields.get(service):
            inner = get_named_type(group.type)
            assert isinstance(inner, GraphQLObjectType)
            places.append((inner, "query", f"{service} {{ %s }}"))
        for holder, kind, around in places:
            for name, field in holder.fields.items():
                if name.lower() == verb.lower() and _answers(field, operation):
                    found[operation.name] = _question(kind, around, name, field)
    return found


def _answers(field: GraphQLField, operation: AnyOperation) -> bool:
    return get_named_type(field.type).name == type_name(operation.response)


def _question(kind: str, around: str, name: str, field: GraphQLField) -> Question:
    declared, passed = [], []
    taken: GraphQLInputObjectType | None = None
    for argument, about in field.args.items():
        variable = "input" if argument == "input" else "key"
        declared.append(f"${variable}: {about.type}")
        passed.append(f"{argument}: ${variable}")
        if argument == "input":
            named = get_named_type(about.type)
            assert isinstance(named, GraphQLInputObjectType)
            taken = named
    arguments = f"({', '.join(passed)})" if passed else ""
    asked = f"{name}{arguments} {_all_of(get_named_type(field.type), _DEEPEST)}"
    variables = f"({', '.join(declared)})" if declared else ""
    return Question(f"{kind}{variables} {{ {around % asked} }}", taken, len(declared) > bool(taken))


def _all_of(kind: Any, depth: int) -> str:
    """Every field of an answer, but for what leads on to others."""
    if not isinstance(kind, GraphQLObjectType):
        return ""
    parts = ["__typename"]
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if any((kind.name, each) in _LEADS_ON for each in (name, _snake(name))):
            continue
        if isinstance(inner, GraphQLObjectType):
            if depth:
                parts.append(f"{name} {_all_of(inner, depth - 1)}")
        else:
            parts.append(name)
    return f"{{ {' '.join(parts)} }}"


def _as_input(kind: Any, value: Any) -> Any:
    if isinstance(kind, GraphQLNonNull):
        return _as_input(kind.of_type, value)
    if value is None:
        return None
    if isinstance(kind, GraphQLList) and isinstance(value, list | tuple):
        return [_as_input(kind.of_type, each) for each in value]
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, Mapping):
        known = {_camel(name): each for name, each in value.items()}
        return {
            name: _as_input(kind.fields[name].type, each) if name in kind.fields else each
            for name, each in known.items()
        }
    if isinstance(kind, GraphQLEnumType):
        for name, each in kind.values.items():
            if value in (name, each.value, getattr(each.value, "value", None)):
                return name
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
