"""Every operation with an HTTP binding, mounted from the registry: token, permission, call."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from adapters.http.problems import problem_response
from adapters.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS
from adapters.telemetry.tracing import current_trace_id, server_span
from adapters.validation import convert_request
from contracts.caller import Caller
from contracts.frontend import File
from contracts.http import IDEMPOTENCY_KEY
from contracts.kit import PUBLIC, Operation
from contracts.kit import Request as Asked
from contracts.permissions import check_permission
from domain.errors import InvalidRequest, LoyaltyError

AnyRequest = Request[Any, Any, Any]

_encode: Final = msgspec.json.Encoder().encode
_decode_file: Final = msgspec.json.Decoder(File).decode
_NO_STORE: Final = {"Cache-Control": "no-store"}


class RawMesh(Protocol):
    """The mesh with bytes on both sides: the gateway passes answers on without reading them."""

    async def call_raw(
        self, name: str, payload: bytes, caller: Caller, *, idempotency_key: str, deadline: float
    ) -> bytes: ...


CallerOf = Callable[[str], Awaitable[Caller]]
"""``Authorization`` header → caller."""
SourceOf = Callable[[AnyRequest], str]
"""Where a request comes from (``adapters.http.source``)."""


def mount(
    operation: Operation[Asked, msgspec.Struct],
    mesh: RawMesh,
    caller_of: CallerOf,
    source_of: SourceOf,
    max_bytes: int,
) -> HTTPRouteHandler:
    """The route of one operation."""
    http = operation.http
    if http is None:
        raise ValueError(f"{operation.name} has no HTTP binding")
    answer = _file_answer if operation.response is File else _json_answer
    reads_body = http.method != "GET"
    is_public = operation.permission == PUBLIC

    async def handle(request: AnyRequest) -> Response[bytes]:
        caller = await caller_of(request.headers.get("authorization", ""))
        check_permission(operation, caller)
        if is_public:
            caller = msgspec.structs.replace(caller, source=source_of(request))
        if reads_body:
            payload = await _body(request)
        else:
            values = _texts(request.query_params.multi_items()) | request.path_params
            payload = _encode(convert_request(operation.request, values))
        result = await mesh.call_raw(
            operation.name,
            payload,
            caller,
            idempotency_key=request.headers.get(IDEMPOTENCY_KEY.lower(), ""),
            deadline=operation.deadline,
        )
        return answer(result, http.status, request)

    return HTTPRouteHandler(
        path=http.path,
        http_method=http.method,
        status_code=http.status,
        name=operation.name,
        request_max_body_size=max_bytes,
    )(observed(http.path, handle))


def observed(
    route: str, handle: Callable[[AnyRequest], Awaitable[Response[bytes]]]
) -> Callable[[AnyRequest], Awaitable[Response[bytes]]]:
    """Trace, count and time a route; refusals become problem documents here, so that they are
    counted with the status they are answered with."""

    seconds = HTTP_SECONDS.labels(route)

    async def wrapped(request: AnyRequest) -> Response[bytes]:
        started = time.perf_counter()
        with server_span(f"HTTP {route}", request.headers):
            try:
                response = await handle(request)
            except LoyaltyError as error:
                response = problem_response(error)
            if trace_id := current_trace_id():
                response.headers["X-Trace-Id"] = trace_id
        HTTP_REQUESTS.labels(route, str(response.status_code)).inc()
        seconds.observe(time.perf_counter() - started)
        return response

    return wrapped


async def _body(request: AnyRequest) -> bytes:
    """The body, with what the path says put in. The service checks what is in it."""
    raw = await request.body()
    if not request.path_params:
        return raw
    try:
        values = msgspec.json.decode(raw or b"{}", type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise InvalidRequest("The body is not a JSON object.") from error
    named = {name: msgspec.Raw(_encode(value)) for name, value in request.path_params.items()}
    return _encode(values | named)


def _texts(items: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Query parameters; one that comes several times is a list."""
    values: dict[str, object] = {}
    for name, value in items:
        known = values.get(name)
        if known is None:
            values[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            values[name] = [known, value]
    return values


def _json_answer(result: bytes, status: int, _: AnyRequest) -> Response[bytes]:
    return Response(result, status_code=status, media_type="application/json", headers=_NO_STORE)


def _file_answer(result: bytes, status: int, request: AnyRequest) -> Response[bytes]:
    file = _decode_file(result)
    headers: Mapping[str, str] = {
        "ETag": file.etag,
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": (
            "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:;"
            " frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
        ),
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(file.content, status_code=status, media_type=file.media_type, headers=headers)
