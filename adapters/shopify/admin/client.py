"""Asking a shop's Admin API as often as is safe, within a deadline, no faster than it takes it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, NoReturn, TypeVar
from uuid import UUID

import msgspec

from adapters.shopify.admin.access import ShopAccess
from adapters.shopify.admin.circuits import Circuits
from adapters.shopify.admin.documents import Question, Repeat, UserError
from adapters.shopify.admin.errors import (
    AccessDenied,
    AnswerLost,
    Declined,
    Misunderstood,
    NotAsked,
)
from adapters.shopify.admin.exchange import (
    ACCESS_DENIED,
    SHOP_INACTIVE,
    UNAUTHORIZED,
    Answered,
    Cost,
    Exchange,
    Lost,
    Outcome,
    Refused,
    Throttled,
    Unreached,
)
from adapters.telemetry.metrics import SHOPIFY_CALLS, SHOPIFY_SECONDS
from adapters.telemetry.tracing import client_span
from contracts.installs import AccessLost, ShopifyAccess
from ports.shopify_limits import Lane, Level, ShopifyLimits

log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

WITHIN: Final = 10.0
"""Seconds for a question with all its repeats, where nobody says otherwise."""
_ONE_TRY: Final = 8.0
_FIRST_PAUSE: Final = 0.2
_MOST_PAUSE: Final = 5.0
_MOST_FAILURES: Final = 4


class _Means(NamedTuple):
    access: ShopAccess
    exchange: Exchange
    limits: ShopifyLimits
    circuits: Circuits
    part: Callable[[], float]


class AdminClient:
    """``part`` gives numbers from 0 to 1 that spread those who try again."""

    def __init__(
        self,
        access: ShopAccess,
        exchange: Exchange,
        limits: ShopifyLimits,
        part: Callable[[], float] = random.random,
    ) -> None:
        circuits = Circuits(time.monotonic, part)
        self._means = _Means(access, exchange, limits, circuits, part)

    async def close(self) -> None:
        await self._means.exchange.close()

    async def ask(
        self,
        merchant_id: UUID,
        question: Question[AnswerT],
        variables: Mapping[str, Any],
        *,
        lane: Lane = Lane.SOMEBODY_WAITS,
        within: float = WITHIN,
    ) -> AnswerT:
        """The answer, within so many seconds. Never from inside a transaction.

        Raises NotAsked when Shopify cannot be asked now and nothing was done, AnswerLost when it
        may have been done, AccessLost when the shop has taken our access away, AccessDenied when it
        has not granted what this needs, Misunderstood for a question that is none.
        """
        ends = time.monotonic() + within
        return await _Asking(self._means, merchant_id, question, variables, lane, ends).answer()


class _Asking(Generic[AnswerT]):
    """One question with its repeats, until ``ends``."""

    def __init__(
        self,
        means: _Means,
        merchant_id: UUID,
        question: Question[AnswerT],
        variables: Mapping[str, Any],
        lane: Lane,
        ends: float,
    ) -> None:
        self._means = means
        self._merchant_id = merchant_id
        self._question = question
        self._variables = variables
        self._lane = lane
        self._ends = ends
        self._failures = 0
        self._lost = False  # a try before this one may have been done

    async def answer(self) -> AnswerT:
        """Raises what ``AdminClient.ask`` does."""
        access = await self._access(0)
        is_renewed = False
        while True:
            match await self._try(access):
                case Answered(data=data):
                    return data
                case Refused(code=code) if code == UNAUTHORIZED and not is_renewed:
                    is_renewed = True
                    access = await self._access(access.version)
                case Refused(code=code):
                    self._refused(code)
                case Throttled(cost=cost, after=after):
                    await self._pause(_wait(cost, self._question) if after is None else after)
                case Unreached():
                    await self._again()
                case Lost():
                    self._lost = True
                    if self._question.repeat is Repeat.NEVER:
                        raise AnswerLost
                    await self._again()

    async def _access(self, refused_version: int) -> ShopifyAccess:
        try:
            async with asyncio.timeout(self._ends - time.monotonic()):
                return await self._means.access.of(
                    self._merchant_id, refused_version=refused_version
                )
        except TimeoutError:
            self._give_up()

    async def _try(self, access: ShopifyAccess) -> Outcome[AnswerT]:
        """Ask once, when there is room in the shop's bucket."""
        name, taken = self._question.name, float(self._question.cost)
        try:
            self._means.circuits.pass_one(self._merchant_id, _ONE_TRY)
        except NotAsked:
            self._give_up()
        while wait := await self._means.limits.take(self._merchant_id, taken, self._lane):
            await self._pause(wait)
        left = min(self._ends - time.monotonic(), _ONE_TRY)
        if left <= 0:
            self._give_up()
        began = time.monotonic()
        outcome: Outcome[AnswerT]
        try:
            with client_span(f"Shopify {name}", {}):
                async with asyncio.timeout(left):
                    outcome = await self._means.exchange.ask(
                        access.shop_domain,
                        access.access_token,
                        self._question,
                        self._variables,
                        left,
                    )
        except TimeoutError:
            outcome = Lost("nothing in time")
        SHOPIFY_SECONDS.labels(name).observe(time.monotonic() - began)
        SHOPIFY_CALLS.labels(name, type(outcome).__name__.lower()).inc()
        self._tell_circuits(outcome)
        await self._settle(outcome, taken)
        return outcome

    def _tell_circuits(self, outcome: Outcome[AnswerT]) -> None:
        if isinstance(outcome, Lost | Unreached):
            log.warning("Shopify: %s for %s", outcome.what, self._question.name)
            self._means.circuits.failed(self._merchant_id)
        else:
            self._means.circuits.answered(self._merchant_id)

    async def _settle(self, outcome: Outcome[AnswerT], taken: float) -> None:
        cost = outcome.cost if isinstance(outcome, Answered | Throttled) else None
        told = None if cost is None else cost.throttle_status
        level = None
        if told is not None:
            level = Level(told.currently_available, told.maximum_available, told.restore_rate)
        if isinstance(outcome, Answered):
            actual = None if cost is None else cost.actual_query_cost
            spent = taken if actual is None else actual
        else:
            spent = taken if isinstance(outcome, Lost) else 0.0
        await self._means.limits.settle(self._merchant_id, taken, spent, level)

    def _refused(self, code: str) -> NoReturn:
        match code:
            case _ if code == UNAUTHORIZED:
                raise AccessLost
            case _ if code == ACCESS_DENIED:
                raise AccessDenied
            case _ if code == SHOP_INACTIVE:
                self._give_up()
        log.error("Shopify does not understand %s: %s", self._question.name, code)
        raise Misunderstood(self._question.name)

    async def _again(self) -> None:
        """Wait before the next try, longer each time. Raises when it is not worth it."""
        self._failures += 1
        if self._failures == _MOST_FAILURES:
            self._give_up()
        most = min(_MOST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        await self._pause(most * (0.5 + self._means.part() / 2))

    async def _pause(self, seconds: float) -> None:
        if time.monotonic() + seconds >= self._ends:
            self._give_up()
        await asyncio.sleep(seconds)

    def _give_up(self) -> NoReturn:
        raise AnswerLost if self._lost else NotAsked


def _wait(cost: Cost | None, question: Question[Any]) -> float:
    """Until the shop's bucket holds what the question costs."""
    if cost is None or cost.throttle_status is None or cost.throttle_status.restore_rate <= 0:
        return 1.0
    bucket = cost.throttle_status
    needed = cost.requested_query_cost or question.cost
    return max(0.05, (needed - bucket.currently_available) / bucket.restore_rate)


def done(errors: list[UserError]) -> None:
    """Raises Declined where a mutation was not done."""
    if errors:
        raise Declined(
            [each.code or "" for each in errors], ["/".join(each.field or ()) for each in errors]
        )
