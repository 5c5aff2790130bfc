"""Every operation with an HTTP binding, mounted from the registry: gate, permission, call."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from adapters.http.asgi import JSON
from adapters.http.gate import Asked, Gate, route
from adapters.http.source import source_of
from adapters.validation import convert_request
from contracts.caller import Caller
from contracts.frontend import File
from contracts.http import IDEMPOTENCY_KEY
from contracts.kit import AUTHENTICATED, PUBLIC, Http, Operation
from contracts.kit import Request as Content
from contracts.permissions import check_permission
from domain.errors import InvalidRequest
from domain.rbac import CUSTOMER, DEFAULT_ROLES, allows

AnyRequest = Request[Any, Any, Any]

_encode: Final = msgspec.json.Encoder().encode
_decode_file: Final = msgspec.json.Decoder(File).decode
_KEY: Final = IDEMPOTENCY_KEY.lower().encode()
_UNTYPED: Final = re.compile(r"{([a-z_]+)}")
_NO_STORE: Final = (JSON, (b"cache-control", b"no-store"))
_MEMBERS_MAY: Final = next(role.grants for role in DEFAULT_ROLES if role.name == CUSTOMER)


class RawMesh(Protocol):
    """The mesh with bytes on both sides: the gateway passes answers on without reading them."""

    async def call_raw(
        self, name: str, payload: bytes, caller: Caller, *, idempotency_key: str, deadline: float
    ) -> bytes: ...


def mount(
    operations: Iterable[Operation[Content, msgspec.Struct]], mesh: RawMesh, gate: Gate
) -> list[BaseRouteHandler]:
    """The routes of all operations that have an HTTP binding."""
    paths: dict[str, dict[str, Bound]] = {}
    for operation in operations:
        if (http := operation.http) is not None:
            paths.setdefault(http.path, {})[http.method] = Bound(operation, http, mesh, gate)
    return [route(_typed(path), methods, gate) for path, methods in paths.items()]


class Bound:
    """One operation at its method and path."""

    def __init__(
        self, operation: Operation[Content, msgspec.Struct], http: Http, mesh: RawMesh, gate: Gate
    ) -> None:
        self.is_open = (
            http.any_origin
            or operation.response is File
            or operation.permission == AUTHENTICATED
            or allows(_MEMBERS_MAY, operation.permission)
        )
        self._operation = operation
        self._http = http
        self._mesh = mesh
        self._gate = gate

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        operation = self._operation
        caller = await self._gate.admit(
            asked,
            operation.name,
            operation.rate,
            is_open=self.is_open,
            takes_ours=not self._http.bearer,
        )
        check_permission(operation, caller)
        if operation.permission == PUBLIC:
            caller = msgspec.structs.replace(caller, source=source_of(asked.scope).mark)
        result = await self._mesh.call_raw(
            operation.name,
            self._query(asked) if self._http.method == "GET" else await self._body(asked),
            caller,
            idempotency_key=asked.header(_KEY),
            deadline=operation.deadline,
        )
        if operation.response is File:
            return await self._file(result, asked)
        asked.more.extend(_NO_STORE)
        return self._http.status, result

    def _query(self, asked: Asked) -> bytes:
        values: dict[str, object] = {}
        if self._operation.response is not File:  # a page's address may tell its scripts more
            request: AnyRequest = Request(asked.scope)
            values = _texts(request.query_params.multi_items())
        return _encode(
            convert_request(self._operation.request, values | asked.scope["path_params"])
        )

    async def _body(self, asked: Asked) -> bytes:
        """The body, with what the path says put in. The service checks what is in it."""
        if self._http.bearer:
            scheme, _, token = asked.header(b"authorization").partition(" ")
            return _encode({self._http.bearer: token if scheme.lower() == "bearer" else ""})
        raw = await self._gate.json_body(asked)
        in_path: Mapping[str, object] = asked.scope["path_params"]
        if not in_path:
            return raw
        try:
            values = msgspec.json.decode(raw or b"{}", type=dict[str, msgspec.Raw])
        except msgspec.MsgspecError as error:
            raise InvalidRequest("The body is not a JSON object.") from error
        return _encode(
            values | {name: msgspec.Raw(_encode(value)) for name, value in in_path.items()}
        )

    async def _file(self, result: bytes, asked: Asked) -> tuple[int, bytes]:
        file = _decode_file(result)
        request: AnyRequest = Request(asked.scope)
        framed_by = await self._gate.origins.frame_ancestors(request.query_params.get("shop", ""))
        policy = (
            "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:;"
            f" frame-ancestors {framed_by}; base-uri 'none'; form-action 'self'"
        )
        asked.more.extend(
            (
                (b"content-type", file.media_type.encode()),
                (b"etag", file.etag.encode()),
                (b"cache-control", b"no-cache"),
                (b"content-security-policy", policy.encode()),
            )
        )
        if asked.header(b"if-none-match") == file.etag:
            return 304, b""
        return self._http.status, file.content


def _typed(path: str) -> str:
    """As Litestar wants it: a parameter is text, and what it means the request says."""
    return _UNTYPED.sub(r"{\1:str}", path)


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
