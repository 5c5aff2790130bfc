"""What the outside world may ask: every operation with an HTTP binding, as OpenAPI 3.1."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from contracts.frontend import File
from contracts.generate.examples import example
from contracts.generate.schemas import Schema, Schemas, component, describe, name_of
from contracts.http import IDEMPOTENCY_KEY, PROBLEM_JSON, STATUS, ProblemDocument
from contracts.kit import PUBLIC, Http, Idempotency, Operation, Registry, Request
from domain.errors import (
    Busy,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidRequest,
    LoyaltyError,
    NotFound,
    Unauthenticated,
    Unavailable,
)

AnyOperation = Operation[Request, msgspec.Struct]


class _Refusal(NamedTuple):
    status: int
    code: str
    title: str


def _refusal(error: type[LoyaltyError]) -> _Refusal:
    return _Refusal(STATUS[error.kind], error.code, error.title)


_ALWAYS: Final = (InvalidRequest, InternalError, Unavailable, Busy, DeadlineExceeded)
"""What any call through the gateway may be answered, besides the errors it declares."""
_TOO_LARGE: Final = _Refusal(413, "TOO_LARGE", "The body is larger than this path takes.")
_MALFORMED: Final = _Refusal(
    400, "MALFORMED_PAYLOAD", "The webhook's body is not what its topic promises."
)

_PATH_PARAMETER: Final = re.compile(r"{([a-z_]+)(?::path)?}")
_INTRODUCTION: Final = """\
Every operation that LoyalNest answers over HTTP, generated from `contracts/`.

The shop is the one the access token was issued for; no request names it. Amounts are decimal texts
in the shop's currency, points are integers, times are RFC 3339 in UTC. Lists come in pages: pass
`next_cursor` back as `cursor` until it is null. A refusal is a problem document whose `code` is
stable; everything wrong with a request is in its `errors`."""


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
    if parameters := _parameters(operation, schemas):
        entry["parameters"] = parameters
    if _has_body(operation):
        entry["requestBody"] = _body(operation, schemas)

    refusals = {_refusal(error) for error in (*operation.errors, *_ALWAYS)}
    if not public:
        refusals |= {_refusal(Unauthenticated), _refusal(Forbidden)}
    if _has_body(operation):
        refusals.add(_TOO_LARGE)
    entry["responses"] = _answers(operation, schemas) | _refusals(refusals, responses)
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
        etag = {"ETag": {"schema": {"type": "string"}}}
        return {
            "200": {"description": "The file.", "headers": etag, "content": {"*/*": {}}},
            "304": {"description": "It is the one named by If-None-Match.", "headers": etag},
        }
    struct = schemas.definitions[name_of(operation.response)]
    status = _http(operation).status
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {
                "application/json": {
                    "schema": component(operation.response),
                    "example": example(struct, schemas.definitions, whole=True),
                }
            },
        }
    }


def _refusals(refusals: Iterable[_Refusal], responses: dict[str, Schema]) -> dict[str, Schema]:
    """References by status; what they refer to is added to ``responses``, shared by operations
    that refuse for the same reasons."""
    by_status: dict[int, dict[str, str]] = {}
    for refusal in sorted(refusals):
        by_status.setdefault(refusal.status, {})[refusal.code] = refusal.title
    answers = {}
    for status, titles in by_status.items():
        name = f"{status}.{'.'.join(titles)}"
        responses[name] = _problem(status, titles)
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return answers


def _problem(status: int, titles: Mapping[str, str]) -> Schema:
    narrowed: dict[str, Any] = {"status": {"const": status}, "code": {"enum": list(titles)}}
    return {
        "description": "\n".join(f"`{code}` {title}" for code, title in titles.items()),
        "content": {
            PROBLEM_JSON: {
                "schema": {"allOf": [component(ProblemDocument), {"properties": narrowed}]}
            }
        },
    }


def _webhooks(registry: Registry, responses: dict[str, Schema]) -> Schema:
    topics = sorted(registry.webhooks)
    told = "\n".join(
        f"- `{topic}`: {registry.webhooks[topic].summary} Becomes"
        f" `{registry.webhooks[topic].event.topic}`."
        for topic in topics
    )
    refusals = {_refusal(each) for each in (*_ALWAYS, Unauthenticated, NotFound)}
    refusals -= {_refusal(Busy), _refusal(DeadlineExceeded)}
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
        | _refusals(refusals | {_TOO_LARGE, _MALFORMED}, responses),
    }


def _header(name: str, description: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
