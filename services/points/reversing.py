"""Undoing an entry by hand, together with what its order then needs."""

from uuid import UUID

from contracts.caller import Caller
from contracts.statements import Reverse, Reversed
from domain.errors import InvalidRequest, NotFound, Problem
from domain.points.ledger import EntryDraft, due_entries
from domain.points.reversal import AlreadyReversed, reversal
from domain.points.wallet import InsufficientPoints, apply
from domain.program import ProgramSettings, defaults
from ports.ledger import HistoryEntry, Ledger, NewEntry, OrderKey, OrderState, WalletKey
from ports.unit import Unit
from services.points.balances import balance_of
from services.points.next_expiry import next_expiries
from services.points.posting import post
from services.points.room_back import give_room_back

_NO_ORDER = OrderState(None, (), ())


async def reverse(unit: Unit[Ledger], caller: Caller, request: Reverse) -> Reversed:
    """Post the opposite of an entry, once."""
    reason = request.reason.strip()
    if not 0 < len(reason) <= 200:
        raise InvalidRequest(problems=[Problem("/reason", "1 to 200 characters are needed.")])
    key = WalletKey(caller.tenant, request.customer_id)
    entry = await _entry(unit.stores, key, request.entry_id)
    order = await _order(unit.stores, key.merchant_id, entry.draft.order_id)
    program = await _program(unit.stores, key.merchant_id, order)
    draft = reversal(entry.entry_id, entry.draft, reason, order.entries)
    wallet = before = (await unit.stores.lock_wallets([key]))[key]
    # What the order is owed goes first, so that this takes points which its lots have again.
    owed = _owed(order, draft, program)
    drafts = [*owed, draft]
    for each in drafts:
        wallet = apply(wallet, each)
    if wallet.spendable < min(before.spendable, 0) and not request.force:
        raise InsufficientPoints("Some of these points are spent; force takes them all the same.")
    now = unit.now()
    entries = [NewEntry(unit.new_id(), key, each, now) for each in drafts]
    posted = {each.entry.entry_id: each for each in await post(unit, entries)}
    done = posted.get(entries[-1].entry_id)
    if done is None:
        raise AlreadyReversed
    await give_room_back(unit.stores, key, program, entry, order, owed)
    soon = await next_expiries(unit, key.merchant_id, [key.customer_id])
    return Reversed(
        entry_id=done.entry.entry_id,
        points=draft.points,
        balance=balance_of(key.customer_id, done.wallet, soon.get(key.customer_id)),
    )


async def _entry(ledger: Ledger, key: WalletKey, entry_id: UUID) -> HistoryEntry:
    """An entry of the member, or of one who was merged into them."""
    following = UUID(int=min(entry_id.int + 1, 2**128 - 1))
    found = await ledger.history(key, following, 1)
    if not found or found[0].entry_id != entry_id:
        raise NotFound("This member has no such entry.")
    return found[0]


async def _order(ledger: Ledger, merchant_id: UUID, order_id: str) -> OrderState:
    if not order_id:
        return _NO_ORDER
    key = OrderKey(merchant_id, order_id)
    return (await ledger.lock_orders([key]))[key]


async def _program(ledger: Ledger, merchant_id: UUID, order: OrderState) -> ProgramSettings:
    known = (await ledger.programs([merchant_id])).get(merchant_id)
    return known or defaults("USD" if order.facts is None else order.facts.currency)


def _owed(order: OrderState, undoing: EntryDraft, program: ProgramSettings) -> list[EntryDraft]:
    """What the entry's order must have posted besides, once it is undone."""
    if order.facts is None:
        return []
    # Room for nothing: undoing is no reason to earn more than an order was limited to.
    return due_entries(order.facts, order.refunds, [*order.entries, undoing], program, room=0)
