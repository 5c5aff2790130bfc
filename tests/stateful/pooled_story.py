"""Random stories of three stores that share a member's balance, told to the points service and to
the model at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from adapters.memory.rewards import MemoryRedeeming
from adapters.mongo.rewards import MongoRedeeming
from adapters.postgres.rewards import PostgresRedeeming
from contracts import rewards
from domain.errors import NotFound
from domain.points.ledger import EntryKind
from domain.points.wallet import EMPTY, InsufficientPoints, Wallet
from ports.ledger import WalletKey
from services.points.expiring import expire_points
from tests.services.counter import Counter
from tests.services.sharing import Stores
from tests.stateful.model import Lot, Model, Paid, Terms, turn
from tests.stateful.telling import Adapters, Told

STORES = ("here", "there", "elsewhere")


class PooledModel(Model):
    """A wallet goes by its store. ``in_turn`` is the order of stores where nothing else says who
    gives first; ``sharing`` are those that share a balance."""

    def __init__(self, now: datetime, in_turn: list[str]) -> None:
        super().__init__(Terms(), now)
        self.sharing: set[str] = set()
        self.in_turn = in_turn
        self._ends_at: datetime | None = None

    def _end(self) -> datetime | None:
        return self._ends_at

    def together(self, store: str) -> int:
        return sum(self.wallet(each).spendable for each in [store, *self._others(store)])

    def earn(self, store: str, points: int, ends_at: datetime | None) -> None:
        self._ends_at = ends_at
        self._credit(self.wallet(store), points, "", {})

    def take_back(self, store: str, points: int) -> None:
        self._debit(self.wallet(store), points)

    def buy(self, store: str, points: int) -> Paid | None:
        """Which lots paid, all of them here by then; None: there are not that many points."""
        if points > self.together(store):
            return None
        self._bring(store, points - self.wallet(store).spendable)
        return self.spend(store, points)

    def _others(self, store: str) -> list[str]:
        if store not in self.sharing:
            return []
        return [each for each in self.in_turn if each in self.sharing and each != store]

    def _bring(self, store: str, points: int) -> None:
        """First what expires first, wherever it is."""
        lots = [(lot, place) for place in self._others(store) for lot in self.wallet(place).lots]
        came: dict[str, Paid] = {}
        for lot, place in sorted(lots, key=lambda each: turn(each[0])):
            part = min(points, lot.left)
            if part > 0:
                points -= part
                lot.left -= part
                self.wallet(place).spendable -= part
                came.setdefault(place, {})[self._the_same(store, lot)] = part
        for place in self.in_turn:
            if place in came:
                self._credit(self.wallet(store), sum(came[place].values()), "", came[place])

    def _the_same(self, store: str, lot: Lot) -> Lot:
        """A lot of another store, as it is in this one."""
        lots = self.wallet(store).lots
        for each in lots:
            if each.number == lot.number:
                return each
        lots.append(Lot(lot.number, 0, lot.opened_at, lot.expires_at, lot.order))
        return lots[-1]


@dataclass
class Bought:
    store: str
    points: int
    redemption: rewards.Redemption
    paid: Paid


class PooledStory(Told):
    adapters = Adapters(MemoryRedeeming, PostgresRedeeming, MongoRedeeming)

    def __init__(self) -> None:
        super().__init__()
        self.stores = Stores(*self.place.open(self.adapters), self.place.clock)
        self.shops.update(each.merchant for each in self.stores.all)
        in_turn = sorted(STORES, key=lambda store: self._counter(store).merchant)
        self.model = PooledModel(self.stores.clock.now(), in_turn)
        self.bought: list[Bought] = []
        self.told = 0
        """Versions of who shares with whom."""
        self.rewards: dict[str, UUID] = {}
        self.given = 0

    @initialize(sharing=st.sets(st.sampled_from(STORES)))
    def begin(self, sharing: set[str]) -> None:
        terms = {"kind": "incremental", "cost": 0, "amount": "0.01", "step_points": 1}
        for store in STORES:
            offer = self._counter(store).offer(**terms, min_points=1, max_points=10_000)
            self.rewards[store] = self.run(offer)
            self.earn(store, 100, 0)
            self.tell(store, store in sharing)

    # --- what happens in a store ------------------------------------------------------------------

    @rule(
        store=st.sampled_from(STORES), points=st.integers(1, 300), days=st.sampled_from([0, 2, 9])
    )
    def earn(self, store: str, points: int, days: int) -> None:
        ends_at = self.model.now + timedelta(days=days) if days else None
        self.run(self.stores.gain(self._counter(store), points, ends_at))
        self.model.earn(store, points, ends_at)
        self.given += points

    @rule(store=st.sampled_from(STORES), points=st.integers(1, 200))
    def take_back(self, store: str, points: int) -> None:
        """For a refund: beyond what there is, if need be."""
        taken = self.stores.gain(self._counter(store), -points, kind=EntryKind.REFUND)
        self.run(taken)
        self.model.take_back(store, points)
        self.given -= points

    @rule(store=st.sampled_from(STORES), points=st.integers(1, 300))
    def buy(self, store: str, points: int) -> None:
        self._buy(store, points)

    @rule(store=st.sampled_from(STORES), more=st.sampled_from([0, 0, 1]))
    def buy_for_everything_there_is(self, store: str, more: int) -> None:
        points = self.model.together(store) + more
        if points > 0:
            self._buy(store, points)

    def _buy(self, store: str, points: int) -> None:
        paid = self.model.buy(store, points)
        try:
            redemption = self.run(self._counter(store).redeem(self.rewards[store], points))
        except InsufficientPoints:
            assert paid is None, "the model could have bought it"
            return
        assert paid is not None, "the model could not have bought it"
        self.bought.append(Bought(store, points, redemption, paid))

    @precondition(lambda self: self.bought)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        bought = self.bought.pop(data.draw(st.integers(0, len(self.bought) - 1)))
        self.run(self._counter(bought.store).cancel(bought.redemption))
        self.model.give_back(bought.store, bought.points, bought.paid)

    # --- who shares with whom ---------------------------------------------------------------------

    @rule(store=st.sampled_from(STORES), shares=st.booleans(), late=st.booleans())
    def tell(self, store: str, shares: bool, late: bool = False) -> None:
        """``late``: something newer was heard before."""
        self.told += 1
        tell = self.stores.link if shares else self.stores.unlink
        self.run(tell(self._counter(store), version=0 if late else self.told))
        if not late:
            (self.model.sharing.add if shares else self.model.sharing.discard)(store)

    # --- the calendar -----------------------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 30, 24 * 4]))
    def time_passes(self, hours: int) -> None:
        self.stores.clock.advance(hours=hours)
        self.model.now = self.stores.clock.now()
        self.run(expire_points(self.stores.units))
        self.model.expire()

    # --- what must be -----------------------------------------------------------------------------

    @invariant()
    def they_agree(self) -> None:
        type(self).steps += 1
        total = 0
        for store, (wallet, lots) in self.run(self._look()).items():
            expected = self.model.wallet(store)
            found = (wallet.spendable, wallet.pending, wallet.spent, wallet.expired)
            assert found == expected.numbers, store
            assert lots == expected.left, store
            total += wallet.spendable + wallet.spent + wallet.expired
        assert total == self.given, "points were made or lost"
        store = STORES[type(self).steps % len(STORES)]
        assert self.run(self._shown(self._counter(store))) == self.model.together(store)

    # --- how --------------------------------------------------------------------------------------

    def _counter(self, store: str) -> Counter:
        found: Counter = getattr(self.stores, store)
        return found

    async def _look(self) -> dict[str, tuple[Wallet, list[tuple[int, Any]]]]:
        """All stores in one transaction: beginning one costs more than what is read in it."""
        found = {}
        async with self.stores.units() as unit:
            for store in STORES:
                counter = self._counter(store)
                key = WalletKey(counter.merchant, counter.member)
                wallet = await unit.stores.wallet(key) or EMPTY
                shares = await unit.stores.lots(key, None, 1000)
                left = [(share.points, share.lot.life.expires_at) for share in shares]
                found[store] = wallet, sorted(left, key=lambda each: (str(each[1]), each[0]))
        return found

    async def _shown(self, counter: Counter) -> int:
        try:
            return (await self.stores.balance(counter)).spendable
        except NotFound:
            return 0
