"""The other services, as a use case sees them: operations that can be called."""

from typing import Protocol, TypeVar

import msgspec

from contracts.caller import Caller
from contracts.kit import Operation, Request

RequestT = TypeVar("RequestT", bound=Request)
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)


class Mesh(Protocol):
    async def call(
        self,
        operation: Operation[RequestT, AnswerT],
        request: RequestT,
        caller: Caller,
        *,
        idempotency_key: str = "",
        deadline: float | None = None,
    ) -> AnswerT:
        """Ask the service that owns ``operation``; ``deadline`` is in seconds.

        Raises the errors that the operation declares, Unavailable when no instance answers and
        DeadlineExceeded when none does so in time.
        """
        ...
