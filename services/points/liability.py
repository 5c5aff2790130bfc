"""The report on outstanding points: what they are worth, and how much of it will be redeemed."""

from collections.abc import Iterable

from contracts.caller import Caller
from contracts.liability import ExpiryShare, LiabilityOf, LiabilityReport, TierShare
from domain.errors import InvalidRequest
from domain.money import Money
from domain.points.liability import expected_rate, liability, parts, problems_of
from domain.program import defaults
from ports.liability import Holdings, TierHolding
from ports.unit import Units
from services.points.instants import instant_problems


class LiabilityReports:
    def __init__(self, units: Units[Holdings]) -> None:
        self._units = units

    async def report(self, caller: Caller, request: LiabilityOf) -> LiabilityReport:
        problems = problems_of(request.point_value, request.redemption_rate)
        if problems := [*problems, *instant_problems({"/at": request.at})]:
            raise InvalidRequest(problems=problems)
        tenant = caller.tenant
        async with self._units() as unit:
            program = (await unit.stores.programs([tenant])).get(tenant) or defaults("USD")
            held = await unit.stores.held(tenant, request.at)
            expiring = (
                await unit.stores.expiring(tenant, program.time_zone) if request.at is None else ()
            )
        every = _together(held)
        points = every.spendable + every.pending
        rate = expected_rate(request.redemption_rate, every.spent, every.expired)
        value = Money(request.point_value, program.currency)
        whole = liability(points, value, rate.share)
        by_tier = parts(whole.expected, [each.spendable + each.pending for each in held])
        spendable = liability(sum(each.points for each in expiring), value, rate.share)
        by_month = parts(spendable.expected, [each.points for each in expiring])
        return LiabilityReport(
            currency=program.currency,
            members=every.members,
            points=points,
            spendable=every.spendable,
            pending=every.pending,
            debts=every.debts,
            spent=every.spent,
            expired=every.expired,
            point_value=request.point_value,
            redemption_rate=rate.share,
            rate_is_estimated=rate.is_estimated,
            maximum=whole.maximum.amount,
            liability=whole.expected.amount,
            breakage=whole.breakage.amount,
            by_tier=tuple(
                TierShare(
                    tier=each.tier,
                    members=each.members,
                    points=each.spendable + each.pending,
                    liability=part.amount,
                )
                for each, part in zip(held, by_tier, strict=True)
            ),
            by_expiry=tuple(
                ExpiryShare(month=each.month, points=each.points, liability=part.amount)
                for each, part in zip(expiring, by_month, strict=True)
            ),
        )


def _together(held: Iterable[TierHolding]) -> TierHolding:
    sums = [sum(column) for column in zip(*(each[1:] for each in held), strict=True)]
    return TierHolding("", *(sums or [0] * 6))
