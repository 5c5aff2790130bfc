"""Calling other services: typed, with a deadline, in the trace of whoever calls."""

from typing import TypeVar

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from adapters.nats import errors
from adapters.nats.connection import (
    CALLER,
    ERROR,
    IDEMPOTENCY_KEY,
    REQUEST,
    SIGNATURE,
    TIMEOUT_MS,
)
from adapters.nats.vouching import Vouching
from adapters.telemetry.requests import current_request_id
from adapters.telemetry.tracing import client_span
from contracts.caller import Caller
from contracts.kit import Operation, Request
from domain.errors import DeadlineExceeded, InternalError, InvalidRequest, Problem, Unavailable

RequestT = TypeVar("RequestT", bound=Request)
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)


class NatsMesh:
    """``ports.mesh.Mesh`` over request and reply."""

    def __init__(self, client: Client, vouching: Vouching) -> None:
        self._client = client
        self._vouching = vouching
        self._encode = msgspec.json.Encoder().encode
        self._decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[msgspec.Struct]] = {}

    async def call(
        self,
        operation: Operation[RequestT, AnswerT],
        request: RequestT,
        caller: Caller,
        *,
        idempotency_key: str = "",
        deadline: float | None = None,
    ) -> AnswerT:
        payload = await self.call_raw(
            operation.name,
            self._encode(request),
            caller,
            idempotency_key=idempotency_key,
            deadline=operation.deadline if deadline is None else deadline,
        )
        decoder = self._decoders.get(operation.response)
        if decoder is None:
            decoder = self._decoders[operation.response] = msgspec.json.Decoder(operation.response)
        answer = decoder.decode(payload)
        if not isinstance(answer, operation.response):
            raise InternalError
        return answer

    async def call_raw(
        self,
        name: str,
        payload: bytes,
        caller: Caller,
        *,
        idempotency_key: str = "",
        deadline: float,
    ) -> bytes:
        """The same with bytes on both sides: what the gateway needs, which only passes them on."""
        if not idempotency_key.isprintable():
            problem = Problem("/Idempotency-Key", "Printable characters only.")
            raise InvalidRequest(problems=[problem])
        subject = f"rpc.{name}"
        who = self._encode(caller).decode()
        headers = {
            CALLER: who,
            SIGNATURE: self._vouching.sign(subject, who, idempotency_key, payload),
            TIMEOUT_MS: str(int(deadline * 1000)),
        }
        if idempotency_key:
            headers[IDEMPOTENCY_KEY] = idempotency_key
        if request_id := current_request_id():
            headers[REQUEST] = request_id
        with client_span(name, headers):
            try:
                reply = await self._client.request(
                    subject, payload, timeout=deadline, headers=headers
                )
            except NoRespondersError as error:
                raise Unavailable(f"No instance of {name.split('.', 1)[0]} answers.") from error
            except (NatsTimeout, TimeoutError) as error:
                raise DeadlineExceeded from error
            except NatsError as error:
                raise Unavailable from error
            if reply.headers is not None and ERROR in reply.headers:
                raise errors.from_bytes(reply.data)
            return reply.data
