"""The quicker reading of headers reads what the library reads, and the library still asks it."""

import pytest
from nats.aio.client import Client

from adapters.nats.connection import QuickClient


@pytest.mark.parametrize(
    "raw",
    [
        b"Nats-Msg-Id: demo.myshopify.com:0b3c\r\nLN-At: 2026-11-20T13:00:00+00:00\r\n\r\n",
        b"Empty:\r\nTabbed:\t1\r\nColons: a:b:c\r\n\r\n",
        b"no colon here\r\nA: 1\r\n\r\n",
        "Name: caf\u00e9\r\nB: 2\r\n\r\n".encode(),
        b"Broken: \xff\r\n\r\n",
        b"\r\n",
    ],
)
def test_headers_read_the_same(raw: bytes) -> None:
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


async def test_the_library_reads_headers_by_the_method_we_replace() -> None:
    client = QuickClient()
    found = await client._process_headers(b"NATS/1.0\r\nA: 1\r\nB: two\r\n\r\n")
    assert found == {"A": "1", "B": "two"}
    assert "_parse_header_lines" in Client._process_headers.__code__.co_names
