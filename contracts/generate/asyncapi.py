"""What is said on the mesh: the AsyncAPI 3.0 document of every event."""

from typing import Any, Final

from contracts.generate.asyncapi_streams import (
    stream_channel,
    stream_key,
    stream_messages,
    stream_send,
)
from contracts.generate.examples import example
from contracts.generate.schemas import Schema, Schemas, component, describe, name_of
from contracts.kit import Body, Event, Registry
from contracts.streams import STREAMS

_NATS: Final = {"nats": {"bindingVersion": "0.1.0"}}
_INTRODUCTION: Final = """\
Every event of the mesh, generated from `contracts/`. Subjects end in the id of the shop, and are
stored by JetStream: `shop.>` in the stream WEBHOOKS, `evt.>` in EVENTS. Delivery is at least once
and in no particular order, so readers drop repeats by the event's id and order by what is in the
body. Bodies hold no personal data: only what is sealed for the shop, or a blind index. Unknown
fields are to be ignored.

Some of them the gateway passes on to the outside world while they happen, over WebSockets."""

_SERVERS: Final[Schema] = {
    "mesh": {
        "host": "nats:4222",
        "protocol": "nats",
        "description": "Inside, for services only.",
    },
    "gateway": {
        "host": "{host}",
        "protocol": "ws",
        "description": "What the outside world reaches; over TLS in production.",
        "variables": {"host": {"default": "127.0.0.1:8080"}},
    },
}
_MESH: Final = [{"$ref": "#/servers/mesh"}]


def asyncapi(registry: Registry, schemas: Schemas) -> Schema:
    """The whole document."""
    events = [registry.events[topic] for topic in sorted(registry.events)]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "LoyalNest events", "version": "1", "description": _INTRODUCTION},
        "servers": _SERVERS,
        "defaultContentType": "application/json",
        "channels": {each.topic: _channel(each) for each in events}
        | {stream_key(each): stream_channel(each, each.events(events)) for each in STREAMS},
        "operations": {f"send.{each.topic}": _send(each) for each in events}
        | {f"send.{stream_key(each)}": stream_send(each) for each in STREAMS},
        "components": {
            "messages": {each.topic: _message(each, schemas) for each in events}
            | stream_messages(STREAMS, events, schemas),
            "messageTraits": {"event": {"headers": _HEADERS}},
            "parameters": {
                "merchant_id": {"description": "The shop it happened in, a UUID."},
            },
            "schemas": _draft_07(schemas.components(each.body for each in events)),
        },
    }


def _channel(event: Event[Body]) -> Schema:
    return {
        "address": f"{event.topic}.{{merchant_id}}",
        "summary": event.summary,
        "servers": _MESH,
        "parameters": {"merchant_id": {"$ref": "#/components/parameters/merchant_id"}},
        "messages": {"event": {"$ref": f"#/components/messages/{event.topic}"}},
    }


def _send(event: Event[Body]) -> Schema:
    return {
        "action": "send",
        "summary": f"{event.publisher} says: {event.summary}",
        "tags": [{"name": event.publisher}],
        "channel": {"$ref": f"#/channels/{event.topic}"},
        "messages": [{"$ref": f"#/channels/{event.topic}/messages/event"}],
        "bindings": _NATS,
    }


def _message(event: Event[Body], schemas: Schemas) -> Schema:
    struct = schemas.definitions[name_of(event.body)]
    message = {
        "name": event.name,
        "title": f"{event.name} v{event.version}",
        "summary": event.summary,
        "traits": [{"$ref": "#/components/messageTraits/event"}],
        "payload": component(event.body),
        "examples": [{"payload": example(struct, schemas.definitions, whole=True)}],
    }
    if description := describe(event.body):
        message["description"] = description
    return message


_HEADERS: Final[Schema] = {
    "type": "object",
    "properties": {
        "Nats-Msg-Id": {
            "type": "string",
            "description": "The id of the event; JetStream drops a repeat within two minutes.",
        },
        "LN-Id": {
            "type": "string",
            "description": "The id of the event when the message id is another: a replay.",
        },
        "LN-At": {
            "type": "string",
            "format": "date-time",
            "description": "When the publisher said it.",
        },
        "LN-Packed": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "How many events the message holds. Only where it is more than one; the"
            " body is then an array, each of its items an array of an event's id, subject, payload,"
            " time, traceparent and actor, and where the events are of several shops, the message's"
            " subject ends with `many`.",
        },
        "traceparent": {"type": "string", "description": "W3C trace context to continue."},
    },
    "required": ["Nats-Msg-Id"],
}


def _draft_07(node: Any) -> Any:
    """AsyncAPI's own schemas follow draft 7, where the items of a fixed tuple are written
    differently."""
    if isinstance(node, list):
        return [_draft_07(each) for each in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _draft_07(value) for key, value in node.items()}
    if "prefixItems" in changed:
        changed["items"] = changed.pop("prefixItems")
        changed["additionalItems"] = False
    return changed
