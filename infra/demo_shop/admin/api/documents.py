"""Reads a document, and refuses with Shopify's codes what the schema does not allow."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    get_variable_values,
    parse,
    specified_rules,
    validate,
)

MOST_CHARACTERS: Final = 50_000

_CODES: Final = {
    "FieldsOnCorrectTypeRule": "undefinedField",
    "KnownArgumentNamesRule": "argumentNotAccepted",
    "KnownTypeNamesRule": "undefinedType",
    "KnownFragmentNamesRule": "useAndDefineFragment",
    "NoUndefinedVariablesRule": "variableNotDefined",
    "NoUnusedFragmentsRule": "useAndDefineFragment",
    "NoUnusedVariablesRule": "variableNotUsed",
    "ProvidedRequiredArgumentsRule": "missingRequiredArguments",
    "ScalarLeafsRule": "selectionMismatch",
    "ValuesOfCorrectTypeRule": "argumentLiteralsIncompatible",
    "VariablesInAllowedPositionRule": "variableMismatch",
    "OverlappingFieldsCanBeMergedRule": "fieldConflict",
    "PossibleFragmentSpreadsRule": "cannotSpreadFragment",
}
_NO_FIELD: Final = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


class Document(NamedTuple):
    """A document that the schema allows, and what is to be done of it."""

    node: DocumentNode
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]

    @property
    def root_fields(self) -> tuple[str, ...]:
        """The names of what is asked for; fragments at the root are nobody's habit."""
        selections = self.operation.selection_set.selections
        return tuple(each.name.value for each in selections if hasattr(each, "name"))


class BadDocument(Exception):
    """``errors`` is what the answer says."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


def read(schema: GraphQLSchema, text: str, operation_name: str | None) -> Document:
    """Raises BadDocument."""
    if len(text) > MOST_CHARACTERS:
        raise BadDocument([{"message": f"Query is too large (maximum is {MOST_CHARACTERS})"}])
    try:
        node = parse(text)
    except GraphQLError as error:
        raise BadDocument([{**error.formatted, "extensions": {"code": "parseError"}}]) from None
    if validate(schema, node):
        raise BadDocument(_refused(schema, node))
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: dict[str, OperationDefinitionNode] = {}
    for each in node.definitions:
        if isinstance(each, FragmentDefinitionNode):
            fragments[each.name.value] = each
        elif isinstance(each, OperationDefinitionNode):
            operations[each.name.value if each.name else ""] = each
    if operation_name is None and len(operations) != 1:
        raise BadDocument([{"message": "An operation name is required"}])
    name = next(iter(operations)) if operation_name is None else operation_name
    if name not in operations:
        raise BadDocument([{"message": f'No operation named "{name}"'}])
    return Document(node, operations[name], fragments)


def variables_of(
    schema: GraphQLSchema, document: Document, given: Mapping[str, Any]
) -> dict[str, Any]:
    """As the document declares them, with its defaults. Raises BadDocument."""
    declared = document.operation.variable_definitions or ()
    values = get_variable_values(schema, declared, dict(given))
    if isinstance(values, list):
        extensions = {"code": "INVALID_VARIABLE"}
        raise BadDocument([{**each.formatted, "extensions": extensions} for each in values])
    return values.coerced


def _refused(schema: GraphQLSchema, node: DocumentNode) -> list[dict[str, Any]]:
    """The errors with the code of the rule that each breaks, which the library does not tell."""
    errors: list[dict[str, Any]] = []
    for rule in specified_rules:
        for error in validate(schema, node, [rule]):
            said: dict[str, Any] = {**error.formatted}
            extensions = {"code": _CODES.get(rule.__name__, "invalid")}
            if found := _NO_FIELD.match(error.message):
                field, type_name = found.groups()
                said["message"] = f"Field '{field}' doesn't exist on type '{type_name}'"
                extensions |= {"typeName": type_name, "fieldName": field}
            errors.append({**said, "extensions": extensions})
    return errors
