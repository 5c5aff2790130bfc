"""Reading bodies: no further than they go, and no more than is wanted."""

from typing import Any

import pytest
from litestar.types import Receive

from adapters.http.asgi import read_body
from domain.errors import InvalidRequest, LoyaltyError, TooLarge

MOST = 10


class Server:
    """Has these pieces of a body and says after the last, when asked again, that it was the last,
    as granian does."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = list(pieces)
        self.asked = 0

    async def receive(self) -> Any:
        self.asked += 1
        more = bool(self._left)
        piece = self._left.pop(0) if more else b""
        return {"type": "http.request", "body": piece, "more_body": more}


async def gone() -> Any:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("headers", "pieces", "body", "asked"),
    [
        ({b"content-length": b"4"}, [b"body"], b"body", 1),
        ({b"content-length": b"4"}, [b"b", b"od", b"y"], b"body", 3),
        ({b"content-length": b"0"}, [], b"", 1),
        ({}, [], b"", 1),
        ({b"transfer-encoding": b"chunked"}, [b"bo", b"dy"], b"body", 3),
        # Chunks count, whatever is said of their length.
        ({b"transfer-encoding": b"chunked", b"content-length": b"2"}, [b"bo", b"dy"], b"body", 3),
    ],
)
async def test_a_body_is_read_to_its_end(headers, pieces, body, asked) -> None:
    server = Server(*pieces)
    assert await read_body(server.receive, headers, MOST) == body
    assert server.asked == asked


@pytest.mark.parametrize(
    ("headers", "receive", "refusal"),
    [
        ({b"content-length": b"11"}, gone, TooLarge),
        ({b"transfer-encoding": b"chunked"}, Server(b"x" * 6, b"x" * 6).receive, TooLarge),
        ({b"content-length": b"4"}, gone, InvalidRequest),
    ],
)
async def test_what_is_too_much_or_not_all_of_it_is_refused(
    headers: dict[bytes, bytes], receive: Receive, refusal: type[LoyaltyError]
) -> None:
    with pytest.raises(refusal):
        await read_body(receive, headers, MOST)
