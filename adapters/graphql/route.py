"""``POST /graphql``: one query as JSON in, data and refusals out."""

import logging
from typing import Any, Final

import msgspec
from graphql import GraphQLError
from litestar.handlers import BaseRouteHandler

from adapters.graphql.schema import Asking, Schema
from adapters.http.asgi import JSON
from adapters.http.gate import Asked, Gate, route
from adapters.http.operations import RawMesh
from contracts.caller import Audience
from contracts.http import STATUS
from domain.errors import InternalError, InvalidRequest, LoyaltyError, Problem, Unauthenticated

log = logging.getLogger(__name__)

PATH: Final = "/graphql"


class _Query(msgspec.Struct, rename="camel"):
    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class _Refusal(msgspec.Struct, omit_defaults=True):
    """``extensions`` has what a problem document has over HTTP: code, status, errors."""

    message: str
    path: list[str | int] | None = None
    locations: list[dict[str, int]] | None = None
    extensions: dict[str, Any] = {}


_decode: Final = msgspec.json.Decoder(_Query).decode
_encode: Final = msgspec.json.Encoder().encode


def graphql_route(schema: Schema, mesh: RawMesh, gate: Gate) -> BaseRouteHandler:
    return route(PATH, {"POST": _Queries(schema, mesh, gate)}, gate)


class _Queries:
    is_open = True  # what is in a query is checked field by field, and members may ask, too

    def __init__(self, schema: Schema, mesh: RawMesh, gate: Gate) -> None:
        self._schema = schema
        self._mesh = mesh
        self._gate = gate

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        caller = await self._gate.admit(asked, "graphql", None, is_open=self.is_open)
        if caller.audience is Audience.ANYONE:
            raise Unauthenticated
        query = _read(await self._gate.json_body(asked))
        result = await self._schema.execute(
            query.query,
            variable_values=query.variables,
            context_value=Asking(caller, self._mesh),
            operation_name=query.operation_name,
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_refusal(error) for error in result.errors]
        asked.more.extend((JSON, (b"cache-control", b"no-store")))
        return 200, _encode(answer)


def _read(body: bytes) -> _Query:
    try:
        query = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        query = None
    if query is None or not query.query:
        problem = Problem("/query", 'Send {"query": "…", "variables": {…}} as JSON.')
        raise InvalidRequest(problems=[problem])
    return query


def _refusal(error: GraphQLError) -> _Refusal:
    """What the client is told. Of a fault of ours only that it is one; the log has the rest."""
    original = error.original_error
    if isinstance(original, GraphQLError):
        original = original.original_error
    if original is not None and not isinstance(original, LoyaltyError):
        if error.path is None and error.locations:
            original = None  # a value in the query is wrong, and the message says how
        else:
            log.error("GraphQL: %s failed", error.path or "the query", exc_info=original)
            original = InternalError()
    if original is None:
        return _Refusal(
            error.message,
            error.path,
            [{"line": at.line, "column": at.column} for at in error.locations or ()],
            {"code": InvalidRequest.code, "status": STATUS[InvalidRequest.kind]},
        )
    told: dict[str, Any] = {"code": original.code, "status": STATUS[original.kind]}
    if original.problems:
        told["errors"] = original.problems
    return _Refusal(original.detail, error.path, None, told)
