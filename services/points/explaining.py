"""A dry run for one order: what it would earn today, and what each rule has to do with it."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.caller import Caller
from contracts.paging import MOST
from contracts.points import BonusExplained, ExplainPurchase, LineExplained, PurchaseExplained
from contracts.shop import member_id
from domain.errors import InvalidRequest, Problem
from domain.points.bonus import NOBODY_SPECIAL, OrderLine
from domain.points.explaining import explain
from domain.points.orders import OrderFacts
from domain.program import defaults
from ports.earning import BuyerKey, GoodsKey
from ports.ledger import Ledger
from ports.unit import Units

_NOBODY: Final = UUID(int=0)
_DRY_RUN: Final = "dry-run"
_MOST_AMOUNT: Final = Decimal(10) ** 12


class Explainer:
    def __init__(self, units: Units[Ledger]) -> None:
        self._units = units

    async def explain(self, caller: Caller, request: ExplainPurchase) -> PurchaseExplained:
        _check(request)
        tenant = caller.tenant
        customer_id = _customer(tenant, request)
        async with self._units() as unit:
            now = unit.now()
            saved = (await unit.stores.programs([tenant])).get(tenant)
            buyer = NOBODY_SPECIAL
            if customer_id is not None:
                key = BuyerKey(tenant, customer_id)
                buyer = (await unit.stores.buyers([key])).get(key, NOBODY_SPECIAL)
            known = await unit.stores.goods(
                {GoodsKey(tenant, line.product_id) for line in request.lines if line.product_id}
            )
        program = saved or defaults("USD")
        tags = {key.product_id: goods.tags for key, goods in known.items()}
        lines = tuple(
            OrderLine(
                line.product_id,
                line.amount,
                tags.get(line.product_id, ()) if line.tags is None else line.tags,
            )
            for line in request.lines
        )
        facts = OrderFacts(
            order_id=_DRY_RUN,
            customer_id=customer_id or _NOBODY,
            currency=program.currency,
            financial_status="paid" if request.paid else "pending",
            created_at=request.placed_at or now,
            updated_at=now,
            merchandise=sum((line.amount for line in lines), Decimal(0)),
            shipping=request.shipping,
            tax=request.tax,
            fulfilled_at=now if request.fulfilled else None,
            lines=lines,
        )
        found = explain(program, facts, buyer)
        terms = found.snapshot
        return PurchaseExplained(
            points=found.points,
            why_not=found.refusal or "",
            rule=terms.rule,
            settings_version=terms.settings_version,
            spend=terms.base,
            minimum_spend=terms.minimum_spend,
            rate=terms.rate,
            fixed_points=terms.fixed,
            rounding=terms.rounding,
            overlap=terms.overlap,
            pending_days=program.pending_days,
            tier=buyer.tier,
            segment=buyer.segment,
            lines=tuple(
                LineExplained(
                    product_id=line.product_id,
                    counted=line.counted,
                    excluded=line.excluded,
                    factor=line.factor,
                )
                for line in found.lines
            ),
            bonuses=tuple(
                BonusExplained(
                    id=each.bonus.id,
                    factor=each.bonus.factor,
                    holds=each.why_not is None,
                    why_not=each.why_not or "",
                )
                for each in found.bonuses
            ),
        )


def _check(request: ExplainPurchase) -> None:
    """Raises InvalidRequest with all that is wrong."""
    problems = []
    if not 1 <= len(request.lines) <= MOST:
        problems.append(Problem("/lines", f"1 to {MOST} lines are needed."))
    amounts = [(f"/lines/{n}/amount", line.amount) for n, line in enumerate(request.lines)]
    amounts += [("/shipping", request.shipping), ("/tax", request.tax)]
    problems += [
        Problem(pointer, "An amount of the shop's currency, 0 or more, is needed.")
        for pointer, amount in amounts
        if not (amount.is_finite() and 0 <= amount <= _MOST_AMOUNT)
    ]
    if request.customer_id is not None and request.shopify_customer_id is not None:
        detail = "Name the member by one of customer_id and shopify_customer_id."
        problems.append(Problem("/customer_id", detail))
    if problems:
        raise InvalidRequest(problems=problems)


def _customer(tenant: UUID, request: ExplainPurchase) -> UUID | None:
    if request.shopify_customer_id is not None:
        return member_id(tenant, request.shopify_customer_id)
    return request.customer_id
