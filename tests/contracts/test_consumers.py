"""What consumers rely on: each has said it, says no more than it needs, and is promised it."""

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
import pytest

from contracts import shop
from contracts.generate.asyncapi import asyncapi
from contracts.generate.compare import Way
from contracts.generate.schemas import Schemas
from contracts.kit import Body, Event, Operation, Request, Response
from contracts.registry import REGISTRY
from contracts.views import check_view
from services import SERVICES
from tests.adapters.shopify import samples
from tests.contracts.conftest import Wired
from tests.contracts.pacts import Calls, Pact, Part, Reads, pacts, unmet
from tests.contracts.wired import called_operations, consumed, read_names

PACTS = pacts()
NONE = Pact("none")


def each(kind: Callable[[Pact], Sequence[Reads | Calls]]) -> list[object]:
    return [
        pytest.param(name, one, id=f"{name}-{at}")
        for name, pact in PACTS.items()
        for at, one in enumerate(kind(pact))
    ]


reads = pytest.mark.parametrize(("consumer", "read"), each(lambda pact: pact.reads))
calls = pytest.mark.parametrize(("consumer", "call"), each(lambda pact: pact.calls))


@pytest.mark.parametrize("name", SERVICES)
def test_a_consumer_has_a_pact_for_each_event_it_takes(wired: Wired, name: str) -> None:
    said = {event.topic for read in PACTS.get(name, NONE).reads for event in read.events}
    assert said == consumed(wired(name))


@pytest.mark.parametrize("name", SERVICES)
def test_a_consumer_has_a_pact_for_each_operation_it_calls(name: str) -> None:
    named = {each for each in called_operations(name) if REGISTRY.operations[each].service != name}
    assert {call.operation.name for call in PACTS.get(name, NONE).calls} == named


@reads
def test_an_event_promises_what_its_consumer_reads(consumer: str, read: Reads) -> None:
    for event in read.events:
        assert unmet(read.part, event.body, Way.EVENT) == []


@reads
def test_a_consumer_reads_what_its_pact_names(consumer: str, read: Reads) -> None:
    """So that a pact does not hold a publisher to what nobody needs any more."""
    assert set(read.part.__struct_fields__) <= read_names(consumer)


@pytest.mark.parametrize("name", SERVICES)
def test_a_consumer_relies_on_its_views(wired: Wired, name: str) -> None:
    """And on nothing else of those events."""
    relied_on = {
        event.topic: read.part for read in PACTS.get(name, NONE).reads for event in read.events
    }
    for consumes in wired(name).consumes:
        for event in consumes.events:
            view = consumes.views.get(event.body)
            if view is not None:
                check_view(view, event.body)
                assert relied_on[event.topic] is view


def test_somebody_reads_the_whole_of_what_others_have_views_of(wired: Wired) -> None:
    """So that an event that breaks its contract is put aside by somebody, whatever is wrong."""
    consumed_by = [consumes for name in SERVICES for consumes in wired(name).consumes]
    viewed = {each.topic for one in consumed_by for each in one.events if each.body in one.views}
    whole = {each.topic for one in consumed_by for each in one.events if each.body not in one.views}
    assert {event.topic for event in shop.ORDER_EVENTS} <= viewed <= whole


@reads
def test_a_consumer_can_read_a_published_event(consumer: str, read: Reads) -> None:
    schemas = Schemas(event.body for event in read.events)
    registry = type(REGISTRY)(events={event.topic: event for event in read.events})
    messages = asyncapi(registry, schemas)["components"]["messages"]
    for event in read.events:
        payloads = [msgspec.json.encode(messages[event.topic]["examples"][0]["payload"])]
        if event.prefix == "shop":
            payloads.append(published(event))
        for payload in payloads:
            msgspec.json.decode(payload, type=read.part)


@calls
def test_an_operation_promises_what_its_caller_reads(consumer: str, call: Calls) -> None:
    assert unmet(call.part, call.operation.response, Way.RESPONSE) == []
    assert set(call.part.__struct_fields__) <= read_names(consumer)


@calls
def test_an_operation_takes_what_its_caller_sends(consumer: str, call: Calls) -> None:
    msgspec.convert(call.request, call.operation.request)
    assert set(call.errors) <= set(call.operation.errors)


def published(event: Event[Body]) -> bytes:
    """What the edge makes of a webhook as Shopify documents it."""
    topic = event.name.replace(".", "/")
    return msgspec.json.encode(samples.translate(topic, samples.SAMPLES[topic]))


class Wallet(Response, frozen=True, kw_only=True):
    customer_id: UUID
    points: int
    note: str = ""


class WalletChanged(Body, frozen=True, kw_only=True):
    customer_id: UUID
    points: int
    note: str = ""


class Fine(Part, frozen=True, kw_only=True):
    points: int
    note: str = ""


class Unknown(Part, frozen=True, kw_only=True):
    colour: str


class OtherType(Part, frozen=True, kw_only=True):
    points: str


class AlwaysThere(Part, frozen=True, kw_only=True):
    note: str


@pytest.mark.parametrize(
    ("part", "line"),
    [
        (Unknown, "WalletChanged body /colour was removed"),
        (OtherType, "WalletChanged body /points is integer, it was string"),
        (AlwaysThere, "WalletChanged body /note may be left out, it was always there"),
    ],
)
def test_a_broken_pact_is_noticed(part: type[Part], line: str) -> None:
    assert unmet(part, WalletChanged, Way.EVENT) == [line]
    assert unmet(Fine, WalletChanged, Way.EVENT) == []
    assert unmet(Fine, Wallet, Way.RESPONSE) == []


def test_pacts_are_of_services() -> None:
    assert set(PACTS) <= set(SERVICES)


def test_every_call_is_to_a_declared_operation() -> None:
    for pact in PACTS.values():
        for call in pact.calls:
            operation: Operation[Request, msgspec.Struct] = call.operation
            assert REGISTRY.operations[operation.name] is operation
