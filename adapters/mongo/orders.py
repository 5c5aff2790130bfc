"""Orders of the ledger on MongoDB: their facts, their refunds, and what they have led to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.mongo.collections import ENTRIES, ORDERS
from adapters.mongo.ledger_documents import order_document, read_entry, read_order
from adapters.mongo.locks import ORDER, LockName
from adapters.mongo.transaction import Transaction, in_shops
from domain.points.ledger import EntryDraft
from domain.points.orders import OrderFacts, RefundFacts
from ports.ledger import NewEntry, OrderKey, OrderState

_OLDEST_FIRST: Final = (("_id", 1),)


class MongoOrders:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._orders: dict[OrderKey, OrderState] = {}

    async def lock_orders(self, keys: Iterable[OrderKey]) -> Mapping[OrderKey, OrderState]:
        asked = set(keys)
        new = asked - self._orders.keys()
        if new:
            await self._transaction.lock(LockName(ORDER, *key) for key in new)
            self._orders |= await self._read_orders(new)
        return {key: self._orders[key] for key in sorted(asked)}

    async def _read_orders(self, keys: Iterable[OrderKey]) -> dict[OrderKey, OrderState]:
        asked = list(keys)
        wanted = in_shops(asked, "order_id")
        known = {
            OrderKey(each["merchant_id"], each["order_id"]): read_order(each)
            for each in await self._transaction.find(ORDERS, wanted)
        }
        entries: dict[OrderKey, list[EntryDraft]] = defaultdict(list)
        earners: dict[OrderKey, UUID] = {}
        if known:  # no entry without its order
            for each in await self._transaction.find(ENTRIES, wanted, sort=_OLDEST_FIRST):
                key = OrderKey(each["merchant_id"], each["order_id"])
                entries[key].append(read_entry(each).draft)
                earners.setdefault(key, each["customer_id"])
        states = {}
        for key in asked:
            facts, refunds = known.get(key, (None, ()))
            states[key] = OrderState(facts, refunds, tuple(entries[key]), earners.get(key))
        return states

    async def learn_orders(self, facts: Mapping[OrderKey, OrderFacts]) -> None:
        for key, each in facts.items():
            self._put_order(key, replace(self._orders[key], facts=each))

    async def learn_refunds(self, refunds: Mapping[OrderKey, Sequence[RefundFacts]]) -> None:
        for key, found in refunds.items():
            known = {each.refund_id: each for each in self._orders[key].refunds}
            before = len(known)
            for refund in found:
                known.setdefault(refund.refund_id, refund)
            if len(known) > before:
                self._put_order(key, replace(self._orders[key], refunds=tuple(known.values())))

    def _put_order(self, key: OrderKey, state: OrderState) -> None:
        self._orders[key] = state
        self._transaction.put(ORDERS, order_document(key, state.facts, state.refunds))

    def has_led_to(self, entry: NewEntry) -> None:
        """Remember an entry of an order that is locked; of another there is nothing to remember."""
        key = OrderKey(entry.wallet.merchant_id, entry.draft.order_id)
        state = self._orders.get(key)
        if state is not None:
            self._orders[key] = replace(
                state,
                entries=(*state.entries, entry.draft),
                earner=state.earner or entry.wallet.customer_id,
            )
