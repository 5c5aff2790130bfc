"""The registry as data: small enough to read by eye, and what changes are compared with."""

from collections.abc import Iterable

import msgspec

from contracts.generate.schemas import Schema, name_of
from contracts.http import STATUS
from contracts.kit import Body, Event, Operation, Registry, Request
from domain.errors import LoyaltyError


def operations(registry: Registry, errors: Iterable[type[LoyaltyError]]) -> Schema:
    """Operations, events, webhooks and errors by name; schemas are paths beside this file."""
    return {
        "operations": {
            name: _operation(each) for name, each in sorted(registry.operations.items())
        },
        "events": {topic: _event(each) for topic, each in sorted(registry.events.items())},
        "webhooks": {topic: each.event.topic for topic, each in sorted(registry.webhooks.items())},
        "errors": {
            each.code: {"kind": each.kind.value, "status": STATUS[each.kind], "title": each.title}
            for each in sorted(errors, key=lambda each: each.code)
        },
    }


def schema_file(cls: type) -> str:
    """Where the schema of ``cls`` is, seen from ``docs/contracts``."""
    return f"schemas/{name_of(cls)}.json"


def _operation(operation: Operation[Request, msgspec.Struct]) -> Schema:
    http = operation.http
    return {
        "summary": operation.summary,
        "subject": operation.subject,
        "permission": operation.permission,
        "idempotency": operation.idempotency.value,
        "http": None
        if http is None
        else {"method": http.method, "path": http.path, "status": http.status},
        "deadline": operation.deadline,
        "errors": sorted(each.code for each in operation.errors),
        "request": schema_file(operation.request),
        "response": schema_file(operation.response),
    }


def _event(event: Event[Body]) -> Schema:
    return {
        "summary": event.summary,
        "publisher": event.publisher,
        "version": event.version,
        "body": schema_file(event.body),
    }
