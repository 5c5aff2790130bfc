"""What a query may cost: how deep it goes, how much it fetches, how often it asks.

Every operation and every relation costs 10 for being asked, and 1 for each item it may answer: a
list as many as its ``limit`` says, and what leads on from a list as many as the list. A limit that
comes in a variable counts as the most there can be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    InlineFragmentNode,
    IntValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    get_named_type,
    is_object_type,
)

from contracts.kit import Request
from contracts.paging import MOST
from domain.errors import Kind, LoyaltyError

MOST_DEPTH: Final = 12
MOST_COST: Final = 2_000
_MOST_FIELDS: Final = 2_000
_PER_CALL: Final = 10
_LIMIT: Final = "limit"


class QueryTooComplex(LoyaltyError):
    """The text says which bound it breaks."""

    code = "QUERY_TOO_COMPLEX"
    kind = Kind.INVALID
    title = "The query asks for too much at once."


@dataclass(slots=True)
class Prices:
    """Which fields of which types ask the mesh. The value is how many items come when nothing is
    said about it; None for a relation, which comes once for each item it leads on from."""

    _asking: dict[tuple[str, str], int | None] = field(default_factory=dict)

    def operation(self, group: str, name: str, request: type[Request]) -> None:
        """A field that asks ``request``; a list unless that has no limit."""
        limit = next((e for e in msgspec.structs.fields(request) if e.name == _LIMIT), None)
        items = limit.default if limit is not None and isinstance(limit.default, int) else 1
        self._asking[group, name] = items

    def relation(self, of: str, name: str) -> None:
        self._asking[of, name] = None

    def of(self, parent: str, node: FieldNode, parents: int) -> tuple[int, int]:
        """What a field costs, and how many items it answers, asked of ``parents`` items."""
        key = (parent, node.name.value)
        if key not in self._asking:
            return 0, parents
        items = self._asking[key]
        count = parents if items is None else _limit_of(node, items)
        return _PER_CALL + count, count


def _limit_of(node: FieldNode, default: int) -> int:
    for argument in node.arguments or ():
        if not isinstance(argument.value, ObjectValueNode):
            return MOST if default > 1 else default  # all of the input is a variable
        for each in argument.value.fields:
            if each.name.value == _LIMIT:
                value = each.value
                return int(value.value) if isinstance(value, IntValueNode) else MOST
    return default


def limiting(prices: Prices) -> type[ValidationRule]:
    """A validation rule that refuses what goes too deep or costs too much."""

    class Limits(ValidationRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            operations = [
                each
                for each in context.document.definitions
                if isinstance(each, OperationDefinitionNode)
            ]
            if len(operations) > 1:
                # Strawberry would do the first, whichever is meant.
                context.report_error(GraphQLError("Send one operation at a time.", operations[1]))
            for each in operations:
                root = context.schema.get_root_type(each.operation)
                try:
                    _Bill(context, prices).check(each.selection_set, root)
                except QueryTooComplex as error:
                    context.report_error(GraphQLError(error.detail, each, original_error=error))

    return Limits


class _Bill:
    """Adds up one operation of a document."""

    def __init__(self, context: ValidationContext, prices: Prices) -> None:
        self._context = context
        self._prices = prices
        self._fragments = dict(_fragments(context.document))
        self._open: set[str] = set()  # fragments we are inside of: one that spreads itself ends
        self._fields = 0

    def check(self, selected: SelectionSetNode, root: GraphQLNamedType | None) -> None:
        """Raises QueryTooComplex."""
        cost = self.selection(selected, root)
        if cost > MOST_COST:
            raise QueryTooComplex(
                f"It costs {cost}, and {MOST_COST} is the most; ask for fewer items or in several"
                " queries."
            )

    def selection(
        self,
        selected: SelectionSetNode | None,
        parent: GraphQLNamedType | None,
        parents: int = 1,
        depth: int = 1,
    ) -> int:
        if selected is None:
            return 0
        if depth > MOST_DEPTH:
            raise QueryTooComplex(f"It goes deeper than {MOST_DEPTH} levels.")
        cost = 0
        for node in selected.selections:
            if isinstance(node, FieldNode):
                cost += self._field(node, parent, parents, depth)
            elif isinstance(node, InlineFragmentNode):
                cost += self.selection(node.selection_set, parent, parents, depth)
            elif isinstance(node, FragmentSpreadNode):
                cost += self._spread(node.name.value, parent, parents, depth)
        return cost

    def _field(
        self, node: FieldNode, parent: GraphQLNamedType | None, parents: int, depth: int
    ) -> int:
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise QueryTooComplex(f"It names more than {_MOST_FIELDS} fields.")
        if parent is None:
            return 0
        price, items = self._prices.of(parent.name, node, parents)
        inner = None
        if is_object_type(parent):
            known = parent.fields.get(node.name.value)
            inner = get_named_type(known.type) if known is not None else None
        return price + self.selection(node.selection_set, inner, items, depth + 1)

    def _spread(self, name: str, parent: GraphQLNamedType | None, parents: int, depth: int) -> int:
        fragment = self._fragments.get(name)
        if fragment is None or name in self._open:
            return 0  # other rules refuse both
        self._open.add(name)
        cost = self.selection(fragment.selection_set, parent, parents, depth)
        self._open.discard(name)
        return cost


def _fragments(document: DocumentNode) -> Iterator[tuple[str, FragmentDefinitionNode]]:
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            yield definition.name.value, definition
