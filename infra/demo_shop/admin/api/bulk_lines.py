"""The file of a bulk operation: a JSON object a line, those inside others after their parents."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from infra.demo_shop.admin.api.costs import is_connection
from infra.demo_shop.admin.api.documents import Document

_MOST_CONNECTIONS: Final = 5
_DEEPEST: Final = 2


@dataclass(slots=True)
class Line:
    """An object of a connection, without the connections in it."""

    plain: dict[str, Any]
    children: list["Line"] = field(default_factory=list)


@dataclass(slots=True)
class _Place:
    """A field of a document: of what, with what type, asked for what."""

    node: FieldNode
    type: GraphQLNamedType
    several: bool

    @property
    def key(self) -> str:
        return (self.node.alias or self.node.name).value

    @property
    def inside(self) -> SelectionSetNode:
        chosen = self.node.selection_set
        return SelectionSetNode(selections=()) if chosen is None else chosen


class Shape:
    """Where the connections of a document are."""

    def __init__(self, schema: GraphQLSchema, document: Document) -> None:
        self._schema = schema
        self._fragments: Mapping[str, FragmentDefinitionNode] = document.fragments
        self._document = document
        self._root: GraphQLNamedType = schema.type_map["QueryRoot"]

    def problems(self) -> Iterator[str]:
        """What Shopify does not do in bulk, in its words."""
        if self._document.operation.operation.value != "query":
            yield "Invalid bulk query: only queries can be run."
            return
        if {"node", "nodes"} & set(self._document.root_fields):
            yield "Bulk queries cannot contain top level `node` or `nodes` fields."
        found = list(self._connections(self._root, self._document.operation.selection_set))
        if not found:
            yield "Bulk queries must contain at least one connection."
        if len(found) > _MOST_CONNECTIONS:
            yield f"Bulk queries cannot contain more than {_MOST_CONNECTIONS} connections."
        if any(depth > _DEEPEST for depth, _, _ in found):
            yield f"Bulk queries cannot contain connections nested deeper than {_DEEPEST} levels."
        if any(in_list for _, in_list, _ in found):
            yield (
                "Queries that contain a connection field within a list field "
                "are not currently supported."
            )
        if not all(has_id for _, _, has_id in found):
            yield (
                "The parent 'node' field for a nested connection must select the 'id' field "
                "without an alias and must be of 'ID' return type."
            )

    def lines(self, data: Mapping[str, Any]) -> list[Line]:
        """The objects of the connections at the root, with those inside of them."""
        return self._split(self._root, self._document.operation.selection_set, data).children

    def _split(
        self, of: GraphQLNamedType, chosen: SelectionSetNode, data: Mapping[str, Any]
    ) -> Line:
        line = Line(dict(data))
        for place in self._places(of, chosen):
            value = data.get(place.key)
            if value is None or place.node.selection_set is None:
                continue
            if is_connection(place.type.name):
                del line.plain[place.key]
                line.children += self._nodes(place, value)
            elif isinstance(value, dict):
                inner = self._split(place.type, place.inside, value)
                line.plain[place.key] = inner.plain
                line.children += inner.children
        return line

    def _nodes(self, connection: _Place, data: Mapping[str, Any]) -> Iterator[Line]:
        for place in self._node_places(connection):
            values = data.get(place.key) or [edge["node"] for edge in data.get("edges") or ()]
            for value in values:
                yield self._split(place.type, place.inside, value)

    def _node_places(self, connection: _Place) -> Iterator[_Place]:
        for place in self._places(connection.type, connection.inside):
            if place.node.name.value == "nodes":
                yield place
            elif place.node.name.value == "edges":
                inner = self._places(place.type, place.inside)
                yield from (each for each in inner if each.node.name.value == "node")

    def _connections(
        self,
        of: GraphQLNamedType,
        chosen: SelectionSetNode,
        depth: int = 0,
        in_list: bool = False,
        has_id: bool = True,
    ) -> Iterator[tuple[int, bool, bool]]:
        """Of each: how deep inside of others, whether in a list, and whether its parent has the id
        by which its lines name it. The outermost are at depth 0."""
        for place in self._places(of, chosen):
            if not is_connection(place.type.name):
                several = in_list or place.several
                yield from self._connections(place.type, place.inside, depth, several, has_id)
                continue
            yield depth, in_list, has_id
            for node in self._node_places(place):
                named = {each.key for each in self._places(node.type, node.inside)}
                yield from self._connections(
                    node.type, node.inside, depth + 1, in_list, "id" in named
                )

    def _places(
        self, of: GraphQLNamedType, chosen: SelectionSetNode, spread: set[str] | None = None
    ) -> Iterator[_Place]:
        """Each fragment counts once."""
        spread = set() if spread is None else spread
        for each in chosen.selections:
            if isinstance(each, FieldNode):
                known = (
                    of.fields if isinstance(of, GraphQLObjectType | GraphQLInterfaceType) else {}
                )
                if each.name.value in known:
                    type_ = known[each.name.value].type
                    several = is_list_type(get_nullable_type(type_))
                    yield _Place(each, get_named_type(type_), several)
            elif isinstance(each, FragmentSpreadNode):
                if each.name.value in spread:
                    continue
                spread.add(each.name.value)
                fragment = self._fragments[each.name.value]
                of_fragment = self._schema.type_map[fragment.type_condition.name.value]
                yield from self._places(of_fragment, fragment.selection_set, spread)
            elif isinstance(each, InlineFragmentNode):
                condition = each.type_condition
                inner = of if condition is None else self._schema.type_map[condition.name.value]
                yield from self._places(inner, each.selection_set, spread)


def in_order(roots: list[Line], *, grouped: bool) -> Iterator[dict[str, Any]]:
    """The lines of a file. Whoever did not ask for groups may rely on no more than that a parent
    comes before what is in it, so all that is inside comes after all that is around it."""
    level = [(each, None) for each in roots]
    if grouped:
        for root, _ in level:
            yield from _with_all_inside(root, None)
        return
    while level:
        inner: list[tuple[Line, Any]] = []
        for line, parent in level:
            yield _told(line, parent)
            inner += [(each, line.plain.get("id")) for each in line.children]
        level = inner


def _with_all_inside(line: Line, parent: Any) -> Iterator[dict[str, Any]]:
    yield _told(line, parent)
    for each in line.children:
        yield from _with_all_inside(each, line.plain.get("id"))


def _told(line: Line, parent: Any) -> dict[str, Any]:
    return line.plain if parent is None else {**line.plain, "__parentId": parent}
