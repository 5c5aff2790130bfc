"""Bulk operations: Shopify works a query off by itself and leaves a file with a JSON object a line.

With ``groupObjects`` what is nested in an object follows it at once, with ``__parentId``, so the
file can be read object by object, whatever its size.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import msgspec

from adapters.shopify.admin.client import AdminClient, done
from adapters.shopify.admin.documents import (
    MUTATION_COST,
    Answer,
    Node,
    Question,
    UserError,
)
from adapters.shopify.admin.errors import (
    AccessDenied,
    AnswerLost,
    Declined,
    Misunderstood,
    NotAsked,
)
from ports.imports import Export, ExportBusy, ExportState, NotAllowed
from ports.shopify_limits import Lane

MOST_LINE: Final = 1024 * 1024
"""Bytes; an object with all that is asked of it is far smaller."""
_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
_BUSY: Final = frozenset(("OPERATION_IN_PROGRESS", "LIMIT_REACHED"))
_DENIED: Final = "The shop has not granted LoyalNest to read this at Shopify."
_BROKEN: Final = "Shopify could not finish its export."
_GONE: Final = "Shopify does not keep its export any more."


class BulkBegun(Answer, frozen=True):
    operation: Node | None
    user_errors: list[UserError]


class BulkRun(Answer, frozen=True):
    begun: BulkBegun


RUN_BULK_QUERY: Final = Question(
    """mutation RunBulkQuery($query: String!) {
  begun: bulkOperationRunQuery(query: $query, groupObjects: true) {
    operation: bulkOperation { id }
    userErrors { code field }
  }
}""",
    BulkRun,
    MUTATION_COST,
)
"""A repeat begins another one, which nobody reads."""


class Operation(Answer, frozen=True):
    status: str
    object_count: str
    error_code: str | None = None
    url: str | None = None


class OperationFound(Answer, frozen=True):
    operation: Operation | None


BULK_OPERATION: Final = Question(
    """query BulkOperation($id: ID!) {
  operation: bulkOperation(id: $id) { status errorCode objectCount url }
}""",
    OperationFound,
    1,
)


class Line(NamedTuple):
    """``end`` is the byte behind it."""

    text: bytes
    end: int


class BulkExports:
    """``base`` is where shops' admins are (LOYALNEST_SHOPIFY_API_BASE): files are taken from
    elsewhere over TLS only, or from the same place."""

    def __init__(self, client: AdminClient, base: str) -> None:
        self._client = client
        self._own = urlsplit(base)[:2]
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def begin(self, merchant_id: UUID, query: str) -> str:
        """Raises ExportBusy, NotAllowed, and what ``AdminClient.ask`` does."""
        try:
            answer = await self._client.ask(
                merchant_id, RUN_BULK_QUERY, {"query": query}, lane=Lane.BULK
            )
            done(answer.begun.user_errors)
        except AccessDenied:
            raise NotAllowed from None
        except Declined as declined:
            if _BUSY & {*declined.codes}:
                raise ExportBusy from None
            raise
        if answer.begun.operation is None:
            raise AnswerLost
        return answer.begun.operation.id

    async def look(self, merchant_id: UUID, export_id: str) -> Export:
        asked = {"id": export_id}
        answer = await self._client.ask(merchant_id, BULK_OPERATION, asked, lane=Lane.BULK)
        operation = answer.operation
        if operation is None:
            return Export(ExportState.FAILED, problem=_GONE)
        found = int(operation.object_count)
        match operation.status:
            case "COMPLETED" if found and not operation.url:
                return Export(ExportState.FAILED, found, problem=_GONE)
            case "COMPLETED":
                return Export(ExportState.COMPLETE, found, operation.url or "")
            case "CREATED" | "RUNNING" | "CANCELING":
                return Export(ExportState.RUNNING, found)
            case "FAILED" if operation.error_code == "ACCESS_DENIED":
                return Export(ExportState.REFUSED, found, problem=_DENIED)
            case "EXPIRED":
                return Export(ExportState.FAILED, found, problem=_GONE)
        return Export(ExportState.FAILED, found, problem=_BROKEN)

    async def lines(self, url: str, start: int) -> AsyncIterator[Line]:
        """The lines of a file from the byte ``start`` on, one after the other.

        Raises NotAsked when it cannot be read now; what is read until then holds.
        """
        place = urlsplit(url)
        if place.scheme != "https" and place[:2] != self._own:
            raise Misunderstood("a file that is not offered over TLS")
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)
        # As it is: a position in it means nothing in another encoding.
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        try:
            async with self._http.stream("GET", url, headers=headers) as response:
                if response.status_code == 416:
                    return  # all of it was read
                if response.status_code not in (200, 206):
                    raise NotAsked
                at = start if response.status_code == 206 else 0
                async for line in _split(response, at):
                    if line.end > start:
                        yield line
        except httpx.HTTPError:
            raise NotAsked from None


async def _split(response: httpx.Response, at: int) -> AsyncIterator[Line]:
    rest = b""
    async for part in response.aiter_raw():
        *whole, rest = (rest + part).split(b"\n")
        for text in whole:
            at += len(text) + 1
            yield Line(text, at)
        if len(rest) > MOST_LINE:
            raise NotAsked
    if rest:
        yield Line(rest, at + len(rest))


class _Child(msgspec.Struct, frozen=True):
    parent: str | None = msgspec.field(default=None, name="__parentId")


class Grouped(NamedTuple):
    """A line and those nested in it; ``end`` is the byte behind all of them."""

    text: bytes
    children: list[bytes]
    end: int


async def grouped(lines: AsyncIterator[Line]) -> AsyncIterator[Grouped]:
    """Each object of the outermost connection with what is nested in it."""
    parent: bytes | None = None
    children: list[bytes] = []
    end = 0
    async for line in lines:
        if not line.text.strip():
            continue
        if _is_child(line.text):
            children.append(line.text)
        else:
            if parent is not None:
                yield Grouped(parent, children, end)
            parent, children = line.text, []
        end = line.end
    if parent is not None:
        yield Grouped(parent, children, end)


def _is_child(text: bytes) -> bool:
    try:
        return msgspec.json.decode(text, type=_Child).parent is not None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False  # whoever reads it will say so
