"""The WebSockets in the AsyncAPI document: a channel each, with its events in their envelopes."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from contracts.generate.examples import example
from contracts.generate.schemas import Schema, Schemas, component, describe, name_of
from contracts.kit import Body, Event
from contracts.streams import GAP, OPEN, PROTOCOL, Stream, StreamGap, StreamOpen

NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


def stream_key(stream: Stream) -> str:
    return f"stream.{stream.name}"


def stream_channel(stream: Stream, events: Sequence[Event[Body]]) -> Schema:
    names = [OPEN, GAP, *(event.name for event in events)]
    return {
        "address": stream.path,
        "summary": stream.summary,
        "description": f"Offer two subprotocols: `{PROTOCOL}`, and an access token whose bearer"
        f" holds `{stream.permission}`. Closed with 4401 when the token is missing, wrong, over or"
        " revoked, with 4403 when it does not allow this, with 1013 when that cannot be told now."
        " Add `?after=` with the id of the last event that you got, and what has passed since comes"
        " first, if it is not too much.",
        "servers": [{"$ref": "#/servers/gateway"}],
        "messages": {name: {"$ref": f"#/components/messages/stream:{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def stream_send(stream: Stream) -> Schema:
    return {
        "action": "send",
        "summary": stream.summary,
        "tags": [{"name": "api_gateway"}],
        "channel": {"$ref": f"#/channels/{stream_key(stream)}"},
    }


def stream_messages(
    streams: Iterable[Stream], known: Sequence[Event[Body]], schemas: Schemas
) -> dict[str, Schema]:
    """Each in the envelope that it is sent in."""
    messages = {
        f"stream:{OPEN}": _message(
            OPEN,
            describe(StreamOpen),
            {
                "type": "object",
                "properties": {"resumed": {"type": "boolean"}},
                "required": ["resumed"],
            },
            {"resumed": False},
        ),
        f"stream:{GAP}": _message(
            GAP,
            describe(StreamGap),
            {
                "type": "object",
                "properties": {"missed": {"type": "integer", "minimum": 1}},
                "required": ["missed"],
            },
            {"missed": 12},
        ),
    }
    for event in (event for stream in streams for event in stream.events(known)):
        struct = schemas.definitions[name_of(event.body)]
        messages[f"stream:{event.name}"] = _message(
            event.name,
            event.summary,
            component(event.body),
            example(struct, schemas.definitions, whole=True),
            {"id": "01934f5e-7a00-7000-8000-000000000001"},
        )
    return messages


def _message(
    name: str, summary: str, data: Schema, shown: object, names: Mapping[str, str] = NO_NAMES
) -> Schema:
    return {
        "name": name,
        "summary": summary,
        "payload": {
            "type": "object",
            "properties": {
                "event": {"const": name},
                "data": data,
                **{each: {"type": "string", "format": "uuid"} for each in names},
            },
            "required": ["event", "data", *names],
        },
        "examples": [{"payload": {"event": name, "data": shown, **names}}],
    }
