"""Getting redemptions issued and withdrawn at Shopify: after the commit, again until it is known.

What is going to be asked is written down before, and what came of it after; Shopify is asked in
between, in no transaction. Whoever dies on the way leaves a redemption whose time comes again, and
a repeat of the question gets the same answer.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from contracts import rewards as said
from contracts.installs import AccessLost
from contracts.kit import Event
from domain.errors import LoyaltyError
from domain.points import redemption as steps
from domain.points.benefits import name_of
from domain.points.ledger import EntryKind
from domain.points.redemption import Moved, Redemption, RedemptionState
from ports.events import Received
from ports.issuing import IssueRefused, Issuing, NotReached, Purchase
from ports.ledger import NewEntry, WalletKey
from ports.rewards import Redeeming, RedemptionKey, RewardKey
from ports.sealing import REWARD_CODE, CannotOpen, Sealer, ShopKeys
from ports.tenancy import within
from ports.unit import Unit, Units
from services.points.posting import post

log = logging.getLogger(__name__)

FIRST_TRY: Final = 2.5
"""Seconds that whoever redeems waits for Shopify."""
LONGEST_TRY: Final = 20.0
LEASE: Final = timedelta(seconds=60)
"""Longer than a try, so that two do not try at once; should they, the answers are the same."""
_AT_ONCE: Final = 50
_TOGETHER: Final = 8

_Step = Callable[[Redemption, datetime], Moved | None]

_EVENTS: Final[Mapping[RedemptionState, Event[said.RedemptionChanged]]] = {
    RedemptionState.COMPLETED: said.COMPLETED,
    RedemptionState.RELEASED: said.RELEASED,
    RedemptionState.IN_DOUBT: said.IN_DOUBT,
    RedemptionState.CANCELLED: said.CANCELLED,
    RedemptionState.EXPIRED: said.EXPIRED,
    RedemptionState.USED: said.USED,
    RedemptionState.RETURNED: said.RETURNED,
}


def keep(
    unit: Unit[Redeeming], before: Redemption, moved: Moved, cause: Received[Any] | None = None
) -> list[NewEntry]:
    """Say what has become of a redemption; returns the entries that it is owed."""
    after = moved.redemption
    event = _EVENTS.get(after.state)
    if event is not None and after.state is not before.state:
        body = said.RedemptionChanged(
            redemption_id=after.redemption_id,
            customer_id=after.customer_id,
            reward_id=after.reward_id,
            title=after.title,
            benefit=name_of(after.benefit),
            points=after.points,
            state=after.state,
            ends_at=after.ends_at,
            order_id=after.order_id,
            occurred_at=unit.now(),
        )
        unit.emit(event, body, after.merchant_id, cause=cause)
    wallet = WalletKey(after.merchant_id, after.customer_id)
    return [
        NewEntry(
            after.paid_by if draft.kind is EntryKind.REDEEM else unit.new_id(),
            wallet,
            draft,
            unit.now(),
        )
        for draft in moved.entries
    ]


async def carry_out(unit: Unit[Redeeming], before: Redemption, moved: Moved) -> None:
    """Store what a redemption that is held has become, with all that follows from it."""
    after = moved.redemption
    await unit.stores.save_redemptions([after])
    await post(unit, keep(unit, before, moved))
    if moved.stock_back:
        await unit.stores.give_stock_back(RewardKey(after.merchant_id, after.reward_id))


class Fulfilment:
    """Brings redemptions further, one step at a time."""

    def __init__(
        self,
        units: Units[Redeeming],
        across: Units[Redeeming],
        issuing: Issuing,
        keys: ShopKeys,
        sealer: Sealer,
    ) -> None:
        self._units = units
        self._across = across
        self._issuing = issuing
        self._keys = keys
        self._sealer = sealer

    async def run(self) -> None:
        """Do what is due in any shop."""
        room = asyncio.Semaphore(_TOGETHER)

        async def one(key: RedemptionKey) -> None:
            async with room:
                with within([key.merchant_id]):
                    try:
                        await self.work(key, LONGEST_TRY)
                    except Exception:
                        # Its time comes again; the others must not wait for it.
                        log.exception("redemption %s was not brought further", key.redemption_id)

        while True:
            async with self._across() as unit:
                now = unit.now()
                due = await unit.stores.take_due(now, now + LEASE, _AT_ONCE)
            await asyncio.gather(*map(one, due))
            if len(due) < _AT_ONCE:
                return

    async def begin(self, asked: Redemption) -> Redemption:
        """The first try, by whoever has just written down that Shopify is asked, and waits for it;
        later ones are for the loop. Answers what the redemption is then."""
        try:
            return await self._ask(asked, FIRST_TRY, first=True) or asked
        except LoyaltyError:  # it is written down, and tried again
            return asked

    async def try_now(self, key: RedemptionKey) -> None:
        """The first try of what came later, such as taking it back, by whoever waits for it."""
        async with self._units() as unit:
            found = await unit.stores.redemption(key)
        if found is not None and found.tries == 0 and found.state in _BEGUN:
            with suppress(LoyaltyError):  # it is written down, and tried again
                await self.work(key, FIRST_TRY)

    async def work(self, key: RedemptionKey, seconds: float) -> None:
        """Bring a redemption one step further, taking so long at most to ask Shopify."""
        async with self._units() as unit:
            found = await unit.stores.lock_redemption(key)
            if found is None:
                return
            first = found.state is RedemptionState.RESERVED
            now = unit.now()
            moved = steps.run_out(found, now) or steps.ask(found, now, LEASE)
            if moved is not None:
                await carry_out(unit, found, moved)
                found = moved.redemption
        await self._ask(found, seconds, first=first)

    async def _ask(self, found: Redemption, seconds: float, *, first: bool) -> Redemption | None:
        """Ask Shopify, and save what follows; what the redemption is then, if there was anything to
        ask."""
        step = await self._asked(found, seconds, first=first)
        if step is None:
            return None
        async with self._units() as unit:
            key = RedemptionKey(found.merchant_id, found.redemption_id)
            held = await unit.stores.lock_redemption(key)
            moved = None if held is None else step(held, unit.now())
            if held is not None and moved is not None:
                await carry_out(unit, held, moved)
                held = moved.redemption
        return held

    async def _asked(self, found: Redemption, seconds: float, *, first: bool) -> _Step | None:
        """What follows from Shopify's answer; None where there was nothing to ask. ``first``: of
        every try before it is known that nothing was done."""
        merchant_id, issuing = found.merchant_id, self._issuing
        try:
            async with asyncio.timeout(seconds):
                if found.state is RedemptionState.ISSUING:
                    purchase = await self._purchase(found)
                    external_id = await issuing.issue(merchant_id, purchase)
                    return partial(_completed, external_id)
                if found.due_at is None or not found.external_id or found.state in _STAYS:
                    return None
                worthless = await issuing.withdraw(merchant_id, found.benefit, found.external_id)
                return partial(_withdrawn, worthless)
        except IssueRefused as refusal:
            return partial(_refused, refusal.reason)
        except (NotReached, AccessLost) as error:
            log.warning("redemption %s: %s", found.redemption_id, type(error).__name__)
            return partial(_not_reached, found.tries if first else None)
        except (LoyaltyError, TimeoutError) as error:
            log.warning("redemption %s: %s", found.redemption_id, type(error).__name__)
        except CannotOpen:
            log.error("the code of redemption %s cannot be opened", found.redemption_id)  # noqa: TRY400 - says all there is
        return steps.try_later

    async def _purchase(self, found: Redemption) -> Purchase:
        return Purchase(
            redemption_id=found.redemption_id,
            shopify_customer_id=found.shopify_customer_id,
            benefit=found.benefit,
            title=found.title,
            starts_at=found.created_at,
            ends_at=found.ends_at,
            code=await self.code(found),
        )

    async def code(self, found: Redemption) -> str:
        """Asks auth for keys that are not at hand: not from inside a transaction. Raises CannotOpen
        and what ``ShopKeys.of`` does."""
        if not found.sealed_code:
            return ""
        key = await self._keys.of(found.merchant_id, [found.sealed_code])
        about = str(found.redemption_id)
        return self._sealer.open(key, found.sealed_code, REWARD_CODE, about).decode()


_BEGUN: Final = frozenset(
    (RedemptionState.RESERVED, RedemptionState.ISSUING, RedemptionState.WITHDRAWING)
)
_STAYS: Final = frozenset(
    (RedemptionState.RESERVED, RedemptionState.IN_DOUBT, RedemptionState.COMPLETED)
)


def _completed(external_id: str, held: Redemption, now: datetime) -> Moved | None:
    return steps.complete(held, external_id, now)


def _refused(reason: str, held: Redemption, _now: datetime) -> Moved | None:
    return steps.refuse(held, reason)


def _not_reached(tries: int | None, held: Redemption, now: datetime) -> Moved | None:
    """``tries`` is how often it had been tried with this one, if none before had an unknown end.
    Somebody who has tried since may have been heard."""
    return steps.not_reached(held, now, first=held.tries == tries)


def _withdrawn(worthless: bool, held: Redemption, _now: datetime) -> Moved | None:
    return steps.withdrawn(held, worthless=worthless)


async def count_doubts(units: Units[Redeeming], tell: Callable[[float], None]) -> None:
    """Tell how many redemptions wait for staff."""
    async with units() as unit:
        tell(await unit.stores.count_in_doubt())
