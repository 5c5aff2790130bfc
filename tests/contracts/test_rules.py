"""Declarations that must not start, and what every struct that travels has to be like."""

import re
from collections.abc import Iterable, Iterator

import msgspec
import pytest
from msgspec import inspect

from contracts.caller import Audience, Caller
from contracts.http import STATUS
from contracts.kit import (
    AUTHENTICATED,
    INTERNAL,
    PUBLIC,
    BadContract,
    Body,
    Contracts,
    Event,
    Http,
    Idempotency,
    Operation,
    Request,
    Response,
    get,
    post,
)
from contracts.permissions import check_permission
from contracts.registry import REGISTRY, build
from domain.errors import DuplicateRequest, Forbidden, Kind
from domain.rbac import ADMIN

PLAIN = re.compile(
    r"(.*_)?(e?mail|phone|mobile|(first|last|full|sur|given|family)_?name|address\d?|street|city"
    r"|zip|postcode|birth(day|_?date)|ip(_address)?|password|token|secret)"
)
"""Names of fields that would hold personal data, or a secret, in the clear."""


class Ask(Request, frozen=True, kw_only=True):
    name: str = ""


class AskForAnother(Request, frozen=True, kw_only=True):
    merchant_id: str


class Answer(Response, frozen=True, kw_only=True):
    pass


def operation(
    permission: str = "points:read",
    name: str = "points.v1.Ask",
    request: type[Request] = Ask,
    http: Http | None = None,
) -> Operation[Request, msgspec.Struct]:
    return Operation(name, request, Answer, permission=permission, summary="", http=http)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (operation(permission=""), "names no permission"),
        (operation(permission="everything"), "no permission"),
        (operation(permission=INTERNAL, http=get("/inside")), "internal"),
        (operation(request=AskForAnother, http=get("/other")), "merchant id"),
        (operation(http=get("/thing/{missing}")), "missing"),
        (operation(http=post("/x", bearer="name")), "token of others"),
        (operation(permission=PUBLIC, http=post("/x", bearer="token")), "token of others"),
        (operation(name="Ask"), "not named"),
        (operation(name="points.v0.Ask"), "not named"),
    ],
)
def test_a_bad_operation_does_not_start(
    declared: Operation[Request, msgspec.Struct], said: str
) -> None:
    with pytest.raises(BadContract, match=said):
        build([Contracts(operations=(declared,))])


def test_nothing_is_declared_twice() -> None:
    again = Event("a.b", Body, "points", "")
    with pytest.raises(BadContract, match="twice"):
        build([Contracts(events=(again,)), Contracts(events=(again,))])
    with pytest.raises(BadContract, match="twice"):
        build([Contracts(operations=(operation(), operation()))])
    one, other = operation(http=post("/x")), operation(name="points.v1.Other", http=post("/x"))
    with pytest.raises(BadContract, match="bound twice"):
        build([Contracts(operations=(one, other))])


@pytest.mark.parametrize("name", REGISTRY.operations)
def test_requests_refuse_what_they_do_not_know(name: str) -> None:
    request = REGISTRY.operations[name].request
    for struct in _structs([request]):
        if struct.cls.__module__.startswith("contracts."):
            assert struct.forbid_unknown_fields, struct.cls
    assert request.__struct_config__.frozen


@pytest.mark.parametrize("name", REGISTRY.operations)
def test_no_request_names_a_shop(name: str) -> None:
    """Services may be asked for a shop by another, and LoyalNest's own staff has to say which they
    mean; the outside world and roles never."""
    if REGISTRY.operations[name].permission not in {INTERNAL, *ADMIN}:
        request = REGISTRY.operations[name].request
        assert not {"merchant_id", "shop_id", "tenant"} & set(request.__struct_fields__)


@pytest.mark.parametrize("permission", sorted(ADMIN))
def test_our_own_staff_says_which_shop_it_means(permission: str) -> None:
    build([Contracts(operations=(operation(permission, request=AskForAnother, http=get("/a")),))])


@pytest.mark.parametrize("name", REGISTRY.operations)
def test_no_permission_leads_from_a_shop_to_our_own_staff_or_back(name: str) -> None:
    asked = REGISTRY.operations[name]
    if asked.permission in {PUBLIC, AUTHENTICATED}:
        return
    about_us = asked.permission in ADMIN
    everything = tuple(sorted({*ADMIN, asked.permission}))
    for audience in (Audience.MERCHANT, Audience.CUSTOMER, Audience.ADMIN):
        caller = Caller(audience=audience, actor="a", permissions=everything)
        if about_us and audience is Audience.ADMIN:
            check_permission(asked, caller)
        elif about_us or audience is Audience.ADMIN or asked.permission == INTERNAL:
            with pytest.raises(Forbidden):
                check_permission(asked, caller)


@pytest.mark.parametrize("name", REGISTRY.operations)
def test_answers_tolerate_what_they_do_not_know(name: str) -> None:
    for struct in _structs([REGISTRY.operations[name].response]):
        assert not struct.forbid_unknown_fields, struct.cls


@pytest.mark.parametrize("topic", REGISTRY.events)
def test_events_tolerate_what_they_do_not_know(topic: str) -> None:
    for struct in _structs([REGISTRY.events[topic].body]):
        assert not struct.forbid_unknown_fields, struct.cls


@pytest.mark.parametrize("topic", REGISTRY.events)
def test_events_hold_no_personal_data_in_the_clear(topic: str) -> None:
    plain = {
        f"{struct.cls.__name__}.{field.name}"
        for struct in _structs([REGISTRY.events[topic].body])
        for field in struct.fields
        if PLAIN.fullmatch(field.name)
    }
    assert plain == set()


@pytest.mark.parametrize(
    ("name", "is_plain"),
    [
        ("email", True),
        ("customer_email", True),
        ("first_name", True),
        ("phone", True),
        ("email_index", False),
        ("sealed_contact", False),
        ("name", False),
        ("role_name", False),
    ],
)
def test_the_rule_knows_personal_data(name: str, is_plain: bool) -> None:
    assert bool(PLAIN.fullmatch(name)) == is_plain


def test_every_time_that_travels_has_an_offset() -> None:
    types: set[type] = {each.body for each in REGISTRY.events.values()}
    for each in REGISTRY.operations.values():
        types |= {each.request, each.response}
    for struct in _structs(types):
        for field in struct.fields:
            for part in _parts(field.type):
                if isinstance(part, inspect.DateTimeType):
                    assert part.tz is True, f"{struct.cls.__name__}.{field.name}: use Instant"


def test_public_operations_are_few_and_meant() -> None:
    public = {name for name, each in REGISTRY.operations.items() if each.permission == PUBLIC}
    assert public == {
        "auth.v1.AcceptInvitation",
        "auth.v1.AnswerChallenge",
        "auth.v1.BeginOidc",
        "auth.v1.EnrolAuthenticator",
        "auth.v1.FinishOidc",
        "auth.v1.LogIn",
        "auth.v1.LogInAdmin",
        "auth.v1.LogInCustomer",
        "auth.v1.OpenDemoSession",
        "auth.v1.RefreshSession",
        "frontend.v1.GetPage",
        "frontend.v1.GetAsset",
    }


def test_whatever_moves_value_needs_a_key() -> None:
    """Points, rewards, money. What hands out tokens needs none: its answer must not be kept."""
    keyless = {
        name
        for name, each in REGISTRY.operations.items()
        if each.permission.partition(":")[0] in ("points", "rewards", "referrals", "plan")
        and not each.permission.endswith(":read")
        and each.idempotency is not Idempotency.KEY
    }
    # A member has one link, and a friend claims once, however often they ask.
    assert keyless == {"referrals.v1.CreateLink", "referrals.v1.Claim"}


def test_whatever_needs_a_key_says_that_it_may_be_used_up() -> None:
    silent = [
        each.name
        for each in REGISTRY.operations.values()
        if each.idempotency is Idempotency.KEY and DuplicateRequest not in each.errors
    ]
    assert silent == []


def test_every_kind_of_refusal_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


def _structs(types: Iterable[type]) -> Iterator[inspect.StructType]:
    """The structs among ``types`` and in them."""
    for info in inspect.multi_type_info(types):
        for part in _parts(info):
            if isinstance(part, inspect.StructType):
                yield part


def _parts(node: object) -> Iterator[inspect.Type]:
    if isinstance(node, tuple):
        for each in node:
            yield from _parts(each)
    elif isinstance(node, inspect.Field):
        yield from _parts(node.type)
    elif isinstance(node, inspect.Type):
        yield node
        for name in node.__struct_fields__:
            yield from _parts(getattr(node, name))
