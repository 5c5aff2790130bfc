"""The load process as a benchmark sees it: start it, command it, end it."""

import signal
import sys
from typing import TypeVar

import msgspec

from tests.rig.load import Expected, Send, Sent, Shop, Truth
from tests.rig.own import OwnProcess

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

ORDERS_ONLY = ("customers/create", "orders/create", "orders/cancelled", "refunds/create")
"""An order is told of once, and again only where something happened to it."""


class LoadProcess(OwnProcess):
    """``async with LoadProcess(shop) as load: await load.send(seconds=5)``."""

    def __init__(self, shop: Shop) -> None:
        words = msgspec.json.encode(shop).decode()
        super().__init__([sys.executable, "-m", "tests.rig.load", words])

    async def signups(self) -> Sent:
        return await self._do(Send(signups=True), Sent)

    async def send(
        self, seconds: float, rate: float = 0, connections: int = 64, patience: float = 60
    ) -> Sent:
        command = Send(seconds=seconds, rate=rate, connections=connections, patience=patience)
        return await self._do(command, Sent)

    def enough(self) -> None:
        """Ends a ``send`` of no fixed length, once it has begun."""
        self.process.send_signal(signal.SIGUSR1)

    async def truth(self) -> Expected:
        return await self._do(Truth(), Expected)

    async def _do(self, command: msgspec.Struct, answer: type[AnswerT]) -> AnswerT:
        self.say(msgspec.json.encode(command))
        return msgspec.json.decode(await self.heard(), type=answer)
