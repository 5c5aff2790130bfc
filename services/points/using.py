"""Orders that carry a code which a member got for points: it is used, and maybe comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.shop import Order
from domain.points import redemption as steps
from domain.points.codes import maybe_ours
from domain.points.redemption import Redemption
from ports.digests import Digests
from ports.events import Received
from ports.ledger import NewEntry, OrderKey, OrderState
from ports.rewards import CodeKey, Redeeming, RewardKey, Rewards
from ports.unit import Unit
from services.points.issuing import keep


@dataclass(slots=True)
class Settled:
    """What is owed for codes: entries to be posted, each with what led to it."""

    _rewards: Rewards
    entries: list[tuple[NewEntry, Received[Any]]] = field(default_factory=list)
    stock: list[RewardKey] = field(default_factory=list)

    async def finish(self) -> None:
        """Once the entries are posted: rewards are locked after wallets."""
        for key in sorted(self.stock):
            await self._rewards.give_stock_back(key)


class Codes:
    """Recognises codes of ours by their ``digests``."""

    def __init__(self, digests: Digests) -> None:
        self._digests = digests

    async def settle(
        self,
        unit: Unit[Redeeming],
        events: Sequence[Received[Any]],
        states: Mapping[OrderKey, OrderState],
    ) -> Settled:
        """Mark codes used that these orders carry, and give back what was paid for those whose
        order went back whole. The orders are held, the wallets not yet; the entries are for the
        caller to post. Costs nothing for orders without codes of ours and without refunds."""
        carried = self._carried(events)
        back = {
            key: state
            for key, state in states.items()
            if state.refunds or (state.facts is not None and state.facts.cancelled)
        }
        settled = Settled(unit.stores)
        if not carried and not back:
            return settled
        causes = {
            OrderKey(event.merchant_id, event.body.order_id): event
            for event in events
            if hasattr(event.body, "order_id")
        }
        changed: list[Redemption] = []
        for before in await unit.stores.lock_used(carried.keys(), back.keys()):
            now = before
            order = carried.get(CodeKey(before.merchant_id, before.code_digest))
            if order is not None:
                now = self._step(
                    unit, now, steps.use(now, order.order_id, unit.new_id()), causes[order], settled
                )
            used_by = OrderKey(now.merchant_id, now.order_id)
            state = states.get(used_by)
            if state is not None and state.facts and steps.went_back(state.facts, state.refunds):
                moved = steps.give_back(now, now.order_id, unit.now())
                now = self._step(unit, now, moved, causes[used_by], settled)
            if now is not before:
                changed.append(now)
        await unit.stores.save_redemptions(changed)
        return settled

    def _carried(self, events: Sequence[Received[Any]]) -> dict[CodeKey, OrderKey]:
        """The orders that carry codes which may be ours."""
        carried: dict[CodeKey, OrderKey] = {}
        for event in events:
            if not isinstance(event.body, Order):
                continue
            for code in filter(None, map(maybe_ours, event.body.discount_codes)):
                for digest in self._digests.any_of(code):
                    order = OrderKey(event.merchant_id, event.body.order_id)
                    carried[CodeKey(event.merchant_id, digest)] = order
        return carried

    @staticmethod
    def _step(
        unit: Unit[Redeeming],
        before: Redemption,
        moved: steps.Moved | None,
        cause: Received[Any],
        settled: Settled,
    ) -> Redemption:
        if moved is None:
            return before
        settled.entries += [(each, cause) for each in keep(unit, before, moved, cause)]
        if moved.stock_back:
            settled.stock.append(RewardKey(before.merchant_id, before.reward_id))
        return moved.redemption
