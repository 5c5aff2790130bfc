"""Every question of ours is one that Shopify's schema knows, and its answers can be read."""

import importlib
import pkgutil
from functools import partial
from typing import Any

import msgspec
import pytest
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLResolveInfo,
    InlineFragmentNode,
    NoDeprecatedCustomRule,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute_sync,
    get_named_type,
    is_composite_type,
    is_enum_type,
    parse,
    specified_rules,
    validate,
    visit,
)

from adapters.shopify import admin
from adapters.shopify.admin.documents import Question, gid, number_of
from domain.scopes import REQUIRED_SCOPES, covered
from infra.demo_shop.admin.schema import admin_schema, scopes_of

QUESTIONS: dict[str, Question[msgspec.Struct]] = {
    f"{module.name}.{name}": each
    for module in pkgutil.iter_modules(admin.__path__)
    for name, each in vars(importlib.import_module(f"{admin.__name__}.{module.name}")).items()
    if isinstance(each, Question)
}
"""By where they are named; some more than once."""

every = pytest.mark.parametrize(
    "question", [pytest.param(each, id=each.name) for each in dict.fromkeys(QUESTIONS.values())]
)


def test_there_are_questions_and_each_has_a_name_of_its_own() -> None:
    different = {*QUESTIONS.values()}
    assert len(different) > 5
    assert len({each.name for each in different}) == len(different)
    assert all(0 < each.cost <= 1000 for each in different)


@every
def test_a_question_is_valid_in_the_pinned_version(question: Question[msgspec.Struct]) -> None:
    document = parse(question.text)
    rules = [*specified_rules, NoDeprecatedCustomRule]
    assert validate(admin_schema(), document, rules) == []
    assert len(document.definitions) == 1


@every
def test_what_is_asked_is_what_shops_grant(question: Question[msgspec.Struct]) -> None:
    granted = covered(REQUIRED_SCOPES)
    if "GiftCard" in question.name:
        granted |= covered(["write_gift_cards"])  # welcome and not needed
    types = TypeInfo(admin_schema())
    lacking: list[str] = []

    class Look(Visitor):
        def enter_field(self, *_: Any) -> None:
            parent, asked = types.get_parent_type(), types.get_field_def()
            assert parent is not None
            assert asked is not None
            for name in (
                parent.name,
                _name_in(parent.name, asked),
                get_named_type(asked.type).name,
            ):
                needed = scopes_of(name)
                if needed and granted.isdisjoint(needed):
                    lacking.append(name)

    visit(parse(question.text), TypeInfoVisitor(types, Look()))
    assert lacking == []


def _name_in(parent: str, asked: Any) -> str:
    fields = admin_schema().type_map[parent].fields  # type: ignore[attr-defined]  # has some
    return next((f"{parent}.{name}" for name, each in fields.items() if each is asked), parent)


@every
def test_an_answer_that_the_schema_promises_can_be_read(
    question: Question[msgspec.Struct],
) -> None:
    """Every field that we ask for, filled with something of its type, and with null where the
    schema allows that."""
    for nulls in (False, True):
        result = execute_sync(
            admin_schema(),
            parse(question.text),
            field_resolver=partial(_something, nulls=nulls),
            type_resolver=_first_fragment,
            variable_values=_variables(question.text),
        )
        assert result.errors is None
        msgspec.json.decode(msgspec.json.encode(result.data), type=question.answer)


def _variables(text: str) -> dict[str, Any]:
    """Nothing but what the types insist on."""
    given: dict[str, Any] = {}
    for definition in parse(text).definitions:
        for each in getattr(definition, "variable_definitions", None) or ():
            kind = each.type.type if hasattr(each.type, "type") else each.type
            name = kind.name.value if hasattr(kind, "name") else "list"
            given[each.variable.name.value] = SOME.get(name, {})
    return given


SOME: dict[str, Any] = {
    "String": "text",
    "ID": "gid://shopify/Thing/1",
    "list": [],
    "StoreCreditAccountCreditInput": {"creditAmount": {"amount": "1", "currencyCode": "USD"}},
}


def _something(_: Any, info: GraphQLResolveInfo, *, nulls: bool, **__: Any) -> Any:
    kind = info.return_type
    # A mutation without a payload has failed: that is no answer.
    is_payload = info.parent_type.name == "Mutation"
    if nulls and not isinstance(kind, GraphQLNonNull) and not is_payload:
        return None
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    named = get_named_type(kind)
    one: Any
    if is_composite_type(named):
        one = {}
    elif is_enum_type(named):
        one = next(iter(named.values))
    else:
        one = {
            "Int": 3,
            "Float": 0.5,
            "Boolean": True,
            "UnsignedInt64": "3",
            "DateTime": "2026-11-20T08:09:03Z",
            "Decimal": "12.50",
            "JSON": "{}",
        }.get(named.name, "gid://shopify/Thing/1")
    return [one] if isinstance(kind, GraphQLList) else one


def _first_fragment(_: Any, info: GraphQLResolveInfo, __: Any) -> str:
    """A union or an interface is what the question asks for first."""
    for node in info.field_nodes:
        for each in node.selection_set.selections if node.selection_set else ():
            if isinstance(each, InlineFragmentNode) and each.type_condition:
                return each.type_condition.name.value
    raise AssertionError(f"{info.field_name} asks for no type")


def test_the_names_of_things() -> None:
    assert gid("Customer", "7") == "gid://shopify/Customer/7"
    assert gid("Product", "gid://shopify/Product/9") == "gid://shopify/Product/9"
    assert number_of("gid://shopify/Order/820982911946154508") == "820982911946154508"
    assert number_of("gid://shopify/StoreCreditAccount/1?country=DE") == "1"
