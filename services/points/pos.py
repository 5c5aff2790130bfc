"""Sales at tills: told by the till's queue, by Shopify, or by both, and counted once.

A sale has several names: Shopify's id of the order, a receipt's number, a checkout's token. Whoever
tells of it first, the ledger knows it by one id from then on, and what is told under its other
names is about that. So of two who tell of one sale the second adds nothing but what has changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from contracts.caller import Caller
from contracts.pos import LineTaken, PosGoods, PosLine, SalesSynced, SyncSales
from contracts.shop import ORDER_CREATED, Order, Refund, TillQueue, digest_of_checkout, member_id
from domain.errors import InvalidRequest, Problem
from domain.points.bonus import NOBODY_SPECIAL, Buyer, OrderLine
from domain.points.earning import price, terms_of
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.pos import TILLS, Rejection, digest, happened, reconciled
from domain.program import ProgramSettings, defaults
from ports.earning import NOTHING_KNOWN, BuyerKey, GoodsKey, KnownGoods
from ports.events import Received
from ports.ledger import OrderKey, OrderState
from ports.pos import SaleName, Sales, TillLine
from ports.rewards import Redeeming
from ports.unit import Unit
from services.points.earning import Settle, apply_shop_events

MOST_LINES: Final = 500
_MOST_TEXT: Final = 100
_MOST_GOODS: Final = 250
_MOST_AMOUNT: Final = Decimal(10) ** 12
_POS: Final = "pos"
_BY_A_TILL: Final = datetime.fromtimestamp(0, UTC)
"""How new what a till says of a sale is: whatever Shopify says is newer."""
_encode: Final = msgspec.json.Encoder().encode


class _Outcome(StrEnum):
    COUNTED = "counted"
    REPEATED = "repeated"
    KNOWN = "known"
    REJECTED = "rejected"


class Tills:
    """``settle`` says what else orders are owed (``apply_shop_events``)."""

    def __init__(self, settle: Settle[Redeeming]) -> None:
        self._settle = settle

    async def apply_shop_events(
        self, unit: Unit[Redeeming], events: Sequence[Received[Any]]
    ) -> None:
        """Events of shops, in which sales at tills are the ones that tills may have told of."""
        await apply_shop_events(unit, await _same_sales(unit, events), self._settle)

    async def sync(self, unit: Unit[Redeeming], caller: Caller, request: SyncSales) -> SalesSynced:
        """Take a till's queue: each of its lines once, the good ones also beside bad ones."""
        _check(request)
        return await self._take(unit, caller.tenant, request, unit.now())

    async def apply_queues(
        self, unit: Unit[Redeeming], events: Sequence[Received[TillQueue]]
    ) -> None:
        """Queues that nobody waits for. One with lines that cannot be taken is put aside as well;
        told again from there, what was taken is known."""
        # In one order everywhere, so that no two batches wait for each other.
        for event in sorted(events, key=lambda each: (each.merchant_id, each.body.till_id)):
            request = _request(event.body)
            try:
                _check(request)
            except InvalidRequest:
                unit.give_up(event, "This is no queue of a till.")
                continue
            now = min(event.at, unit.now())
            found = await self._take(unit, event.merchant_id, request, now)
            if found.rejected:
                why = ", ".join(sorted({each.reason for each in found.lines if each.reason}))
                lines = f"{found.rejected} of {len(found.lines)} lines"
                unit.give_up(event, f"{lines} were not taken: {why}")

    async def _take(
        self, unit: Unit[Redeeming], tenant: UUID, request: SyncSales, now: datetime
    ) -> SalesSynced:
        stores = unit.stores
        await stores.hold_till(tenant, request.till_id)
        names = {name for line in request.lines for name in _names_of(tenant, line)}
        queue = _Queue(
            tenant=tenant,
            request=request,
            now=now,
            program=(await stores.programs([tenant])).get(tenant) or defaults("USD"),
            taken=dict(
                await stores.till_lines(
                    tenant, request.till_id, [line.line_id for line in request.lines]
                )
            ),
            sales=_Named(dict(await stores.hold_sales(names)) if names else {}),
            members=await stores.members(
                {BuyerKey(tenant, _customer(tenant, line)) for line in request.lines}
            ),
            buyers=await stores.buyers(
                {BuyerKey(tenant, _customer(tenant, line)) for line in request.lines}
            ),
            goods=await stores.goods(
                {
                    GoodsKey(tenant, each.product_id)
                    for line in request.lines
                    for each in line.goods
                    if each.product_id
                }
            ),
        )
        asked = {each for line in request.lines for each in queue.may_be(line)}
        queue.states = dict(await stores.lock_orders({OrderKey(tenant, each) for each in asked}))
        queue.told = dict(await stores.sales_told(tenant, sorted(asked)))
        answers = tuple(queue.take(line) for line in request.lines)
        await queue.sales.keep(stores)
        await apply_shop_events(unit, queue.events(unit), self._settle)
        await stores.keep_lines(tenant, request.till_id, queue.lines)
        rejected = sum(each.outcome == _Outcome.REJECTED for each in answers)
        return SalesSynced(lines=answers, rejected=rejected)


@dataclass(slots=True)
class _Named:
    """What sales are known by, and what was learnt of that just now."""

    known: dict[SaleName, str]
    fresh: dict[SaleName, str] = field(default_factory=dict)
    moves: dict[UUID, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Orders at Shopify that turned out to be sales which are known by another id."""

    def ids(self, names: Iterable[SaleName]) -> set[str]:
        return {self.known[name] for name in names if name in self.known}

    def name(self, names: Iterable[SaleName], order_id: str) -> None:
        """All of these names are of one sale."""
        for name in names:
            if self.known.get(name) == order_id:
                continue
            kind, _, value = name.name.partition(":")
            if kind == "order" and value == order_id:
                continue  # it goes without saying
            self.known[name] = self.fresh[name] = order_id
            if kind == "order":
                self.moves[name.merchant_id][value] = order_id

    async def keep(self, stores: Sales) -> None:
        if self.fresh:
            await stores.name_sales(self.fresh)
        for merchant_id, moves in self.moves.items():
            await stores.take_over_refunds(merchant_id, moves)


@dataclass(slots=True)
class _Queue:
    """A till's queue on its way through, with all that is known of what it tells."""

    tenant: UUID
    request: SyncSales
    now: datetime
    program: ProgramSettings
    taken: dict[str, TillLine]
    sales: _Named
    members: Iterable[BuyerKey]
    buyers: Mapping[BuyerKey, Buyer]
    goods: Mapping[GoodsKey, KnownGoods]
    states: dict[OrderKey, OrderState] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    """The content of each sale that tills have told, by its id."""
    facts: dict[str, OrderFacts] = field(default_factory=dict)
    refunds: dict[str, list[RefundFacts]] = field(default_factory=lambda: defaultdict(list))
    lines: list[TillLine] = field(default_factory=list)

    def may_be(self, line: PosLine) -> set[str]:
        """What the ledger may know the sale of a line by."""
        ids = self.sales.ids(_names_of(self.tenant, line)) | {_provisional(line)}
        return {each for each in (*ids, line.order_id) if each}

    def take(self, line: PosLine) -> LineTaken:
        content = digest(_encode(line).decode())
        before = self.taken.get(line.line_id)
        if before is not None:
            if before.content != content:
                return _rejected(line, Rejection.LINE_CHANGED)
            return _taken(line, _Outcome.REPEATED, before.order_id)
        at = happened(line.happened_at, self.request.sent_at, self.now)
        if not _makes_sense(line):
            return _rejected(line, Rejection.BAD_LINE)
        if at is None:
            return _rejected(line, Rejection.TOO_OLD)
        names = _names_of(self.tenant, line)
        if not names:
            return _rejected(line, Rejection.UNNAMED_SALE)
        ids = self.sales.ids(names)
        order_id = ids.pop() if ids else _provisional(line)
        if ids or (line.order_id and line.order_id != order_id and self._stands_alone(line)):
            return _rejected(line, Rejection.TWO_SALES)
        take = self._sale if line.kind == "sale" else self._refund
        found = take(line, order_id, at)
        if isinstance(found, Rejection):
            return _rejected(line, found)
        self.sales.name(names, order_id)
        sale = _sale_content(self.tenant, line) if line.kind == "sale" else ""
        kept = TillLine(line.line_id, order_id, content, sale, self.request.location, at)
        self.taken[line.line_id] = kept
        self.lines.append(kept)
        return _taken(line, found, order_id)

    def _stands_alone(self, line: PosLine) -> bool:
        """Whether Shopify's order has been counted by its own id."""
        if SaleName(self.tenant, f"order:{line.order_id}") in self.sales.known:
            return False
        state = self.states[OrderKey(self.tenant, line.order_id)]
        return state.facts is not None

    def _sale(self, line: PosLine, order_id: str, at: datetime) -> _Outcome | Rejection:
        customer_id = _customer(self.tenant, line)
        buyer = BuyerKey(self.tenant, customer_id)
        if buyer not in self.members:
            return Rejection.UNKNOWN_MEMBER
        content = _sale_content(self.tenant, line)
        if (told := self.told.get(order_id)) is not None:
            return _Outcome.KNOWN if told == content else Rejection.SALE_CHANGED
        if self.states[OrderKey(self.tenant, order_id)].facts is not None:
            self.told[order_id] = content
            return _Outcome.KNOWN
        facts = OrderFacts(
            order_id=order_id,
            customer_id=customer_id,
            currency=self.program.currency,
            financial_status="paid",
            created_at=at,
            updated_at=_BY_A_TILL,
            merchandise=line.merchandise,
            tax=line.tax,
            paid_at=at,
            fulfilled_at=at,
            lines=tuple(
                OrderLine(each.product_id, each.amount, known.tags, known.collections)
                for each in line.goods
                for known in (self._known(each.product_id),)
            ),
        )
        program = self.program
        earned = price(program, terms_of(program), facts, self.buyers.get(buyer, NOBODY_SPECIAL))
        if earned.points > program.tills.most_points:
            return Rejection.TOO_LARGE
        self.told[order_id] = content
        self.facts[order_id] = facts
        return _Outcome.COUNTED

    def _known(self, product_id: str) -> KnownGoods:
        return self.goods.get(GoodsKey(self.tenant, product_id), NOTHING_KNOWN)

    def _refund(self, line: PosLine, order_id: str, at: datetime) -> _Outcome | Rejection:
        state = self.states[OrderKey(self.tenant, order_id)]
        known = [*state.refunds, *self.refunds[order_id]]
        refund_id = line.refund_id or f"{TILLS}{self.request.till_id}:{line.line_id}"
        if any(each.refund_id == refund_id for each in known):
            return _Outcome.KNOWN
        facts = self.facts.get(order_id, state.facts)
        back = sum((each.merchandise for each in reconciled(known)), Decimal(0))
        if facts is not None and known and back >= facts.merchandise:
            return Rejection.ALREADY_REFUNDED
        self.refunds[order_id].append(RefundFacts(refund_id, order_id, line.merchandise, at))
        return _Outcome.COUNTED

    def events(self, unit: Unit[Redeeming]) -> list[Received[Any]]:
        """What is new, as if the shop had said it."""
        bodies = [*self.facts.values(), *(each for some in self.refunds.values() for each in some)]
        return [
            Received(str(unit.new_id()), ORDER_CREATED, body, self.tenant, self.now)
            for body in bodies
        ]


async def _same_sales(
    unit: Unit[Redeeming], events: Sequence[Received[Any]]
) -> Sequence[Received[Any]]:
    """The events, with sales that tills have told by what the ledger knows them by. Costs nothing
    for a batch without refunds and without orders of tills."""
    orders: list[tuple[Received[Any], tuple[SaleName, ...]]] = []
    asked: set[SaleName] = set()
    for event in events:
        match event.body:
            case Order(source="pos") as order:
                names = _names(
                    event.merchant_id, order.order_id, order.receipt, order.checkout_digest
                )
                orders.append((event, names))
                asked.update(names)
            case Refund(order_id=order_id):
                asked.add(_order_name(event.merchant_id, order_id))
    if not asked:
        return events
    sales = _Named(dict(await unit.stores.hold_sales(asked)))
    for event, names in orders:
        own = _order_name(event.merchant_id, event.body.order_id)
        ids = sales.ids(names)
        order_id = sales.known.get(own) or (ids.pop() if len(ids) == 1 else event.body.order_id)
        if own not in sales.known and order_id != event.body.order_id:
            # Told as two before it was known to be one: each stays what it was counted as.
            key = OrderKey(event.merchant_id, event.body.order_id)
            if (await unit.stores.lock_orders([key]))[key].facts is not None:
                continue
        sales.name([name for name in names if name not in sales.known], order_id)
    await sales.keep(unit.stores)
    return [_renamed(event, sales) for event in events] if sales.known else events


def _renamed(event: Received[Any], sales: _Named) -> Received[Any]:
    body = event.body
    if not isinstance(body, Order | Refund):
        return event
    order_id = sales.known.get(_order_name(event.merchant_id, body.order_id))
    if order_id is None:
        return event
    changes: dict[str, Any] = {"order_id": order_id}
    if isinstance(body, Order):
        changes["refunds"] = tuple(
            msgspec.structs.replace(each, order_id=order_id) for each in body.refunds
        )
    renamed = msgspec.structs.replace(body, **changes)
    return Received(
        event.id, event.event, renamed, event.merchant_id, event.at, event.trace, event.actor
    )


def _order_name(merchant_id: UUID, order_id: str) -> SaleName:
    return SaleName(merchant_id, f"order:{order_id}")


def _names(
    merchant_id: UUID, order_id: str, receipt: str, checkout_digest: str
) -> tuple[SaleName, ...]:
    named = (("order", order_id), ("receipt", receipt), ("checkout", checkout_digest))
    return tuple(SaleName(merchant_id, f"{kind}:{value}") for kind, value in named if value)


def _names_of(tenant: UUID, line: PosLine) -> tuple[SaleName, ...]:
    return _names(tenant, line.order_id, line.receipt, digest_of_checkout(line.checkout_token))


def _provisional(line: PosLine) -> str:
    """What the ledger knows a sale by that nobody has told of before."""
    if line.order_id:
        return line.order_id
    if line.receipt:
        return f"{TILLS}receipt:{line.receipt}"
    return f"{TILLS}checkout:{digest_of_checkout(line.checkout_token)}"


def _customer(tenant: UUID, line: PosLine) -> UUID:
    if line.customer_id is not None:
        return line.customer_id
    return member_id(tenant, line.shopify_customer_id or "")


def _sale_content(tenant: UUID, line: PosLine) -> str:
    goods = sorted(f"{each.product_id}={each.amount.normalize():f}" for each in line.goods)
    amounts = (f"{each.normalize():f}" for each in (line.merchandise, line.tax))
    return digest(str(_customer(tenant, line)), *amounts, *goods)


def _makes_sense(line: PosLine) -> bool:
    amounts = [line.merchandise, line.tax, *(each.amount for each in line.goods)]
    texts = [line.receipt, line.checkout_token, line.refund_id]
    return (
        line.kind in ("sale", "refund")
        and all(each.is_finite() and 0 <= each <= _MOST_AMOUNT for each in amounts)
        and all(len(each) <= _MOST_TEXT and each.isprintable() for each in texts)
        and not line.refund_id.startswith(TILLS)
        and (not line.order_id or (line.order_id.isascii() and line.order_id.isdigit()))
        and len(line.order_id) <= _MOST_TEXT
        and len(line.goods) <= _MOST_GOODS
        and (line.customer_id is None or line.shopify_customer_id is None)
    )


def _request(queue: TillQueue) -> SyncSales:
    return SyncSales(
        till_id=queue.till_id,
        location=queue.location,
        sent_at=queue.sent_at,
        lines=tuple(
            PosLine(
                line_id=each.line_id,
                kind=each.kind,
                happened_at=each.happened_at,
                order_id=each.order_id,
                receipt=each.receipt,
                shopify_customer_id=each.shopify_customer_id or None,
                merchandise=each.merchandise,
                tax=each.tax,
                goods=tuple(
                    PosGoods(product_id=goods.product_id, amount=goods.amount)
                    for goods in each.goods
                ),
                refund_id=each.refund_id,
            )
            for each in queue.lines
        ),
    )


def _taken(line: PosLine, outcome: _Outcome, order_id: str) -> LineTaken:
    return LineTaken(line_id=line.line_id, outcome=outcome, order_id=order_id)


def _rejected(line: PosLine, reason: Rejection) -> LineTaken:
    return LineTaken(line_id=line.line_id, outcome=_Outcome.REJECTED, reason=reason)


def _check(request: SyncSales) -> None:
    """Raises InvalidRequest for what is wrong with the queue itself."""
    problems = []
    if not 1 <= len(request.lines) <= MOST_LINES:
        problems.append(Problem("/lines", f"1 to {MOST_LINES} lines are needed."))
    named = [("/till_id", request.till_id)]
    named += [(f"/lines/{n}/line_id", line.line_id) for n, line in enumerate(request.lines)]
    problems += [
        Problem(pointer, f"1 to {_MOST_TEXT} characters on one line are needed.")
        for pointer, value in named
        if not (0 < len(value) <= _MOST_TEXT and value.isprintable())
    ]
    if len(request.location) > _MOST_TEXT or not request.location.isprintable():
        problems.append(Problem("/location", f"At most {_MOST_TEXT} characters on one line."))
    if problems:
        raise InvalidRequest(problems=problems)
