"""What the limits of purchase rules leave the members of a batch, while its orders earn."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from domain.days import day_of
from domain.points.earning_limits import EVER, NOTHING, Counted, days_asked, room_for
from domain.points.ledger import EntryDraft, earned_by
from domain.points.orders import OrderFacts
from domain.program import ProgramSettings
from ports.activities import CountKey, Days, Earned
from ports.ledger import Ledger, WalletKey

PURCHASE = "purchase"
"""What purchases are counted under, whatever the rule's id is."""


class PurchaseLimits:
    """Members' wallets are held from ``of`` on, so that what is read here is what is added to. An
    order counts on the day on which it was placed, whenever news of it comes."""

    def __init__(
        self, programs: Mapping[UUID, ProgramSettings], earned: Mapping[CountKey, Earned]
    ) -> None:
        self._programs = programs
        self._earned = earned
        self._by_day: dict[CountKey, dict[date, Counted]] = defaultdict(
            lambda: defaultdict(Counted)
        )
        for each in earned.values():  # of two who are one person maybe of other days
            self._by_day[each.key].update(each.by_day)
        self._added: dict[tuple[CountKey, date], Counted] = defaultdict(Counted)

    @classmethod
    async def of(
        cls,
        ledger: Ledger,
        orders: Iterable[tuple[WalletKey, OrderFacts]],
        programs: Mapping[UUID, ProgramSettings],
    ) -> "PurchaseLimits":
        """For these orders; shops without limits cost nothing."""
        limited = {
            merchant: program for merchant, program in programs.items() if program.purchase.limits
        }
        asked: dict[CountKey, Days] = {}
        for wallet, facts in orders if limited else ():
            program = limited.get(wallet.merchant_id)
            if program is None or facts.test:
                continue
            key = CountKey(*wallet, PURCHASE)
            day = day_of(facts.created_at, program.time_zone)
            first, last = days_asked(program.purchase.limits, day)
            known = asked.get(key, Days(first, last))
            asked[key] = Days(min(first, known.first), max(last, known.last))
        if not asked:
            return cls({}, {})
        await ledger.lock_wallets({WalletKey(key.merchant_id, key.customer_id) for key in asked})
        return cls(limited, await ledger.earned(asked))

    @property
    def any(self) -> bool:
        """Whether any of the orders is limited, so that it matters which of them comes first."""
        return bool(self._earned)

    def room(self, wallet: WalletKey, facts: OrderFacts) -> int | None:
        """Points that an order may earn, or earn more; None for any number."""
        place = self._place(wallet, facts)
        if place is None:
            return None
        key, day = place
        program = self._programs[wallet.merchant_id]
        return room_for(program.purchase.limits, self._by_day[key], day).points

    def earn(self, wallet: WalletKey, facts: OrderFacts, due: Iterable[EntryDraft]) -> None:
        """Count what an order has earned."""
        place = self._place(wallet, facts)
        if place is None:
            return
        key, day = place
        each = earned_by(due)
        self._added[place] += each
        self._by_day[key][day] += each
        self._by_day[key][EVER] += each

    async def keep(self, ledger: Ledger) -> None:
        """Write down what was counted."""
        added = {place: each for place, each in self._added.items() if each != NOTHING}
        if added:
            await ledger.count(added)

    def _place(self, wallet: WalletKey, facts: OrderFacts) -> tuple[CountKey, date] | None:
        """Whose limits an order is about, and which day it counts on."""
        if not self._earned:
            return None
        earned = self._earned.get(CountKey(*wallet, PURCHASE))
        if earned is None:
            return None
        time_zone = self._programs[wallet.merchant_id].time_zone
        return earned.key, day_of(facts.created_at, time_zone)
