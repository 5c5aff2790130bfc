"""The sender, against a small edge of its own that checks signatures and misbehaves on request."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import uvloop

from adapters.shopify.signatures import is_webhook_signature
from infra.demo_shop.main import main
from infra.demo_shop.request import Target, prepare
from infra.demo_shop.sender import Sender
from infra.demo_shop.settings import NotConfigured, target_of
from infra.demo_shop.stream import Plan, deliveries

SECRET = "hush"
STREAM = deliveries(
    Plan(3, "sender", 60, 20, datetime(2026, 11, 20, tzinfo=UTC), timedelta(days=7))
)


class Edge:
    """Answers 200 to a right signature and 401 to a wrong one, unless ``mood`` says otherwise: a
    status to answer, or None to hang up."""

    def __init__(self) -> None:
        self.mood: Callable[[int], int | None] = lambda _: 200
        self.heard = 0
        self.took: Counter[str] = Counter()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                assert first == f"POST /webhooks/{headers['x-shopify-topic']} HTTP/1.1"
                self.heard += 1
                status = self.mood(self.heard)
                if status is None:
                    return
                genuine = is_webhook_signature(
                    body, headers["x-shopify-hmac-sha256"], [SECRET.encode()]
                )
                if status == 200 and not genuine:
                    status = 401
                if status == 200:
                    self.took[headers["x-shopify-webhook-id"]] += 1
                # In two parts, as a network may deliver it.
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Le".encode())
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(b"ngth: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    edge = Edge()
    server = await asyncio.start_server(edge.serve, "127.0.0.1", 0)
    edge.port = server.sockets[0].getsockname()[1]
    yield edge
    server.close()


async def test_all_arrive_signed_and_repeats_are_counted(edge: Edge):
    target = Target(edge.port, SECRET)
    heard: list[str] = []
    sender = Sender(target, on_accepted=lambda delivery, _: heard.append(delivery.webhook_id))
    report = await sender.send(prepare(STREAM, target))
    assert Counter(heard) == edge.took == Counter(each.webhook_id for each in STREAM)
    assert sorted(report.accepted) == sorted(STREAM)
    assert report.duplicates == len(STREAM) - len({each.webhook_id for each in STREAM}) > 0
    assert not report.refused
    assert not report.given_up
    assert 0 < report.latency(0.5) <= report.latency(0.99)


def test_it_runs_on_uvloop_too():
    async def sending() -> int:
        edge = Edge()
        server = await asyncio.start_server(edge.serve, "127.0.0.1", 0)
        target = Target(server.sockets[0].getsockname()[1], SECRET)
        report = await Sender(target, patience=1).send(prepare(STREAM, target))
        server.close()
        return len(report.accepted)

    assert uvloop.run(sending()) == len(STREAM)


async def test_a_busy_edge_and_lost_connections_are_tried_again(edge: Edge):
    edge.mood = lambda n: {0: 503, 1: None}.get(n % 7, 200)
    target = Target(edge.port, SECRET)
    report = await Sender(target, connections=4).send(prepare(STREAM, target))
    assert sorted(report.accepted) == sorted(STREAM)
    assert report.retries > 0


async def test_a_wrong_signature_is_refused_for_good(edge: Edge):
    target = Target(edge.port, "wrong")
    report = await Sender(target).send(prepare(STREAM[:5], target))
    assert report.refused == {401: 5}
    assert report.accepted == []
    assert report.retries == 0


async def test_an_edge_that_stays_busy_is_given_up(edge: Edge):
    edge.mood = lambda _: 503
    target = Target(edge.port, SECRET)
    report = await Sender(target, patience=0.2).send(prepare(STREAM[:5], target))
    assert sorted(report.given_up) == sorted(STREAM[:5])


async def test_an_edge_that_is_not_there_is_given_up():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        target = Target(taken.getsockname()[1], SECRET)
        report = await Sender(target, patience=0.2).send(prepare(STREAM[:5], target))
    assert sorted(report.given_up) == sorted(STREAM[:5])


async def test_the_rate_is_kept(edge: Edge):
    target = Target(edge.port, SECRET)
    report = await Sender(target, rate=200).send(prepare(STREAM[:60], target))
    # The first goes at once, the last 59 intervals later; only sending too fast is an error.
    assert report.seconds >= 59 / 200


async def test_nothing_to_send_is_done_at_once(edge: Edge):
    report = await Sender(Target(edge.port, SECRET)).send([])
    assert report.accepted == []


async def test_the_command_says_how_it_went(edge: Edge, capsys: pytest.CaptureFixture[str]):
    environment = {
        "LOYALNEST_HTTP_PORT": str(edge.port),
        "LOYALNEST_SHOPIFY_CLIENT_SECRET": SECRET,
    }
    arguments = ["--rate", "0", "--orders", "20", "--run", "x"]
    assert await asyncio.to_thread(main, arguments, environment) == 0
    assert "deliveries accepted in" in capsys.readouterr().out
    wrong = environment | {"LOYALNEST_SHOPIFY_CLIENT_SECRET": "wrong"}
    assert await asyncio.to_thread(main, arguments, wrong) == 1
    assert "× 401" in capsys.readouterr().out


def test_missing_settings_are_named_in_one_line(capsys: pytest.CaptureFixture[str]):
    assert main(["--orders", "1"], {}) == 2
    error = capsys.readouterr().err
    assert "LOYALNEST_SHOPIFY_CLIENT_SECRET" in error
    assert error.count("\n") == 1
    for port in ("x", "0", "70000"):
        with pytest.raises(NotConfigured, match="LOYALNEST_HTTP_PORT"):
            target_of({"LOYALNEST_HTTP_PORT": port, "LOYALNEST_SHOPIFY_CLIENT_SECRET": "s"})
