"""What a declaration is made of: operations, events and webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from domain.errors import LoyaltyError
from domain.limits import Rate

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time. One without an offset is refused: it would mean another time to each reader."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends. Unknown fields are refused: a misspelt field must not be ignored."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation answers. New fields come with a default, so old readers go on working."""


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event carries. Unknown fields are tolerated: publishers may be newer than readers."""


class Nothing(Request, frozen=True, kw_only=True):
    """A request without content."""


class Page(Response, frozen=True, kw_only=True):
    """The part of a list answer that says how to go on."""

    next_cursor: str | None = None


RequestT = TypeVar("RequestT", bound=Request, covariant=True)
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct, covariant=True)
BodyT = TypeVar("BodyT", bound=Body, covariant=True)


class Idempotency(StrEnum):
    """How a repeat of the same call is kept harmless."""

    SAFE = "safe"  # changes nothing
    NATURAL = "natural"  # the same call twice leaves the same state
    KEY = "key"  # moves value: needs an Idempotency-Key, a repeat gets the stored answer


PUBLIC: Final = "public"
"""Permission of what anybody may call."""
AUTHENTICATED: Final = "authenticated"
"""Permission of what anybody with a valid token may call, because it is about themselves."""
INTERNAL: Final = "internal"
"""Permission of what only services of the mesh may call; never has an HTTP binding."""


@dataclass(frozen=True, slots=True)
class Http:
    """Where the outside world finds an operation. Path parameters are fields of the request.

    ``bearer`` names the field that is filled from ``Authorization: Bearer …``, for an operation
    that takes a token which is not one of ours, and nothing else. ``any_origin``: pages of any
    origin may call it.
    """

    method: Method
    path: str
    status: int = 200
    bearer: str = ""
    any_origin: bool = False


def get(path: str) -> Http:
    return Http("GET", path)


def post(path: str, status: int = 200, *, bearer: str = "", any_origin: bool = False) -> Http:
    return Http("POST", path, status, bearer, any_origin)


def put(path: str) -> Http:
    return Http("PUT", path)


@dataclass(frozen=True, slots=True)
class Operation(Generic[RequestT, AnswerT]):
    """Something one service answers. ``name`` is ``<service>.v<major>.<Verb>``.

    ``deadline`` is in seconds and is what a caller waits at most unless it says otherwise. ``rate``
    is how often one caller may ask over HTTP, for what is dear or worth abusing; without one it is
    what ``contracts.limits`` grants to the caller's audience.
    """

    name: str
    request: type[RequestT]
    response: type[AnswerT]
    permission: str
    summary: str
    http: Http | None = None
    errors: tuple[type[LoyaltyError], ...] = ()
    idempotency: Idempotency = Idempotency.SAFE
    deadline: float = 5.0
    rate: Rate | None = None

    @property
    def service(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def subject(self) -> str:
        return f"rpc.{self.name}"


@dataclass(frozen=True, slots=True)
class Event(Generic[BodyT]):
    """Something that happened, said by one service. ``name`` is as the documents call it.

    The subject ends in the merchant id, so that a stream can be filtered, counted and purged by
    merchant. Version 1 is not spelled out; a removed or retyped field makes version 2.
    ``prefix`` is the sort of stream: what we say, what shops say, work to be done, dead letters.
    ``also`` are services that say it, too.
    """

    name: str
    body: type[BodyT]
    publisher: str
    summary: str
    version: int = 1
    prefix: Literal["evt", "shop", "task", "dead"] = "evt"
    also: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """The subject without the merchant id."""
        suffix = "" if self.version == 1 else f".v{self.version}"
        return f"{self.prefix}.{self.name}{suffix}"

    def subject(self, merchant_id: UUID) -> str:
        return _subject(self.topic, merchant_id)


@lru_cache(10_000)
def _subject(topic: str, merchant_id: UUID) -> str:
    """Remembered, because a shop's events are said by the thousand."""
    return f"{topic}.{merchant_id}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A Shopify topic that the edge accepts, and the event of ours that it becomes."""

    topic: str
    event: Event[Body]
    summary: str


@dataclass(frozen=True, slots=True)
class Contracts:
    """All that one service says and answers."""

    operations: tuple[Operation[Request, msgspec.Struct], ...] = ()
    events: tuple[Event[Body], ...] = ()
    webhooks: tuple[Webhook, ...] = ()


class BadContract(Exception):
    """A declaration that must not start."""


@dataclass(frozen=True)
class Registry:
    """Every declaration of the mesh, by name. Building one checks all of them."""

    operations: Mapping[str, Operation[Request, msgspec.Struct]] = field(default_factory=dict)
    events: Mapping[str, Event[Body]] = field(default_factory=dict)
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
