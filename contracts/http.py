"""Refusals over HTTP: which status each kind becomes, and what a problem document holds."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from domain.errors import Kind, Problem

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
