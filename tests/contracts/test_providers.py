"""What providers promise: each operation is answered, each event said, by its own service."""

import pytest

from adapters.nats import connection
from adapters.shopify.webhooks import TOPICS
from contracts.generate.asyncapi import asyncapi
from contracts.generate.schemas import Schemas
from contracts.registry import REGISTRY
from services import SERVICES
from tests.contracts.conftest import Wired
from tests.contracts.wired import consumed, emitted_events, mentioned_events

EDGE = "api_gateway"
"""Says what shops told it, as the webhooks table has it, and names no event of its own."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_answers_its_operations_and_no_others(wired: Wired, name: str) -> None:
    answered = [endpoint.operation for endpoint in wired(name).endpoints]
    declared = [each for each in REGISTRY.operations.values() if each.service == name]
    assert sorted(each.name for each in answered) == sorted(each.name for each in declared)
    assert all(REGISTRY.operations[each.name] is each for each in answered)


def test_every_operation_belongs_to_a_service() -> None:
    assert {each.service for each in REGISTRY.operations.values()} <= set(SERVICES)


def test_every_event_has_a_publisher() -> None:
    assert {each.publisher for each in REGISTRY.events.values()} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_listens_only_to_declared_events(wired: Wired, name: str) -> None:
    assert consumed(wired(name)) <= set(REGISTRY.events)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_only_its_own_events(wired: Wired, name: str) -> None:
    foreign = [
        f"{place} says {event.topic} of {event.publisher}"
        for place, event in emitted_events(name)
        if event.publisher != name
    ]
    assert foreign == []
    # An event in a table may be said too: then it is its own, or one that it listens to.
    named = {topic for topic in mentioned_events(name) if topic in REGISTRY.events}
    own = {
        topic
        for topic in named
        if name in (REGISTRY.events[topic].publisher, *REGISTRY.events[topic].also)
    }
    assert named - own <= consumed(wired(name))


@pytest.mark.parametrize("name", [each for each in SERVICES if each != EDGE])
def test_a_service_says_every_event_it_is_declared_to_say(name: str) -> None:
    declared = {topic for topic, each in REGISTRY.events.items() if each.publisher == name}
    assert declared <= mentioned_events(name)


def test_the_edge_can_translate_every_webhook() -> None:
    assert frozenset(REGISTRY.webhooks) == TOPICS
    said = {webhook.event.topic for webhook in REGISTRY.webhooks.values()}
    assert said == {topic for topic, each in REGISTRY.events.items() if each.publisher == EDGE}


def test_the_documented_headers_are_those_on_the_wire() -> None:
    schemas = Schemas(each.body for each in REGISTRY.events.values())
    trait = asyncapi(REGISTRY, schemas)["components"]["messageTraits"]["event"]
    assert set(trait["headers"]["properties"]) == {
        connection.MESSAGE_ID,
        connection.EVENT_ID,
        connection.AT,
        connection.PACKED,
        connection.TRACE,
    }
