"""The one hierarchy of expected errors: a slug for machines, words for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What sort of refusal it is. Each transport maps a kind once (HTTP: to a status)."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    REFUSED = "refused"  # understood and well-formed, but a rule of the program says no
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (a JSON pointer such as ``/rules/0/rate``) and what."""

    pointer: str
    detail: str


class LoyaltyError(Exception):
    """An expected refusal. ``code`` and ``detail`` reach the caller, so neither may hold personal
    data, secrets or internals. Expected errors are never logged as errors."""

    code: ClassVar[str] = "INTERNAL"
    kind: ClassVar[Kind] = Kind.INTERNAL
    title: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, detail: str = "", problems: Sequence[Problem] = ()) -> None:
        self.detail = detail or self.title
        self.problems = tuple(problems)
        super().__init__(self.detail)


class InvalidRequest(LoyaltyError):
    """The input is malformed; ``problems`` names everything that is wrong with it."""

    code = "INVALID_REQUEST"
    kind = Kind.INVALID
    title = "The request is not valid."


class Unauthenticated(LoyaltyError):
    code = "UNAUTHENTICATED"
    kind = Kind.UNAUTHENTICATED
    title = "A valid access token is needed."


class NotVouchedFor(LoyaltyError):
    """A call inside the mesh whose caller nobody of the mesh has signed. Who is outside meets it
    only while processes have different secrets, so that trying again is right."""

    code = "CALLER_NOT_VOUCHED_FOR"
    kind = Kind.UNAVAILABLE
    title = "Nobody vouches for the caller of this call."


class Forbidden(LoyaltyError):
    code = "FORBIDDEN"
    kind = Kind.FORBIDDEN
    title = "This role may not do that."


class NotFound(LoyaltyError):
    """Also the answer for what exists in another shop, so that ids cannot be probed."""

    code = "NOT_FOUND"
    kind = Kind.NOT_FOUND
    title = "There is nothing here by that name."


class TooLarge(LoyaltyError):
    code = "TOO_LARGE"
    kind = Kind.TOO_LARGE
    title = "The body is larger than this path takes."


class Unavailable(LoyaltyError):
    """A part of the system that is needed cannot be reached; trying again later is right."""

    code = "UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    title = "The service is not available at the moment; please try again."


class DeadlineExceeded(LoyaltyError):
    code = "DEADLINE_EXCEEDED"
    kind = Kind.TIMEOUT
    title = "The answer took too long."


class Busy(LoyaltyError):
    """The service works on as many requests as it may."""

    code = "BUSY"
    kind = Kind.UNAVAILABLE
    title = "The service is busy; please try again."


class RateLimitExceeded(LoyaltyError):
    """More was asked than is allowed for now; the transport says when to come again."""

    code = "RATE_LIMIT_EXCEEDED"
    kind = Kind.LIMITED
    title = "Too many requests; please wait a moment."


class LimitReached(LoyaltyError):
    """Somebody has had something as often as the program lets them."""

    code = "LIMIT_REACHED"
    kind = Kind.REFUSED
    title = "This was done as often as it may be."


class DuplicateRequest(LoyaltyError):
    """An idempotency key came back with another input."""

    code = "DUPLICATE_REQUEST"
    kind = Kind.CONFLICT
    title = "This idempotency key was used before with another request."


class InternalError(LoyaltyError):
    """A fault of ours. Says nothing about it; the log has the rest under the trace id."""
