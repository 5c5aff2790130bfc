"""Whether a request still fits into what its caller may ask for, and what is left of that."""

from dataclasses import dataclass

from contracts.caller import Audience, Caller
from contracts.limits import ADDRESS, MEMBERS_OF_A_SHOP, RATES
from domain.errors import Unavailable
from domain.limits import Drawn, Rate
from ports.limits import Bucket, Limits


@dataclass(frozen=True, slots=True)
class Charged:
    """What became of it; ``policies`` names the limits that count, in the order of the levels."""

    policies: tuple[str, ...]
    drawn: Drawn


class Limiting:
    """``shared`` is what all gateways count together; while it is away each counts with its
    ``own``. All rates are taken in ``percent`` of what is declared."""

    def __init__(self, shared: Limits, own: Limits, percent: int = 100) -> None:
        self._shared = shared
        self._own = own
        self._percent = percent
        self._scaled: dict[Rate, Rate] = {}

    async def charge(self, name: str, rate: Rate | None, caller: Caller, source: str) -> Charged:
        """Count one request for ``name``, of which ``rate`` is allowed, or else what is usual for
        the caller; without a name, against its address alone. ``source`` is the mark of where it
        comes from; those whose source is not known count as one."""
        named = [*self._own_buckets(name, rate, caller, source)] if name else []
        named.append(("address", self._bucket(f"address:{source}", ADDRESS)))
        buckets = [bucket for _, bucket in named]
        try:
            drawn = await self._shared.draw(buckets)
        except Unavailable:
            drawn = await self._own.draw(buckets)
        return Charged(tuple(policy for policy, _ in named), drawn)

    def _own_buckets(
        self, name: str, declared: Rate | None, caller: Caller, source: str
    ) -> tuple[tuple[str, Bucket], ...]:
        audience = caller.audience
        rate = declared or RATES.get(audience, RATES[Audience.ANYONE])
        if audience is Audience.MERCHANT:
            return (("shop", self._bucket(f"shop:{caller.merchant_id}:{name}", rate)),)
        if audience is Audience.CUSTOMER:
            together = self._bucket(f"members:{caller.merchant_id}:{name}", MEMBERS_OF_A_SHOP)
            return (
                ("member", self._bucket(f"member:{caller.customer_id}:{name}", rate)),
                ("shop-members", together),
            )
        if audience is Audience.ANYONE:
            return (("visitor", self._bucket(f"visitor:{source}:{name}", rate)),)
        return (("staff", self._bucket(f"staff:{caller.actor}:{name}", rate)),)

    def _bucket(self, name: str, declared: Rate) -> Bucket:
        rate = self._scaled.get(declared)
        if rate is None:
            rate = self._scaled[declared] = declared.times(self._percent)
        return Bucket(f"limit:{name}", rate)
