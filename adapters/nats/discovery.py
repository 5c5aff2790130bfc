"""Service discovery by the NATS micro protocol: ``$SRV.PING``, ``INFO``, ``STATS``."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.nats.server import RpcServer

VERSION: Final = "1.0.0"
_TYPE: Final = "io.nats.micro.v1."


class Discovery:
    """Answers for one service in this process; ``nats micro ls`` shows it."""

    def __init__(
        self, client: Client, service: str, instance: str, started: datetime, server: RpcServer
    ) -> None:
        self._client = client
        self._service = service
        self._instance = instance
        self._started = started
        self._server = server
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        for verb, answer in (("PING", self._ping), ("INFO", self._info), ("STATS", self._stats)):
            for subject in (
                f"$SRV.{verb}",
                f"$SRV.{verb}.{self._service}",
                f"$SRV.{verb}.{self._service}.{self._instance}",
            ):
                self._subscriptions.append(
                    await self._client.subscribe(subject, cb=self._responder(answer))
                )

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            await subscription.unsubscribe()

    def _responder(
        self, answer: Callable[[], dict[str, object]]
    ) -> Callable[[Msg], Awaitable[None]]:
        async def respond(message: Msg) -> None:
            if message.reply:
                await self._client.publish(message.reply, msgspec.json.encode(answer()))

        return respond

    def _identity(self, kind: str) -> dict[str, object]:
        return {
            "type": f"{_TYPE}{kind}_response",
            "name": self._service,
            "id": self._instance,
            "version": VERSION,
            "metadata": {},
        }

    def _ping(self) -> dict[str, object]:
        return self._identity("ping")

    def _info(self) -> dict[str, object]:
        endpoints = [
            {"name": name, "subject": f"rpc.{name}", "queue_group": self._service, "metadata": {}}
            for name in self._server.stats
        ]
        return self._identity("info") | {"description": self._service, "endpoints": endpoints}

    def _stats(self) -> dict[str, object]:
        endpoints = [
            {
                "name": name,
                "subject": f"rpc.{name}",
                "queue_group": self._service,
                "num_requests": stats.requests,
                "num_errors": stats.errors,
                "last_error": "",
                "processing_time": stats.processing_ns,
                "average_processing_time": stats.processing_ns // max(stats.requests, 1),
            }
            for name, stats in self._server.stats.items()
        ]
        return self._identity("stats") | {
            "started": self._started.isoformat(),
            "endpoints": endpoints,
        }
