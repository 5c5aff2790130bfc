"""The one place where errors become HTTP answers: problem documents (RFC 9457)."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from contracts.http import PROBLEM_JSON, STATUS, ProblemDocument
from domain.errors import InternalError, Kind, LoyaltyError

log = logging.getLogger(__name__)

_encode: Final = msgspec.json.Encoder().encode


def problem_response(
    error: LoyaltyError, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    status = STATUS[error.kind]
    headers = dict(headers or {})
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.kind is Kind.UNAVAILABLE:
        headers["Retry-After"] = "2"
    return Response(
        problem_body(error, status), status_code=status, media_type=PROBLEM_JSON, headers=headers
    )


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


def on_loyalty_error(_: Request[Any, Any, Any], error: LoyaltyError) -> Response[bytes]:
    return problem_response(error)


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses: unknown paths, wrong methods, bodies that are too large."""
    status = error.status_code
    code, title = _BY_STATUS.get(status, ("INVALID_REQUEST", "The request is not valid."))
    document = ProblemDocument(
        type=f"urn:loyalnest:error:{code}", title=title, status=status, detail=title, code=code
    )
    return Response(
        _encode(document),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=dict(error.headers or {}),
    )


def on_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: the log has it, the answer says nothing about it."""
    log.error("%s failed", request.route_handler, exc_info=error)
    return problem_response(InternalError())


_BY_STATUS: Final = {
    404: ("NOT_FOUND", "There is nothing here by that name."),
    405: ("METHOD_NOT_ALLOWED", "This path does not take that method."),
    413: ("TOO_LARGE", "The body is larger than this path takes."),
    500: (InternalError.code, InternalError.title),
}

HANDLERS: Final[dict[int | type[Exception], Any]] = {
    LoyaltyError: on_loyalty_error,
    HTTPException: on_http_error,
    Exception: on_failure,
}
