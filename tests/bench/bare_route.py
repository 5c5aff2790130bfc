"""The floor of `bench balance`: a Litestar route that answers a constant, served by granian.

python -m tests.bench.bare_route PORT
"""

import sys
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, get


@get("/balance")
async def balance() -> dict[str, Any]:
    return {"spendable": 1, "pending": 2, "lifetime": 3, "spent": 4, "expired": 5}


async def serve(port: int) -> None:
    app = Litestar([balance], openapi_config=None, logging_config=None)
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    print("ready", flush=True)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
