"""How refusals, and what is left of the rate limits, look in the OpenAPI document."""

from collections.abc import Iterable
from typing import Any, Final

from contracts.generate.schemas import Schema, component
from contracts.http import PROBLEM_JSON, ProblemDocument, status_of
from domain.errors import InvalidRequest, LoyaltyError

Refusal = type[LoyaltyError]

_HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "RateLimit-Policy": (
        "The limits that count: how many requests (`q`) in how many seconds (`w`).",
        {"type": "string", "examples": ['"shop";q=1200;w=60, "address";q=6000;w=60']},
    ),
    "RateLimit": (
        "What is left of each of them (`r`), and after how many seconds all of it is back (`t`).",
        {"type": "string", "examples": ['"shop";r=1199;t=1, "address";r=5999;t=1']},
    ),
    "Retry-After": (
        "Seconds after which it is worth trying again.",
        {"type": "integer", "minimum": 1, "examples": [5]},
    ),
    "X-Request-Id": (
        "The id that was sent, or one of ours: quote it when something is wrong.",
        {"type": "string", "examples": ["01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"]},
    ),
}


def header_components() -> Schema:
    return {
        name: {"description": description, "schema": schema}
        for name, (description, schema) in _HEADERS.items()
    }


def headers(*, retry: bool = False, limits: bool = True) -> Schema:
    """Those of an answer, as references."""
    names = ["X-Request-Id"]
    if limits:
        names += ["RateLimit-Policy", "RateLimit"]
    if retry:
        names.append("Retry-After")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def refused(errors: Iterable[Refusal], responses: dict[str, Schema], *, limits: bool) -> Schema:
    """References by status; what they refer to is added to ``responses``, shared by operations
    that refuse for the same reasons."""
    by_status: dict[int, dict[str, Refusal]] = {}
    for error in sorted(set(errors), key=lambda each: (status_of(each), each.code)):
        by_status.setdefault(status_of(error), {})[error.code] = error
    answers = {}
    for status, by_code in by_status.items():
        name = f"{status}.{'.'.join(by_code)}"
        responses[name] = _problem(status, by_code, limits=limits)
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return answers


def _problem(status: int, by_code: dict[str, Refusal], *, limits: bool) -> Schema:
    narrowed: dict[str, Any] = {"status": {"const": status}, "code": {"enum": list(by_code)}}
    return {
        "description": "\n".join(f"`{code}` {each.title}" for code, each in by_code.items()),
        "headers": headers(retry=status in (429, 503), limits=limits),
        "content": {
            PROBLEM_JSON: {
                "schema": {"allOf": [component(ProblemDocument), {"properties": narrowed}]},
                "examples": {code: {"value": _example(each)} for code, each in by_code.items()},
            }
        },
    }


def _example(error: Refusal) -> Schema:
    document: Schema = {
        "type": f"urn:loyalnest:error:{error.code}",
        "title": error.title,
        "status": status_of(error),
        "detail": error.title,
        "code": error.code,
    }
    if error is InvalidRequest:
        document["errors"] = [{"pointer": "/limit", "detail": "1 to 250 entries."}]
    return document
