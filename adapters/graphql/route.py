"""``POST /graphql``: one query as JSON in, data and refusals out."""

import logging
from typing import Any, Final

import msgspec
from graphql import GraphQLError
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from adapters.graphql.schema import Asking, Schema
from adapters.http.operations import AnyRequest, CallerOf, RawMesh, observed
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


def graphql_route(
    schema: Schema, mesh: RawMesh, caller_of: CallerOf, max_bytes: int
) -> HTTPRouteHandler:
    async def handle(request: AnyRequest) -> Response[bytes]:
        caller = await caller_of(request.headers.get("authorization", ""))
        if caller.audience is Audience.ANYONE:
            raise Unauthenticated
        asked = _read(await request.body())
        result = await schema.execute(
            asked.query,
            variable_values=asked.variables,
            context_value=Asking(caller, mesh),
            operation_name=asked.operation_name,
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_refusal(error) for error in result.errors]
        return Response(
            _encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return HTTPRouteHandler(
        path=PATH,
        http_method="POST",
        status_code=200,
        name="graphql",
        request_max_body_size=max_bytes,
    )(observed(PATH, handle))


def _read(body: bytes) -> _Query:
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem("/query", 'Send {"query": "…", "variables": {…}} as JSON.')
        raise InvalidRequest(problems=[problem]) from None


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
