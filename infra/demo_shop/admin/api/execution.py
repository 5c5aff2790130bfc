"""Answers a document: every field by what a View has for it, if the app may see it."""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    execute_sync,
    get_named_type,
)

from infra.demo_shop.admin.api.costs import CONNECTION, is_connection
from infra.demo_shop.admin.api.documents import Document
from infra.demo_shop.admin.api.refusals import access_denied, unknown
from infra.demo_shop.admin.api.scalars import teach
from infra.demo_shop.admin.api.views import Ask, View
from infra.demo_shop.admin.schema import admin_schema, scopes_of

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

_FREE: Final = ("Edge", "PageInfo")


@cache
def taught_schema() -> GraphQLSchema:
    """The schema, whose scalars look at what they are given."""
    schema = admin_schema()
    teach(schema)
    return schema


def answer(document: Document, ask: Ask, root: View, variables: dict[str, Any]) -> ExecutionResult:
    """Raises what is wrong with the demo shop itself; what is wrong with the document is in the
    answer."""
    result = execute_sync(
        taught_schema(),
        document.node,
        root_value=root,
        context_value=ask,
        variable_values=variables,
        operation_name=document.operation.name.value if document.operation.name else None,
        field_resolver=_resolve,
        type_resolver=lambda view, *_: view.type,
    )
    for error in result.errors or ():
        if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
            raise error.original_error
    return result


def _resolve(source: View, info: "GraphQLResolveInfo[Ask]", **arguments: Any) -> Any:
    ask = info.context
    name, parent = info.field_name, info.parent_type.name
    needed = _scopes(parent, name)
    if needed and ask.scopes.isdisjoint(needed):
        raise access_denied(name, needed)
    if name not in source.fields:
        raise unknown(f"{parent}.{name}")
    value = source.fields[name]
    if callable(value):
        value = value(ask, arguments)
    return _seen(value, name, ask)


def _seen(value: Any, name: str, ask: Ask) -> Any:
    """Checks and counts the objects that are about to be told of."""
    for each in value if isinstance(value, list) else (value,):
        if not isinstance(each, View):
            continue
        needed = scopes_of(each.type)
        if needed and ask.scopes.isdisjoint(needed):
            raise access_denied(name, needed)
        if is_connection(each.type):
            ask.cost += CONNECTION
        elif not each.type.endswith(_FREE):
            ask.cost += 1
    return value


@cache
def _scopes(parent: str, name: str) -> tuple[str, ...]:
    """Of a field, or else of what is listed in it."""
    own = scopes_of(f"{parent}.{name}")
    owner = taught_schema().type_map[parent]
    if own or not isinstance(owner, GraphQLObjectType):
        return own
    answered = str(get_named_type(owner.fields[name].type))
    return scopes_of(answered.removesuffix("Connection")) if is_connection(answered) else ()
