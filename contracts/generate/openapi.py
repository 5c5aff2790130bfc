"""What the outside world may ask: every operation with an HTTP binding, as OpenAPI 3.1."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import msgspec

from contracts.frontend import File
from contracts.generate.examples import example
from contracts.generate.refusals import header_components, headers, refused
from contracts.generate.schemas import Schema, Schemas, component, describe, name_of
from contracts.http import (
    IDEMPOTENCY_KEY,
    AddressTooLong,
    BodyTooSlow,
    HeadersTooLarge,
    NotJson,
    ProblemDocument,
)
from contracts.kit import PUBLIC, Http, Idempotency, Operation, Registry, Request
from contracts.limits import rates_of
from domain.errors import (
    Busy,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidRequest,
    NotFound,
    RateLimitExceeded,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

AnyOperation = Operation[Request, msgspec.Struct]


_ALWAYS: Final = (
    InvalidRequest,
    AddressTooLong,
    RateLimitExceeded,
    HeadersTooLarge,
    InternalError,
    Unavailable,
    Busy,
    DeadlineExceeded,
)
"""What any call through the gateway may be answered, besides the errors it declares."""
_WITH_BODY: Final = (BodyTooSlow, TooLarge, NotJson)


class _MalformedPayload(InvalidRequest):
    """As the edge calls a webhook that it cannot read."""

    code = "MALFORMED_PAYLOAD"
    title = "The webhook's body is not what its topic promises."


_PATH_PARAMETER: Final = re.compile(r"{([a-z_]+)(?::path)?}")
_INTRODUCTION: Final = """\
Every operation that LoyalNest answers over HTTP, generated from `contracts/`.

The shop is the one the access token was issued for; no request names it. Amounts are decimal texts
in the shop's currency, points are integers, times are RFC 3339 in UTC. Lists come in pages: pass
`next_cursor` back as `cursor` until it is null. A refusal is a problem document whose `code` is
stable; everything wrong with a request is in its `errors`.

How often may be asked is limited for each operation and for each address (`x-rate-limit`: by whose
token it is). Every answer tells what is left, and a 429 when to come again."""


def openapi(registry: Registry, schemas: Schemas) -> Schema:
    """The whole document."""
    bound = [each for _, each in sorted(registry.operations.items()) if each.http is not None]
    responses: dict[str, Schema] = {}
    paths: dict[str, dict[str, Schema]] = {}
    for operation in bound:
        http = _http(operation)
        path = _PATH_PARAMETER.sub(r"{\1}", http.path)
        paths.setdefault(path, {})[http.method.lower()] = _operation(operation, schemas, responses)
    paths["/webhooks/{topic}"] = {"post": _webhooks(registry, responses)}

    used: set[type] = {ProblemDocument}
    for operation in bound:
        used |= {operation.response} - {File}
        if _has_body(operation):
            used.add(operation.request)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LoyalNest", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": _tags(bound),
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": schemas.components(used),
            "responses": {name: responses[name] for name in sorted(responses)},
            "headers": header_components(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token; it lives 15 minutes.",
                },
                "shopify": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token that Shopify gave to a browser.",
                },
            },
        },
    }


def _http(operation: AnyOperation) -> Http:
    if operation.http is None:
        raise ValueError(f"{operation.name} has no HTTP binding")
    return operation.http


def _has_body(operation: AnyOperation) -> bool:
    http = _http(operation)
    return http.method != "GET" and not http.bearer


def _tags(operations: Iterable[AnyOperation]) -> list[Schema]:
    services = {operation.service: "" for operation in operations}
    return [{"name": name} for name in sorted({*services, "webhooks"})]


def _operation(operation: AnyOperation, schemas: Schemas, responses: dict[str, Schema]) -> Schema:
    public = operation.permission == PUBLIC
    entry: Schema = {
        "operationId": operation.name,
        "tags": [operation.service],
        "summary": operation.summary,
    }
    if description := _description(operation):
        entry["description"] = description
    if not public:
        entry["security"] = [{"bearer": [operation.permission]}]
    elif _http(operation).bearer:
        entry["security"] = [{"shopify": []}]
    entry["x-permission"] = operation.permission
    entry["x-idempotency"] = operation.idempotency.value
    entry["x-rate-limit"] = {
        audience.value: {"requests": rate.requests, "seconds": rate.seconds}
        for audience, rate in rates_of(operation).items()
    }
    if parameters := _parameters(operation, schemas):
        entry["parameters"] = parameters
    if _has_body(operation):
        entry["requestBody"] = _body(operation, schemas)

    errors = [*operation.errors, *_ALWAYS, Unauthenticated]
    if not public:
        errors.append(Forbidden)
    if _has_body(operation):
        errors += _WITH_BODY
    entry["responses"] = _answers(operation, schemas) | refused(errors, responses, limits=True)
    return entry


def _description(operation: AnyOperation) -> str:
    """What the docstrings of the request and of the answer say, in that order."""
    said = [describe(operation.request), describe(operation.response)]
    return "\n\n".join(each for each in said if each)


def _parameters(operation: AnyOperation, schemas: Schemas) -> list[Schema]:
    in_path = _PATH_PARAMETER.findall(_http(operation).path)
    struct = schemas.definitions[name_of(operation.request)]
    required = struct.get("required", ())
    parameters: list[Schema] = []
    for name, schema in struct["properties"].items():
        if name not in in_path and _has_body(operation):
            continue
        if name == _http(operation).bearer:
            continue
        parameters.append(
            {
                "name": name,
                "in": "path" if name in in_path else "query",
                "required": name in in_path or name in required,
                "schema": _without_null(schema),
            }
        )
    if operation.idempotency is Idempotency.KEY:
        parameters.append(
            {
                "name": IDEMPOTENCY_KEY,
                "in": "header",
                "required": True,
                "description": "Made up by the caller, new for each intent. A repeat with the same"
                " key and input gets the stored answer.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            }
        )
    return parameters


def _without_null(schema: Schema) -> Schema:
    """A parameter cannot be null: it is left out."""
    if "anyOf" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    kept: list[Schema] = [each for each in schema["anyOf"] if each.get("type") != "null"]
    if len(kept) == 1:
        return kept[0] | rest
    return {"anyOf": kept} | rest


def _body(operation: AnyOperation, schemas: Schemas) -> Schema:
    struct = schemas.definitions[name_of(operation.request)]
    return {
        "required": bool(struct.get("required")),
        "content": {
            "application/json": {
                "schema": component(operation.request),
                "example": example(struct, schemas.definitions, whole=False),
            }
        },
    }


def _answers(operation: AnyOperation, schemas: Schemas) -> dict[str, Schema]:
    if operation.response is File:
        told = {"ETag": {"schema": {"type": "string"}}} | headers()
        return {
            "200": {"description": "The file.", "headers": told, "content": {"*/*": {}}},
            "304": {"description": "It is the one named by If-None-Match.", "headers": told},
        }
    struct = schemas.definitions[name_of(operation.response)]
    status = _http(operation).status
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "headers": headers(),
            "content": {
                "application/json": {
                    "schema": component(operation.response),
                    "example": example(struct, schemas.definitions, whole=True),
                }
            },
        }
    }


def _webhooks(registry: Registry, responses: dict[str, Schema]) -> Schema:
    topics = sorted(registry.webhooks)
    told = "\n".join(
        f"- `{topic}`: {registry.webhooks[topic].summary} Becomes"
        f" `{registry.webhooks[topic].event.topic}`."
        for topic in topics
    )
    errors = {*_ALWAYS, Unauthenticated, NotFound, BodyTooSlow, TooLarge, _MalformedPayload}
    return {
        "operationId": "webhooks",
        "tags": ["webhooks"],
        "summary": "A webhook of Shopify.",
        "description": "Answered 200 only once it is stored durably; what is not, Shopify sends"
        f" again. A repeat is answered 200 and changes nothing.\n\n{told}",
        "parameters": [
            {
                "name": "topic",
                "in": "path",
                "required": True,
                "description": "The slash in it is sent as it is.",
                "schema": {"type": "string", "enum": topics},
            },
            _header("X-Shopify-Hmac-Sha256", "Base64 of HMAC-SHA256 over the raw body."),
            _header("X-Shopify-Shop-Domain", "The shop, such as demo-store.myshopify.com."),
            _header("X-Shopify-Webhook-Id", "The same for every delivery of one webhook."),
        ],
        "requestBody": {
            "required": True,
            "description": "What Shopify sends for the topic; only the fields we use are read.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "responses": {
            "200": {
                "description": "Stored now, or before.",
                "headers": headers(limits=False),
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"status": {"enum": ["accepted", "repeated"]}},
                            "required": ["status"],
                        }
                    }
                },
            }
        }
        | refused(errors - {Busy, DeadlineExceeded}, responses, limits=False),
    }


def _header(name: str, description: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
