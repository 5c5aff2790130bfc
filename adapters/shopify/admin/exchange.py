"""One question over HTTP, asked once, and what came of it: an answer that is read strictly, and of
everything else whether Shopify may have acted on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import httpx
import msgspec

from adapters.shopify.admin.documents import Question
from adapters.shopify.reach import Reach
from adapters.shopify.version import API_VERSION

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

MOST_BYTES: Final = 8 * 1024 * 1024
"""Larger than any answer to a question of ours."""
_PATH: Final = f"/admin/api/{API_VERSION}/graphql.json"
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Throttle(msgspec.Struct, frozen=True, rename="camel"):
    """The shop's bucket as Shopify sees it, in points; ``restore_rate`` is per second."""

    maximum_available: float
    currently_available: float
    restore_rate: float


class Cost(msgspec.Struct, frozen=True, rename="camel"):
    requested_query_cost: float | None = None
    actual_query_cost: float | None = None
    throttle_status: Throttle | None = None


class _Extensions(msgspec.Struct, frozen=True):
    cost: Cost | None = None


class _Code(msgspec.Struct, frozen=True):
    code: str = ""


class _Error(msgspec.Struct, frozen=True):
    extensions: _Code | None = None


class _Said(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Error] | str | None = None
    extensions: _Extensions | None = None


@dataclass(frozen=True, slots=True)
class Answered(Generic[AnswerT]):
    data: AnswerT
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class Throttled:
    """Not done: the shop's bucket is empty. ``after`` is in seconds, None where nobody said."""

    cost: Cost | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Not done; ``code`` says why. The connection is fine."""

    code: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """Not done: it has not been sent. ``what`` is for the log."""

    what: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Sent, and nobody can say what came of it. ``what`` is for the log."""

    what: str


Outcome = Answered[AnswerT] | Throttled | Refused | Unreached | Lost

UNAUTHORIZED: Final = "UNAUTHORIZED"
ACCESS_DENIED: Final = "ACCESS_DENIED"
THROTTLED: Final = "THROTTLED"
SHOP_INACTIVE: Final = "SHOP_INACTIVE"
_INTERNAL: Final = frozenset(("INTERNAL_SERVER_ERROR", "TIMEOUT"))
_BY_STATUS: Final = {
    401: UNAUTHORIZED,
    402: SHOP_INACTIVE,  # frozen
    403: ACCESS_DENIED,
    404: SHOP_INACTIVE,
    423: SHOP_INACTIVE,  # locked
}


class Exchange:
    """One connection pool for all shops, made in the loop that uses it."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    @property
    def http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = self._reach.client()
        return self._client

    async def ask(
        self,
        shop_domain: str,
        access_token: str,
        question: Question[AnswerT],
        variables: Mapping[str, Any],
        seconds: float,
    ) -> Outcome[AnswerT]:
        """Ask once; ``seconds`` is how long each part of it may take."""
        request = self.http.build_request(
            "POST",
            f"https://{shop_domain}{_PATH}",
            content=msgspec.json.encode({"query": question.text, "variables": variables}),
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "X-Shopify-Access-Token": access_token,
            },
            timeout=httpx.Timeout(seconds, connect=min(seconds, 3.0)),
        )
        try:
            response = await self.http.send(request, stream=True)
        except _NOT_SENT as error:
            return Unreached(type(error).__name__)
        except httpx.HTTPError as error:
            return Lost(type(error).__name__)
        try:
            body = await _body(response)
        except httpx.HTTPError as error:
            return Lost(type(error).__name__)
        finally:
            await response.aclose()
        if body is None:
            return Lost("an answer that is too large")
        return _understood(response, body, question)


async def _body(response: httpx.Response) -> bytes | None:
    """All of it, decompressed; None if that is more than anybody should send."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _understood(
    response: httpx.Response, body: bytes, question: Question[AnswerT]
) -> Outcome[AnswerT]:
    status = response.status_code
    if status == 429:
        return Throttled(None, _seconds(response.headers.get("retry-after", "")))
    if status in _BY_STATUS:
        return Refused(_BY_STATUS[status])
    if status != 200:
        # A 400 is said before anything is done; of the rest nobody knows.
        return Refused("BAD_REQUEST") if status == 400 else Lost(f"status {status}")
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Lost("something else")
    cost = None if said.extensions is None else said.extensions.cost
    if said.errors:
        return _failed(said.errors, _is_empty(said.data), cost)
    try:
        return Answered(msgspec.json.decode(said.data, type=question.answer), cost)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Lost("data of another shape")


def _failed(
    errors: list[_Error] | str, nothing: bool, cost: Cost | None
) -> Throttled | Refused | Lost:
    codes = {
        "" if each.extensions is None else each.extensions.code
        for each in (() if isinstance(errors, str) else errors)
    }
    if THROTTLED in codes:
        return Throttled(cost, None)
    if SHOP_INACTIVE in codes:
        return Refused(SHOP_INACTIVE)
    # An error beside data, or inside Shopify: some of it may have been done.
    if not nothing or codes & _INTERNAL:
        return Lost("an error of its own")
    if ACCESS_DENIED in codes:
        return Refused(ACCESS_DENIED)
    return Refused(next((each for each in sorted(codes) if each), "INVALID"))


def _is_empty(data: msgspec.Raw) -> bool:
    """Whether no part of what was asked has an answer: a mutation that was not begun is null."""
    try:
        parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw] | None)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return parts is None or all(bytes(part) == b"null" for part in parts.values())


def _seconds(retry_after: str) -> float | None:
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 3600 else None
