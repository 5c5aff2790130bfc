"""What orders, refunds, sign-ups and referrals do to wallets, whatever order they arrive in."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from contracts.core import CustomerChanged
from contracts.products import ProductCollections
from contracts.referrals import ReferralChanged
from contracts.shop import CustomerRecord, Order, Product, ProductGone, Refund
from domain.points.bonus import NOBODY_SPECIAL, Buyer, OrderLine
from domain.points.earning import terms_of
from domain.points.ledger import EntryDraft, EntryKind, due_entries, release, signup_entry
from domain.points.orders import OrderFacts, RefundFacts, merge, with_goods_of
from domain.points.pos import reconciled
from domain.program import ProgramSettings, RefundPolicy, defaults
from ports.earning import (
    NOTHING_KNOWN,
    BuyerFacts,
    BuyerKey,
    CollectionFacts,
    GoodsFacts,
    GoodsKey,
    KnownGoods,
)
from ports.events import Received
from ports.ledger import Ledger, NewEntry, OrderKey, OrderState, WalletKey
from ports.programs import newest_programs
from ports.unit import Unit, Units
from services.points.posting import LedgerT, post
from services.points.purchase_limits import PurchaseLimits
from services.points.using import Settled

_AT_ONCE = 500

Settle = Callable[
    [Unit[LedgerT], Sequence[Received[Any]], Mapping[OrderKey, OrderState]], Awaitable[Settled]
]
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Batch:
    """What a batch of a shop's events says, gathered by order and by member."""

    def __init__(
        self,
        events: Sequence[Received[Any]],
        goods: Mapping[GoodsKey, KnownGoods] = MappingProxyType({}),
    ) -> None:
        self._goods = goods
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
                case OrderFacts() as facts:
                    self._told(event, facts)
                case RefundFacts() as back:
                    key = OrderKey(event.merchant_id, back.order_id)
                    self.refunds[key][back.refund_id] = back
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
        lines = self._lines(event, order)
        self._told(event, _order_facts(order, order.customer.customer_id, lines))

    def _told(self, event: Received[Any], facts: OrderFacts) -> None:
        key = OrderKey(event.merchant_id, facts.order_id)
        known = self.facts.get(key)
        self.facts[key] = facts if known is None else merge(known, facts)
        self.causes[key] = event
        self.currencies.setdefault(event.merchant_id, facts.currency)

    def _lines(self, event: Received[Any], order: Order) -> tuple[OrderLine, ...]:
        """What the order is for; kept also where the program does not ask (yet). What the goods
        are is looked up only where it does."""
        lines = []
        for line in order.lines:
            if not line.gift_card:
                key = GoodsKey(event.merchant_id, line.product_id)
                known = self._goods.get(key, NOTHING_KNOWN)
                lines.append(OrderLine(line.product_id, line.total, known.tags, known.collections))
        return tuple(lines)

    @property
    def orders(self) -> set[OrderKey]:
        return self.facts.keys() | self.refunds.keys()


async def apply_shop_events(
    unit: Unit[LedgerT], events: Sequence[Received[Any]], settle: Settle[LedgerT] | None = None
) -> None:
    """Bring the ledger to what these orders, refunds and sign-ups ask for, in one transaction.
    ``settle`` says what else these orders, which are held, are owed."""
    ledger = unit.stores
    await ledger.learn_goods(_goods_told(events))
    saved = await ledger.programs({event.merchant_id for event in events})
    by_goods = {merchant for merchant, program in saved.items() if program.by_goods}
    batch = _Batch(events, await ledger.goods(_goods_bought(events, by_goods)))
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
    programs = _programs(saved, batch)

    now = unit.now()
    entries: list[NewEntry] = []
    causes: dict[UUID, Received[Any]] = {}

    def add(wallet: WalletKey, draft: EntryDraft, cause: Received[Any], pending_days: int) -> None:
        entry = _new_entry(unit, wallet, draft, now, pending_days)
        entries.append(entry)
        causes[entry.entry_id] = cause

    settled = None if settle is None else await settle(unit, events, states)
    balances = await _balances(ledger, states, programs)
    for entry, cause in settled.entries if settled is not None else ():
        entries.append(entry)
        causes[entry.entry_id] = cause
        balances[entry.wallet] = balances.get(entry.wallet, 0) + entry.draft.points
    buyers = await ledger.buyers(_buyers_asked(states, programs))
    limits = await PurchaseLimits.of(ledger, _told_orders(states), programs)
    terms = {merchant: terms_of(program) for merchant, program in programs.items()}
    for key, state in sorted(states.items(), key=_placed) if limits.any else states.items():
        wallet = _wallet_of(key, state)
        if state.facts is None or wallet is None:
            continue  # only refunds so far; they count once the order comes
        program = programs[key.merchant_id]
        balance = balances.get(wallet, 0)
        due = due_entries(
            state.facts,
            state.refunds,
            state.entries,
            program,
            buyer=buyers.get(BuyerKey(*wallet), NOBODY_SPECIAL),
            spendable=balance,
            room=limits.room(wallet, state.facts),
            terms=terms[key.merchant_id],
        )
        limits.earn(wallet, state.facts, due)
        balances[wallet] = balance + sum(draft.points for draft in due if not draft.pending)
        for draft in due:
            add(wallet, draft, batch.causes[key], program.pending_days)
    for wallet, shopify_customer_id, event in batch.signups:
        bonus = signup_entry(programs[wallet.merchant_id], shopify_customer_id)
        if bonus is not None:
            add(wallet, bonus, event, 0)
    await post(unit, entries, causes, programs)
    if settled is not None:
        await settled.finish()
    await limits.keep(ledger)


def _learn(batch: _Batch, known: Mapping[OrderKey, OrderState]) -> dict[OrderKey, OrderState]:
    """What was known of each order together with what the batch says."""
    states = {}
    for key, before in known.items():
        facts = batch.facts.get(key)
        if facts is None:
            facts = before.facts
        elif before.facts is not None:
            facts = merge(before.facts, facts)
            if before.entries:  # then it has earned, by what its goods were
                facts = with_goods_of(facts, before.facts)
        back = before.refunds
        if key in batch.refunds:
            told = batch.refunds[key] | {each.refund_id: each for each in back}
            back = tuple(told.values())
        back = reconciled(back)
        states[key] = OrderState(facts, back, before.entries, before.earner)
    return states


def _goods_told(events: Sequence[Received[Any]]) -> Mapping[GoodsKey, GoodsFacts]:
    """What the catalogue says in this batch; the newest of each product."""
    told: dict[GoodsKey, GoodsFacts] = {}
    for event in events:
        match event.body:
            case Product(product_id=product_id) as product:
                facts = GoodsFacts(product.tags, product.updated_at)
            case ProductGone(product_id=product_id):
                facts = GoodsFacts((), event.at)
            case _:
                continue
        key = GoodsKey(event.merchant_id, product_id)
        known = told.get(key)
        if known is None or known.updated_at < facts.updated_at:
            told[key] = facts
    return told


def _goods_bought(events: Sequence[Received[Any]], by_goods: Container[UUID]) -> set[GoodsKey]:
    """The products of orders of shops whose program asks which they are."""
    return {
        GoodsKey(event.merchant_id, line.product_id)
        for event in events
        if event.merchant_id in by_goods and isinstance(event.body, Order)
        for line in event.body.lines
        if line.product_id
    }


def _buyers_asked(
    states: Mapping[OrderKey, OrderState], programs: Mapping[UUID, ProgramSettings]
) -> set[BuyerKey]:
    """The members whose orders have not earned yet, where it matters who they are."""
    return {
        BuyerKey(key.merchant_id, state.facts.customer_id)
        for key, state in states.items()
        if state.facts is not None and not state.entries and programs[key.merchant_id].by_member
    }


def _programs(
    saved: Mapping[UUID, ProgramSettings], batch: _Batch
) -> Mapping[UUID, ProgramSettings]:
    """The program of every shop in the batch; one that has saved none runs on the defaults."""
    merchants = {key.merchant_id for key in batch.orders}
    merchants |= {wallet.merchant_id for wallet, _, _ in batch.signups}
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
        if programs[key.merchant_id].refund_policy is RefundPolicy.WITHIN_BALANCE
        and (wallet := _wallet_of(key, state)) is not None
    }
    if not keys:
        return {}
    return {key: wallet.spendable for key, wallet in (await ledger.lock_wallets(keys)).items()}


def _told_orders(
    states: Mapping[OrderKey, OrderState],
) -> Iterator[tuple[WalletKey, OrderFacts]]:
    """The orders that are known, each with the wallet it moves."""
    for key, state in states.items():
        wallet = _wallet_of(key, state)
        if wallet is not None and state.facts is not None:
            yield wallet, state.facts


def _placed(item: tuple[OrderKey, OrderState]) -> tuple[datetime, str]:
    """Which of a member's orders comes first where not all can earn."""
    key, state = item
    return (_LONG_AGO if state.facts is None else state.facts.created_at), key.order_id


def _wallet_of(key: OrderKey, state: OrderState) -> WalletKey | None:
    """The wallet an order moves: the one that earned, also after the order changed hands, so that
    what is taken back is taken from whoever got it. None while the order is not known."""
    if state.earner is not None:
        return WalletKey(key.merchant_id, state.earner)
    return None if state.facts is None else WalletKey(key.merchant_id, state.facts.customer_id)


async def apply_mesh_events(unit: Unit[Ledger], events: Sequence[Received[Any]]) -> None:
    """Reward completed referrals, and keep each shop's program, each member's standing and the
    collections of each product."""
    now = unit.now()
    entries: list[NewEntry] = []
    causes: dict[UUID, Received[Any]] = {}
    await unit.stores.learn_programs(newest_programs(events))
    await unit.stores.learn_buyers(_standings(events))
    await unit.stores.learn_collections(_collections_told(events))
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


def _standings(events: Sequence[Received[Any]]) -> Mapping[BuyerKey, BuyerFacts]:
    """Tiers and segments of members; the newest of each."""
    told: dict[BuyerKey, BuyerFacts] = {}
    for event in events:
        if isinstance(event.body, CustomerChanged):
            member = event.body
            key = BuyerKey(event.merchant_id, member.customer_id)
            known = told.get(key)
            if known is None or known.version < member.version:
                told[key] = BuyerFacts(Buyer(member.tier, member.segment), member.version)
    return told


def _collections_told(events: Sequence[Received[Any]]) -> Mapping[GoodsKey, CollectionFacts]:
    """What products are in; the newest of each."""
    told: dict[GoodsKey, CollectionFacts] = {}
    for event in events:
        if isinstance(event.body, ProductCollections):
            product = event.body
            key = GoodsKey(event.merchant_id, product.product_id)
            known = told.get(key)
            if known is None or known.version < product.version:
                told[key] = CollectionFacts(product.collections, product.version)
    return told


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
    unit: Unit[LedgerT], wallet: WalletKey, draft: EntryDraft, now: datetime, pending_days: int
) -> NewEntry:
    matures_at = now + timedelta(days=pending_days) if draft.pending else None
    return NewEntry(unit.new_id(), wallet, draft, now, matures_at)


def _order_facts(order: Order, customer_id: UUID, lines: tuple[OrderLine, ...]) -> OrderFacts:
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
        fulfilled_at=order.updated_at if order.fulfilled else None,
        lines=lines,
    )


def _refund_facts(refund: Refund) -> RefundFacts:
    return RefundFacts(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        merchandise=refund.merchandise,
        created_at=refund.created_at,
    )
