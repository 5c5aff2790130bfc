"""What the wiring of a service returns: everything a process needs to run it."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar.types import ASGIApp

from adapters.nats.consumer import Consumes
from adapters.nats.server import Endpoint
from contracts.caller import NO_SHOP, Caller
from contracts.kit import Idempotency, Operation, Request
from domain.errors import InvalidRequest, Problem
from ports.tenancy import OtherShops, also_within
from ports.unit import Unit, Units

RequestT = TypeVar("RequestT", bound=Request)
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)
StoresT = TypeVar("StoresT")
PreparedT = TypeVar("PreparedT")

_encode = msgspec.json.Encoder().encode
_MOST_KEY = 200


@dataclass(frozen=True, slots=True)
class Loop:
    """Something done again and again, ``every`` so many seconds, beginning at once."""

    name: str
    every: float
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """One deployable service, wired. ``http`` is for the one that faces the outside world."""

    name: str
    endpoints: tuple[Endpoint, ...] = ()
    consumes: tuple[Consumes[Any], ...] = ()
    loops: tuple[Loop, ...] = ()
    http: ASGIApp | None = None
    on_start: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_stop: tuple[Callable[[], Awaitable[None]], ...] = ()
    checks: tuple[Callable[[], Awaitable[None]], ...] = field(default=())


def answers(
    operation: Operation[RequestT, AnswerT],
    handle: Callable[[Caller, RequestT], Awaitable[AnswerT]],
) -> Endpoint:
    """An operation that opens its transactions itself, or needs none."""
    if operation.idempotency is Idempotency.KEY:
        raise TypeError(f"{operation.name} moves value: wire it with commands()")

    async def call(caller: Caller, request: RequestT, _key: str) -> AnswerT:
        return await handle(caller, request)

    return Endpoint(operation, call)


async def _no_other(_caller: Caller, _prepared: object) -> Collection[UUID]:
    """What is done is about the caller's shop alone."""
    return ()


async def _leave(_caller: Caller, answer: AnswerT) -> AnswerT:
    """Nothing is left to be done."""
    return answer


async def _leave_prepared(_caller: Caller, answer: AnswerT, _prepared: object) -> AnswerT:
    """The same, of what was prepared."""
    return answer


def commands(
    operation: Operation[RequestT, AnswerT],
    units: Units[StoresT],
    handle: Callable[[Unit[StoresT], Caller, RequestT], Awaitable[AnswerT]],
    finish: Callable[[Caller, AnswerT], Awaitable[AnswerT]] = _leave,
) -> Endpoint:
    """An operation done in one transaction. One that moves value needs an idempotency key: the
    same key with the same input gets the stored answer, with another input DUPLICATE_REQUEST."""

    async def nothing(_caller: Caller, _request: RequestT) -> None:
        """Needs no preparation."""

    async def handled(unit: Unit[StoresT], caller: Caller, request: RequestT, _: None) -> AnswerT:
        return await handle(unit, caller, request)

    async def finished(caller: Caller, answer: AnswerT, _: None) -> AnswerT:
        return await finish(caller, answer)

    return prepared_commands(operation, units, nothing, handled, finished)


def prepared_commands(
    operation: Operation[RequestT, AnswerT],
    units: Units[StoresT],
    prepare: Callable[[Caller, RequestT], Awaitable[PreparedT]],
    handle: Callable[[Unit[StoresT], Caller, RequestT, PreparedT], Awaitable[AnswerT]],
    finish: Callable[[Caller, AnswerT, PreparedT], Awaitable[AnswerT]] = _leave_prepared,
    *,
    others: Callable[[Caller, PreparedT], Awaitable[Collection[UUID]]] = _no_other,
) -> Endpoint:
    """As ``commands``, for an operation that has to do something first that must not be done inside
    a transaction, such as asking somebody else: ``prepare``. A repeat does it in vain.

    ``finish`` goes on after the commit, also after that of a repeat, and says what is answered;
    stored is what ``handle`` has answered, which therefore need not hold what must not be kept.

    The transaction is about the caller's shop alone. Where ``handle`` raises OtherShops, it is
    begun again about those that ``others`` names, too (``ports.tenancy.also_within``)."""
    keyed = operation.idempotency is Idempotency.KEY
    decode = msgspec.json.Decoder(operation.response).decode

    async def done(caller: Caller, request: RequestT, prepared: PreparedT, key: str) -> AnswerT:
        async with units() as unit:
            unit.actor = caller.name
            if not keyed:
                return await handle(unit, caller, request, prepared)
            # Those who belong to no shop have keys of their own, too.
            tenant = NO_SHOP if caller.merchant_id is None else caller.merchant_id
            stored = await unit.journal.claim_key(tenant, operation.name, key, _encode(request))
            if stored is not None:
                return decode(stored)
            answer = await handle(unit, caller, request, prepared)
            await unit.journal.keep_answer(tenant, operation.name, key, _encode(answer))
            return answer

    async def call(caller: Caller, request: RequestT, key: str) -> AnswerT:
        if keyed and not 0 < len(key) <= _MOST_KEY:
            problem = Problem("/Idempotency-Key", f"1 to {_MOST_KEY} characters are needed.")
            raise InvalidRequest("This operation needs an Idempotency-Key header.", [problem])
        # A member's keys are their own: what another got is nothing that they may see.
        own_key = f"{caller.customer_id or ''}/{key}"
        prepared = await prepare(caller, request)
        try:
            answer = await done(caller, request, prepared, own_key)
        except OtherShops:
            with also_within(await others(caller, prepared)):
                answer = await done(caller, request, prepared, own_key)
        return await finish(caller, answer, prepared)

    return Endpoint(operation, call)
