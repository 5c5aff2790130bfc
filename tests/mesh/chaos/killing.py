"""Kills servers and services with SIGKILL while orders flow, and starts each again."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from services import SERVICES
from tests.rig.load import Sent, Shop
from tests.rig.quiet import Watch
from tests.rig.shop import LoadProcess
from tests.rig.spenders import Spenders, settings_of, shopify_port, with_spenders
from tests.rig.stack import Layout, Stack, Worker
from tests.rig.truth import Verdict, compare

SERVERS: Final = ("nats", "postgres", "valkey")
EACH_ALONE: Final[Layout] = tuple((name,) for name in SERVICES)
RATE: Final = 150.0
"""Deliveries per second; on two cores, processes that start again and again take the rest."""

_ORDERS_PER_DELIVERY: Final = 0.5  # creations, payments, refunds, repeats: more than two each
_PATIENCE: Final = 300.0
_QUIET_WITHIN: Final = 180.0


class Outcome(msgspec.Struct, kw_only=True):
    """What was killed how often, what was accepted, and whether all of it is right."""

    kills: dict[str, int]
    sent: Sent
    lost: int
    doubled: int
    wrong: list[str]
    dead_letters: int
    quiet_after: float
    verdict: str
    spent: str
    redeemed: int

    @property
    def right(self) -> bool:
        sent = self.sent
        return not (self.lost or self.doubled or self.wrong or self.dead_letters or sent.given_up)


class Chaos:
    """``victims`` are killed in a random order, all of them before any of them again."""

    def __init__(
        self,
        victims: Sequence[str] = (*SERVICES, *SERVERS),
        *,
        layout: Layout = EACH_ALONE,
        rate: float = RATE,
        pause: float = 1.0,
        seed: int = 1,
        say: object = print,
    ) -> None:
        self._victims = tuple(victims)
        self._layout = layout
        self._rate = rate
        self._pause = pause
        self._random = Random(seed)
        self._say = say if callable(say) else print
        self.kills: Counter[str] = Counter()

    async def run(self, seconds: float = 0, rounds: int = 0) -> Outcome:
        """For so long, or so many rounds over all victims, whichever is more."""
        shopify = shopify_port()
        async with Stack(self._layout, settings=settings_of(shopify)) as stack:
            orders = int(self._rate * (seconds + 60 * rounds) * _ORDERS_PER_DELIVERY)
            shop = Shop(
                port=stack.http_port,
                secret=stack.secret,
                run=f"chaos {time.time_ns()}",
                orders=orders,
                customers=max(orders // 8, 50),
            )
            async with (
                Spenders(stack, shopify) as spenders,
                LoadProcess(shop) as load,
                Watch(stack) as watch,
            ):
                return await self._run(stack, load, spenders, watch, seconds, rounds)

    async def _run(
        self,
        stack: Stack,
        load: LoadProcess,
        spenders: Spenders,
        watch: Watch,
        seconds: float,
        rounds: int,
    ) -> Outcome:
        until = time.monotonic() + seconds
        # The shop is told to stop; it does not know beforehand how long the killing takes.
        sending = asyncio.create_task(load.send(0, self._rate, patience=_PATIENCE))
        spending = asyncio.create_task(spenders.spend())
        try:
            done = 0
            while not sending.done() and (done < rounds or time.monotonic() < until):
                await self._round(stack, until if done >= rounds else None)
                done += 1
            load.enough()
            spenders.enough()
            sent = await sending
            await spending
        finally:
            sending.cancel()
            spending.cancel()
        ended = time.monotonic()
        await watch.until_quiet(_QUIET_WITHIN)
        await spenders.until_settled()
        quiet_at = await watch.until_quiet(_QUIET_WITHIN)
        verdict = await compare(stack, with_spenders(await load.truth(), spenders))
        verdict.wrong += await spenders.faults()
        verdict.checked.append("redemptions")
        return self._outcome(sent, spenders, verdict, quiet_at - ended, await watch.dead_letters())

    async def _round(self, stack: Stack, until: float | None) -> None:
        workers = {name: each for each in stack.workers.values() for name in each.services}
        victims = [name for name in self._victims if name in workers or name in SERVERS]
        self._random.shuffle(victims)
        for name in victims:
            if until is not None and time.monotonic() > until:
                return
            await asyncio.sleep(self._pause * (0.5 + self._random.random()))
            await self._kill(stack, name, workers.get(name))

    async def _kill(self, stack: Stack, name: str, worker: Worker | None) -> None:
        self.kills[name] += 1
        if worker is not None:
            await worker.child.kill()
            await asyncio.sleep(self._random.random() * self._pause / 2)
            await worker.start()
        else:
            await stack.servers.kill(name)
            await asyncio.sleep(self._random.random() * self._pause)
            await stack.servers.start(name)
        # Not dead twice: what never comes up again would hide behind the next kill.
        await stack.until_ready()
        self._say(f"killed {name}, all ready again")

    def _outcome(
        self,
        sent: Sent,
        spenders: Spenders,
        verdict: Verdict,
        quiet_after: float,
        dead_letters: int,
    ) -> Outcome:
        return Outcome(
            kills=dict(sorted(self.kills.items())),
            sent=sent,
            lost=verdict.lost,
            doubled=verdict.doubled,
            wrong=verdict.wrong,
            dead_letters=dead_letters,
            quiet_after=quiet_after,
            verdict=str(verdict),
            spent=str(spenders.spent),
            redeemed=len(spenders.spent.bought),
        )
