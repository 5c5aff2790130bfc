"""What points are, told as simply as can be: the oracle of the stateful test.

It knows nothing of the product's rules and shares no code with them. One shop, its members, their
orders; everything is worked out anew with plain loops whenever something is told.
"""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import count
from zoneinfo import ZoneInfo


@dataclass
class Terms:
    """The program as far as the model knows one."""

    rate: Decimal = Decimal(1)
    moment: str = "created"
    pending_days: int = 0
    policy: str = "unlimited"
    expiry_days: int = 0
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


@dataclass(eq=False)
class Lot:
    number: int
    left: int
    opened_at: datetime
    expires_at: datetime | None
    order: str


@dataclass(frozen=True)
class Snapshot:
    """An order as it was told once."""

    at: datetime
    amount: Decimal
    paid: bool
    sent: bool
    cancelled: bool


Paid = dict[Lot, int]
"""Which lots paid how much, the first that was asked first."""


@dataclass
class Order:
    customer: str = ""
    told: list[Snapshot] = field(default_factory=list)
    refunds: dict[str, Decimal] = field(default_factory=dict)
    rate: Decimal | None = None
    """Of the program when it earned; None: it has not."""
    earned: int = 0
    settled: int = 0
    """What has been taken back, or let go by the policy."""
    taken: int = 0
    waits: bool = False
    pending: int = 0
    matures_at: datetime | None = None
    paid: Paid = field(default_factory=dict)


@dataclass
class Wallet:
    spendable: int = 0
    pending: int = 0
    spent: int = 0
    expired: int = 0
    lots: list[Lot] = field(default_factory=list)

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        return self.spendable, self.pending, self.spent, self.expired

    @property
    def left(self) -> list[tuple[int, datetime | None]]:
        """Points by when they expire."""
        return sorted(
            ((lot.left, lot.expires_at) for lot in self.lots if lot.left),
            key=lambda each: (str(each[1]), each[0]),
        )


class Model:
    def __init__(self, terms: Terms, now: datetime) -> None:
        self.terms = terms
        self.now = now
        self.orders: dict[str, Order] = {}
        self.wallets: dict[str, Wallet] = {}
        self._numbers = count()

    def wallet(self, customer: str) -> Wallet:
        return self.wallets.setdefault(customer, Wallet())

    # --- what shops tell --------------------------------------------------------------------

    def tell(self, order_id: str, customer: str, told: Snapshot) -> None:
        order = self.orders.setdefault(order_id, Order())
        order.customer = customer
        order.told.append(told)

    def tell_refund(self, order_id: str, refund_id: str, amount: Decimal) -> None:
        self.orders.setdefault(order_id, Order()).refunds[refund_id] = amount

    def settle(self, order_id: str) -> None:
        """Bring an order to what it should be, after whatever was told of it."""
        order = self.orders[order_id]
        if not order.told:
            return
        newest = max(order.told, key=lambda each: each.at)
        cancelled = any(each.cancelled for each in order.told)
        come = {
            "created": True,
            "paid": any(each.paid for each in order.told),
            "fulfilled": any(each.sent for each in order.told),
        }[self.terms.moment]
        if order.rate is None:
            points = int(newest.amount * self.terms.rate)
            if cancelled or not come or points == 0:
                return
            order.rate = self.terms.rate
            order.waits = self.terms.pending_days > 0
        edit = 0
        if not cancelled:
            points = int(newest.amount * order.rate)
            edit, order.earned = points - order.earned, points
        # What comes back does so before anything is taken.
        if edit > 0:
            self._move(order_id, edit)
        owed = self._owed(order_id, newest.amount, cancelled)
        if owed < 0:
            self._claw_back(order_id, owed)
        if edit < 0:
            self._move(order_id, edit)
        if owed > 0:
            self._claw_back(order_id, owed)

    def _owed(self, order_id: str, amount: Decimal, cancelled: bool) -> int:
        """What refunds take beyond what is settled."""
        order = self.orders[order_id]
        returned = sum(order.refunds.values(), Decimal(0))
        if cancelled or (returned > 0 and returned >= amount):
            target = order.earned
        elif amount > 0:
            target = min(int(order.earned * returned // amount), order.earned)
        else:
            target = 0
        return target - order.settled

    def _claw_back(self, order_id: str, owed: int) -> None:
        order = self.orders[order_id]
        takes = max(owed, -order.taken)
        if not order.waits:
            if self.terms.policy == "only_pending":
                takes = min(takes, 0)
            elif self.terms.policy == "within_balance":
                takes = min(takes, max(0, self.wallet(order.customer).spendable))
        self._move(order_id, -takes, back=True)
        order.taken += takes
        order.settled += owed

    def _move(self, order_id: str, points: int, *, back: bool = False) -> None:
        order = self.orders[order_id]
        wallet = self.wallet(order.customer)
        if order.waits:
            wallet.pending += points
            order.pending += points
            if points > 0 and order.matures_at is None:
                order.matures_at = self.now + timedelta(days=self.terms.pending_days)
        elif points > 0:
            self._credit(wallet, points, order_id, order.paid if back else {})
        elif points < 0:
            for lot, took in self._debit(wallet, -points, order_id).items():
                order.paid[lot] = order.paid.get(lot, 0) + took

    # --- what members do ----------------------------------------------------------------------

    def spend(self, customer: str, points: int) -> Paid | None:
        """Which lots paid; None: there are not that many points."""
        wallet = self.wallet(customer)
        if points > wallet.spendable:
            return None
        wallet.spent += points
        return self._debit(wallet, points)

    def give_back(self, customer: str, points: int, paid: Paid) -> None:
        wallet = self.wallet(customer)
        wallet.spent -= points
        self._credit(wallet, points, "", paid)

    def adjust(self, customer: str, points: int) -> bool:
        wallet = self.wallet(customer)
        if wallet.spendable + points < 0 and points < 0:
            return False
        if points > 0:
            self._credit(wallet, points, "", {})
        else:
            self._debit(wallet, -points)
        return True

    # --- what the calendar does -----------------------------------------------------------------

    def release(self) -> None:
        # Of orders that mature at one look, their names say whose lot is the older one.
        for order_id, order in sorted(self.orders.items()):
            if order.matures_at is not None and order.matures_at <= self.now:
                order.matures_at = None
                if order.pending > 0:
                    points, order.pending, order.waits = order.pending, 0, False
                    wallet = self.wallet(order.customer)
                    wallet.pending -= points
                    self._credit(wallet, points, order_id, {})

    def expire(self) -> None:
        for wallet in self.wallets.values():
            for lot in wallet.lots:
                if lot.expires_at is not None and lot.expires_at <= self.now:
                    wallet.spendable -= lot.left
                    wallet.expired += lot.left
                    lot.left = 0

    # --- lots -----------------------------------------------------------------------------------

    def _credit(self, wallet: Wallet, points: int, order_id: str, back_to: Paid) -> None:
        debt = max(0, -wallet.spendable)
        wallet.spendable += points
        points -= min(points, debt)
        for lot in reversed(list(back_to)):
            back = min(points, back_to[lot])
            lot.left += back
            back_to[lot] -= back
            points -= back
            if back and lot not in wallet.lots:
                wallet.lots.append(lot)
        if points:
            wallet.lots.append(Lot(next(self._numbers), points, self.now, self._end(), order_id))

    def _debit(self, wallet: Wallet, points: int, order_id: str = "") -> Paid:
        left = min(points, max(0, wallet.spendable))
        wallet.spendable -= points
        paid: Paid = {}
        own = [lot for lot in wallet.lots if order_id and lot.order == order_id]
        for lots in (own, wallet.lots):
            for lot in sorted(lots, key=turn):
                part = min(left, lot.left)
                if part:
                    lot.left -= part
                    left -= part
                    paid[lot] = paid.get(lot, 0) + part
        assert left == 0, "the model itself lost points"
        return paid

    def _end(self) -> datetime | None:
        if not self.terms.expiry_days:
            return None
        day = self.now.astimezone(self.terms.zone).date()
        last = day + timedelta(days=self.terms.expiry_days + 1)
        return datetime.combine(last, time(), self.terms.zone).astimezone(ZoneInfo("UTC"))


def turn(lot: Lot) -> tuple[bool, datetime, datetime, int]:
    return (lot.expires_at is None, lot.expires_at or lot.opened_at, lot.opened_at, lot.number)
