"""Plain ASGI for the busiest paths: building a request and a response object would cost more there
than everything that is done with them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send

from contracts.http import PROBLEM_JSON
from domain.errors import InvalidRequest, TooLarge

Header = tuple[bytes, bytes]

JSON: Final[Header] = (b"content-type", b"application/json")
PROBLEM: Final[Header] = (b"content-type", PROBLEM_JSON.encode())


def mounted(paths: Sequence[str], app: ASGIApp, otherwise: ASGIApp) -> ASGIApp:
    """Requests for what is below these paths go to ``app``, with the rest of the path; everything
    else goes where it would have gone."""
    prefixes = tuple(f"{path}/" for path in paths)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if "method" in scope and path.startswith(prefixes):  # a WebSocket has none
            below = next(prefix for prefix in prefixes if path.startswith(prefix))
            scope["path"] = path[len(below) - 1 :]
            await app(scope, receive, send)
        else:
            await otherwise(scope, receive, send)

    return route


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name, in small letters; of one that comes twice the last."""
    return dict(scope["headers"])


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be, InvalidRequest when the sender
    goes away."""
    announced = _announced(headers)
    if announced is not None and announced > most:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidRequest("The body is incomplete.")
        parts.append(message["body"])
        size += len(parts[-1])
        if size > most:
            raise TooLarge
        # granian says that a body is complete only when asked for more of it, which is another way
        # through its threads: a fifth of all that it takes for a small request.
        if size == announced or not message["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _announced(headers: Mapping[bytes, bytes]) -> int | None:
    """How long the body is; None for one in chunks, of which nobody knows."""
    if b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else None


async def answer(send: Send, status: int, headers: Sequence[Header], body: bytes) -> None:
    start: Any = {
        "type": "http.response.start",
        "status": status,
        "headers": [*headers, (b"content-length", b"%d" % len(body))],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
