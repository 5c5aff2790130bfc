"""Refusals over HTTP: which status each kind becomes, and what a problem document holds."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

import msgspec

from domain.errors import InvalidRequest, Kind, LoyaltyError, Problem

STATUS: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        Kind.INVALID: 400,
        Kind.UNAUTHENTICATED: 401,
        Kind.FORBIDDEN: 403,
        Kind.NOT_FOUND: 404,
        Kind.CONFLICT: 409,
        Kind.TOO_LARGE: 413,
        Kind.REFUSED: 422,
        Kind.LIMITED: 429,
        Kind.INTERNAL: 500,
        Kind.UNAVAILABLE: 503,
        Kind.TIMEOUT: 504,
    }
)
"""The one place where a kind of refusal becomes an HTTP status; every kind is here."""


class HttpRefusal(InvalidRequest):
    """What only HTTP refuses, with a status that no kind has."""

    status: ClassVar[int]


class MethodNotAllowed(HttpRefusal):
    code = "METHOD_NOT_ALLOWED"
    status = 405
    title = "This path does not take that method."


class BodyTooSlow(HttpRefusal):
    code = "BODY_TOO_SLOW"
    status = 408
    title = "The body did not arrive in time."


class AddressTooLong(HttpRefusal):
    code = "ADDRESS_TOO_LONG"
    status = 414
    title = "The address asked for is too long."


class NotJson(HttpRefusal):
    code = "NOT_JSON"
    status = 415
    title = "The body has to be JSON, in UTF-8 and not compressed."


class HeadersTooLarge(HttpRefusal):
    code = "HEADERS_TOO_LARGE"
    status = 431
    title = "There are too many headers, or they are too large."


class WithHeaders(LoyaltyError):
    """A refusal that says something in headers too, to programs that read only those."""

    headers: ClassVar[Mapping[str, str]]


def status_of(error: LoyaltyError | type[LoyaltyError]) -> int:
    """The HTTP status of a refusal."""
    if isinstance(error, HttpRefusal) or (
        isinstance(error, type) and issubclass(error, HttpRefusal)
    ):
        return error.status
    return STATUS[error.kind]


PROBLEM_JSON: Final = "application/problem+json"
"""The media type of every refusal (RFC 9457)."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""The header without which an operation that moves value is not done."""


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """``type`` is stable and made of the slug; ``errors`` names everything that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[Problem, ...] = ()
