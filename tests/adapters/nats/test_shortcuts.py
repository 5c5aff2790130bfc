"""The shorter ways through the client do what its long ways do."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from adapters.nats.connection import QuickClient, connect
from infra.embedded.servers import Servers
from tests.conftest import eventually


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[QuickClient]:
    connected = await connect(servers.environment()["LOYALNEST_NATS_URL"], "test")
    yield connected
    await connected.close()


async def test_a_message_handed_over_is_the_one_a_callback_gets(client: QuickClient) -> None:
    subject = f"handed.{uuid4()}"
    short: list[Msg] = []
    long: list[Msg] = []

    async def callback(message: Msg) -> None:
        long.append(message)

    subscription = await client.hand_over(subject, short.append)
    await client.subscribe(subject, cb=callback)
    await client.publish(subject, b"one", reply="r", headers={"A": "1", "B": "caf\u00e9"})
    await client.publish(subject, b"", headers={"C": ""})
    await client.publish(subject, b"three")

    async def heard() -> int:
        return len(long)

    await eventually(heard, lambda n: n == 3)
    assert [(m.subject, m.reply, m.data, m.headers or {}) for m in short] == [
        (m.subject, m.reply, m.data, m.headers or {}) for m in long
    ]
    await subscription.unsubscribe()
    await client.publish(subject, b"after")
    await eventually(heard, lambda n: n == 4)
    assert len(short) == 3


async def test_a_status_is_read_as_one(client: QuickClient) -> None:
    seen: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    await client.hand_over(inbox, seen.put_nowait)
    await client.publish(f"nobody.{uuid4()}", b"", reply=inbox)
    message = await asyncio.wait_for(seen.get(), 2)
    assert message.headers is not None
    assert message.headers["Status"] == "503"
    assert message.data == b""


async def test_many_are_acknowledged_with_one_write(client: QuickClient) -> None:
    js = client.jetstream()
    name = f"SHORT{uuid4().hex}"
    await js.add_stream(StreamConfig(name=name, subjects=[f"{name}.>"]))
    await js.add_consumer(
        name, ConsumerConfig(durable_name="c", ack_policy=AckPolicy.EXPLICIT, ack_wait=30)
    )
    for number in range(300):
        await js.publish(f"{name}.x", str(number).encode())
    subscription = await js.pull_subscribe_bind(durable="c", stream=name)
    messages = await subscription.fetch(300)
    await client.acknowledge(messages[:299])

    async def open_ones() -> int:
        return (await js.consumer_info(name, "c")).num_ack_pending or 0

    assert await eventually(open_ones, lambda n: n == 1) == 1
    await client.acknowledge(messages[299:])
    assert await eventually(open_ones, lambda n: n == 0) == 0
    await js.delete_stream(name)
