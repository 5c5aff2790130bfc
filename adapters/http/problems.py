"""The one place where errors become HTTP answers: problem documents (RFC 9457)."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Send

from adapters.http.asgi import PROBLEM, Header, answer
from contracts.http import (
    PROBLEM_JSON,
    BodyTooSlow,
    MethodNotAllowed,
    ProblemDocument,
    WithHeaders,
    status_of,
)
from domain.errors import InternalError, InvalidRequest, Kind, LoyaltyError, NotFound, TooLarge

log = logging.getLogger(__name__)

_encode: Final = msgspec.json.Encoder().encode


def problem_response(
    error: LoyaltyError, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    status = status_of(error)
    return Response(
        problem_body(error, status),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=_headers(error) | dict(headers or {}),
    )


async def refuse(send: Send, error: LoyaltyError, headers: Iterable[Header] = ()) -> int:
    """The same in plain ASGI; returns the status."""
    status = status_of(error)
    own = [(name.lower().encode(), value.encode()) for name, value in _headers(error).items()]
    await answer(send, status, [PROBLEM, *own, *headers], problem_body(error, status))
    return status


def problem_body(error: LoyaltyError, status: int) -> bytes:
    return _encode(
        ProblemDocument(
            type=f"urn:loyalnest:error:{error.code}",
            title=error.title,
            status=status,
            detail=error.detail,
            code=error.code,
            errors=error.problems,
        )
    )


def _headers(error: LoyaltyError) -> dict[str, str]:
    more = dict(error.headers) if isinstance(error, WithHeaders) else {}
    if error.kind is Kind.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"} | more
    if error.kind is Kind.UNAVAILABLE:
        return {"Retry-After": "2"}
    if isinstance(error, TooLarge | BodyTooSlow):
        return {"Connection": "close"}  # nobody wants to hear the rest
    return more


def on_loyalty_error(_: Request[Any, Any, Any], error: LoyaltyError) -> Response[bytes]:
    return problem_response(error)


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses: unknown paths, wrong methods, bodies that are too large."""
    refusal = _BY_STATUS.get(error.status_code, InvalidRequest)
    return problem_response(refusal(), error.headers)


def on_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: the log has it, the answer says nothing about it."""
    log.error("%s failed", request.scope.get("path_template", "a request"), exc_info=error)
    return problem_response(InternalError())


_BY_STATUS: Final[Mapping[int, type[LoyaltyError]]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    500: InternalError,
}

HANDLERS: Final[dict[int | type[Exception], Any]] = {
    LoyaltyError: on_loyalty_error,
    HTTPException: on_http_error,
    Exception: on_failure,
}
