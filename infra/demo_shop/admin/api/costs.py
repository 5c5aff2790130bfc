"""What a document can cost at most, by Shopify's rules.

An object costs 1, scalars and enums nothing. A connection costs 2, and its ``first`` or ``last``
times what a node does. Of an interface or union the dearest selection counts. A mutation costs 10,
and of what it answers only connections cost more.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

CONNECTION: Final = 2
MUTATION: Final = 10
_PAGE: Final = ("first", "last")


def is_connection(type_name: str) -> bool:
    return type_name.endswith("Connection")


def requested_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> int:
    """Of a document that was validated."""
    walk = _Walk(schema, fragments, variables)
    root = schema.get_root_type(operation.operation)
    if root is None:
        return 0
    if operation.operation is not OperationType.MUTATION:
        return walk.inside(root, operation.selection_set, 1)
    fields = list(walk.fields(root, operation.selection_set))
    return sum(MUTATION + walk.field(root, each, 0) for each in fields)


class _Walk:
    """``objects`` is what an object costs where we are."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def inside(self, parent: GraphQLNamedType, chosen: SelectionSetNode, objects: int) -> int:
        if not is_abstract_type(parent):
            return sum(self.field(parent, each, objects) for each in self.fields(parent, chosen))
        named = {each for each in self._conditions(chosen) if not is_abstract_type(each)}
        return max(
            sum(self.field(each, field, objects) for field in self.fields(each, chosen))
            for each in named or {parent}
        )

    def fields(
        self, of: GraphQLNamedType, chosen: SelectionSetNode, spread: set[str] | None = None
    ) -> Iterable[FieldNode]:
        """All fields that an object of this type is asked for. ``spread`` are the fragments that
        were met on the way; each counts once."""
        spread = set() if spread is None else spread
        for each in chosen.selections:
            if isinstance(each, FieldNode):
                yield each
                continue
            if _met_before(each, spread):
                continue
            condition, inner = self._fragment(each)
            if condition is None or self._is_a(of, condition):
                yield from self.fields(of, inner, spread)

    def field(self, parent: GraphQLNamedType, field: FieldNode, objects: int) -> int:
        name = field.name.value
        if name.startswith("__") or field.selection_set is None:
            return 0
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return 0
        answered = get_named_type(parent.fields[name].type)
        if is_leaf_type(answered):
            return 0
        if is_connection(answered.name):
            return CONNECTION + (self._size(field) or 1) * self._node(answered, field.selection_set)
        return (self._size(field) or 1) * (
            objects + self.inside(answered, field.selection_set, objects)
        )

    def _node(self, connection: GraphQLNamedType, chosen: SelectionSetNode) -> int:
        """What one node costs, asked for as ``nodes``, ``edges { node }``, or both."""
        dearest = 0
        for each in self.fields(connection, chosen):
            if each.selection_set is None:
                continue
            if each.name.value == "nodes":
                dearest = max(dearest, self.field(connection, each, 1))
            elif each.name.value == "edges":
                dearest = max(dearest, self.field(connection, each, 1) - 1)
        return dearest

    def _size(self, field: FieldNode) -> int | None:
        for argument in field.arguments or ():
            if argument.name.value not in _PAGE:
                continue
            value = argument.value
            if isinstance(value, IntValueNode):
                return int(value.value)
            if isinstance(value, VariableNode):
                given = self._variables.get(value.name.value)
                return given if isinstance(given, int) else None
        return None

    def _conditions(
        self, chosen: SelectionSetNode, spread: set[str] | None = None
    ) -> Iterable[GraphQLNamedType]:
        spread = set() if spread is None else spread
        for each in chosen.selections:
            if isinstance(each, FieldNode) or _met_before(each, spread):
                continue
            condition, inner = self._fragment(each)
            if condition is not None:
                yield condition
            yield from self._conditions(inner, spread)

    def _fragment(self, of: object) -> tuple[GraphQLNamedType | None, SelectionSetNode]:
        if isinstance(of, FragmentSpreadNode):
            of = self._fragments[of.name.value]
        if not isinstance(of, InlineFragmentNode | FragmentDefinitionNode):
            raise TypeError(f"no fragment: {of}")
        condition = of.type_condition
        known = None if condition is None else self._schema.get_type(condition.name.value)
        return known, of.selection_set

    def _is_a(self, of: GraphQLNamedType, condition: GraphQLNamedType) -> bool:
        if of is condition:
            return True
        return is_abstract_type(condition) and self._schema.is_sub_type(condition, of)


def _met_before(selection: object, spread: set[str]) -> bool:
    """Whether it spreads a fragment that was met, which it is from now on."""
    if not isinstance(selection, FragmentSpreadNode):
        return False
    name = selection.name.value
    if name in spread:
        return True
    spread.add(name)
    return False
