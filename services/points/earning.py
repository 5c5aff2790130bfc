"""What orders, refunds, sign-ups and referrals do to wallets, whatever order they arrive in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.referrals import ReferralChanged
from contracts.shop import CustomerRecord, Order, Refund
from domain.points.ledger import EntryDraft, EntryKind, due_entries, release, signup_entry
from domain.points.orders import OrderFacts, RefundFacts, merge
from domain.program import ProgramSettings, RefundPolicy, defaults
from ports.events import Received
from ports.ledger import Ledger, NewEntry, OrderKey, OrderState, WalletKey
from ports.programs import newest_programs
from ports.unit import Unit, Units
from services.points.posting import post

_AT_ONCE = 500


class _Batch:
    """What a batch of a shop's events says, gathered by order and by member."""

    def __init__(self, events: Sequence[Received[Any]]) -> None:
        self.facts: dict[OrderKey, OrderFacts] = {}
        self.refunds: dict[OrderKey, dict[str, RefundFacts]] = defaultdict(dict)
        self.signups: list[tuple[WalletKey, str, Received[Any]]] = []
        self.causes: dict[OrderKey, Received[Any]] = {}
        self.currencies: dict[UUID, str] = {}
        for event in events:
            match event.body:
                case Order() as order:
                    self._order(event, order)
                case Refund() as refund:
                    key = OrderKey(event.merchant_id, refund.order_id)
                    self.refunds[key][refund.refund_id] = _refund_facts(refund)
                    self.causes[key] = event
                case CustomerRecord() as customer:
                    wallet = WalletKey(event.merchant_id, customer.customer_id)
                    self.signups.append((wallet, customer.shopify_customer_id, event))

    def _order(self, event: Received[Any], order: Order) -> None:
        key = OrderKey(event.merchant_id, order.order_id)
        for refund in order.refunds:
            self.refunds[key][refund.refund_id] = _refund_facts(refund)
        if order.customer is None:
            return  # a guest has no wallet; should the order get a customer, it comes again
        facts = _order_facts(order, order.customer.customer_id)
        known = self.facts.get(key)
        self.facts[key] = facts if known is None else merge(known, facts)
        self.causes[key] = event
        self.currencies.setdefault(event.merchant_id, order.currency)

    @property
    def orders(self) -> set[OrderKey]:
        return self.facts.keys() | self.refunds.keys()


async def apply_shop_events(unit: Unit[Ledger], events: Sequence[Received[Any]]) -> None:
    """Bring the ledger to what these orders, refunds and sign-ups ask for, in one transaction."""
    ledger = unit.stores
    batch = _Batch(events)
    known = await ledger.lock_orders(batch.orders)
    states = _learn(batch, known)
    await ledger.learn_orders(
        {
            key: state.facts
            for key, state in states.items()
            if state.facts is not None and state.facts != known[key].facts
        }
    )
    await ledger.learn_refunds({key: tuple(found.values()) for key, found in batch.refunds.items()})
    programs = await _programs(ledger, batch)

    now = unit.now()
    entries: list[NewEntry] = []
    causes: dict[UUID, Received[Any]] = {}

    def add(wallet: WalletKey, draft: EntryDraft, cause: Received[Any], pending_days: int) -> None:
        entry = _new_entry(unit, wallet, draft, now, pending_days)
        entries.append(entry)
        causes[entry.entry_id] = cause

    balances = await _balances(ledger, states, programs)
    for key, state in states.items():
        wallet = _wallet_of(key, state)
        if state.facts is None or wallet is None:
            continue  # only refunds so far; they count once the order comes
        program = programs[key.merchant_id]
        balance = balances.get(wallet, 0)
        due = due_entries(state.facts, state.refunds, state.entries, program, spendable=balance)
        balances[wallet] = balance + sum(draft.points for draft in due if not draft.pending)
        for draft in due:
            add(wallet, draft, batch.causes[key], program.pending_days)
    for wallet, shopify_customer_id, event in batch.signups:
        bonus = signup_entry(programs[wallet.merchant_id], shopify_customer_id)
        if bonus is not None:
            add(wallet, bonus, event, 0)
    await post(unit, entries, causes)


def _learn(batch: _Batch, known: Mapping[OrderKey, OrderState]) -> dict[OrderKey, OrderState]:
    """What was known of each order together with what the batch says."""
    states = {}
    for key in batch.orders:
        before = known[key]
        facts = batch.facts.get(key)
        if facts is None:
            facts = before.facts
        elif before.facts is not None:
            facts = merge(before.facts, facts)
        refunds = batch.refunds.get(key, {}) | {each.refund_id: each for each in before.refunds}
        states[key] = OrderState(facts, tuple(refunds.values()), before.entries, before.earner)
    return states


async def _programs(ledger: Ledger, batch: _Batch) -> Mapping[UUID, ProgramSettings]:
    """The program of every shop in the batch; one that has saved none runs on the defaults."""
    merchants = {key.merchant_id for key in batch.orders}
    merchants |= {wallet.merchant_id for wallet, _, _ in batch.signups}
    saved = await ledger.programs(merchants)
    return {
        merchant: saved.get(merchant) or defaults(batch.currencies.get(merchant, "USD"))
        for merchant in merchants
    }


async def _balances(
    ledger: Ledger,
    states: Mapping[OrderKey, OrderState],
    programs: Mapping[UUID, ProgramSettings],
) -> dict[WalletKey, int]:
    """Spendable points, for the shops whose claw-backs stop at zero; the others need none."""
    keys = {
        wallet
        for key, state in states.items()
        if (wallet := _wallet_of(key, state)) is not None
        and programs[key.merchant_id].refund_policy is RefundPolicy.WITHIN_BALANCE
    }
    if not keys:
        return {}
    return {key: wallet.spendable for key, wallet in (await ledger.lock_wallets(keys)).items()}


def _wallet_of(key: OrderKey, state: OrderState) -> WalletKey | None:
    """The wallet an order moves: the one that earned, also after the order changed hands, so that
    what is taken back is taken from whoever got it. None while the order is not known."""
    if state.earner is not None:
        return WalletKey(key.merchant_id, state.earner)
    return None if state.facts is None else WalletKey(key.merchant_id, state.facts.customer_id)


async def apply_mesh_events(unit: Unit[Ledger], events: Sequence[Received[Any]]) -> None:
    """Reward completed referrals, and keep each shop's program at hand."""
    now = unit.now()
    entries: list[NewEntry] = []
    causes: dict[UUID, Received[Any]] = {}
    await unit.stores.learn_programs(newest_programs(events))
    for event in events:
        match event.body:
            case ReferralChanged() as referral:
                for side, customer_id, points in (
                    ("advocate", referral.advocate_id, referral.advocate_points),
                    ("friend", referral.friend_id, referral.friend_points),
                ):
                    if customer_id is None or points <= 0:
                        continue
                    draft = EntryDraft(
                        kind=EntryKind.REFERRAL,
                        points=points,
                        reason=f"referral_{side}",
                        source="referral",
                        source_ref=str(referral.referral_id),
                        rule=side,
                    )
                    wallet = WalletKey(event.merchant_id, customer_id)
                    entry = _new_entry(unit, wallet, draft, now, 0)
                    entries.append(entry)
                    causes[entry.entry_id] = event
    await post(unit, entries, causes)


async def release_matured(units: Units[Ledger]) -> None:
    """Make pending points spendable whose time has come."""
    while True:
        async with units() as unit:
            keys = await unit.stores.take_matured(unit.now(), _AT_ONCE)
            states = await unit.stores.lock_orders(keys)
            entries = [
                _new_entry(unit, wallet, draft, unit.now(), 0)
                for key, state in states.items()
                if (wallet := _wallet_of(key, state)) is not None
                for draft in release(key.order_id, state.entries)
            ]
            await post(unit, entries)
        if len(keys) < _AT_ONCE:
            return


def _new_entry(
    unit: Unit[Ledger], wallet: WalletKey, draft: EntryDraft, now: datetime, pending_days: int
) -> NewEntry:
    matures_at = now + timedelta(days=pending_days) if draft.pending else None
    return NewEntry(unit.new_id(), wallet, draft, now, matures_at)


def _order_facts(order: Order, customer_id: UUID) -> OrderFacts:
    return OrderFacts(
        order_id=order.order_id,
        customer_id=customer_id,
        currency=order.currency,
        financial_status=order.financial_status,
        created_at=order.created_at,
        updated_at=order.updated_at,
        merchandise=order.subtotal,
        shipping=order.shipping,
        tax=order.tax,
        test=order.test,
        cancelled_at=order.cancelled_at,
    )


def _refund_facts(refund: Refund) -> RefundFacts:
    return RefundFacts(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        merchandise=refund.merchandise,
        created_at=refund.created_at,
    )
