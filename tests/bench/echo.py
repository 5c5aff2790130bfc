"""What `bench rpc` calls: a mesh operation that does nothing, and the same on bare nats-py.

python -m tests.bench.echo
"""

import asyncio
import os

import msgspec
import nats
import uvloop
from nats.aio.msg import Msg

from adapters.nats.connection import connect
from adapters.nats.server import RpcServer
from adapters.runtime.service import answers
from contracts.caller import Caller
from contracts.kit import INTERNAL, Operation, Request, Response
from tests.keys import vouching_of

BARE = "bench.bare"


class Ping(Request, frozen=True, kw_only=True):
    number: int


class Pong(Response, frozen=True, kw_only=True):
    number: int


PING = Operation(
    "bench.v1.Ping", Ping, Pong, permission=INTERNAL, summary="The number that was sent."
)


async def serve() -> None:
    url = os.environ["LOYALNEST_NATS_URL"]

    async def pong(_: Caller, request: Ping) -> Pong:
        return Pong(number=request.number)

    async def bare(message: Msg) -> None:
        request = msgspec.json.decode(message.data, type=Ping)
        await message.respond(msgspec.json.encode(Pong(number=request.number)))

    vouching = vouching_of(os.environ)
    await RpcServer(await connect(url, "echo"), "bench", [answers(PING, pong)], vouching).start()
    client = await nats.connect(url)
    await client.subscribe(BARE, queue="bench", cb=bare)
    await client.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
