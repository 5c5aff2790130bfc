"""Lots on every adapter of the ledger port: they add up, and the right ones pay."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from domain.errors import NotFound, Unavailable
from domain.merging import ToldMerge
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life, Lot, Share
from domain.points.lots import Lots, expiry_entry, undoing
from domain.points.merging import transfers
from domain.points.wallet import Wallet
from ports.ledger import Ageing, Ledger, NewEntry, PostedEntry, WalletKey
from ports.unit import Units
from services.points.expiring import expire_points
from tests.ports.entries import AT, entry
from tests.ports.stores import IDS

DAY = timedelta(days=1)
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
"""Before whatever other tests leave to be looked at."""


def until(days: int) -> Life:
    return Life(AT + days * DAY)


async def post(units: Units[Ledger], *entries: NewEntry) -> Sequence[PostedEntry]:
    async with units() as unit:
        return await unit.stores.post(entries)


async def left(units: Units[Ledger], key: WalletKey) -> list[Share]:
    async with units() as unit:
        return list(await unit.stores.lots(key, None, 1_000))


def lot_of(opened: NewEntry, points: int = 0) -> Lot:
    return Lot(
        opened.entry_id, points or opened.draft.points, opened.at, opened.life,
        opened.draft.order_id,
    )  # fmt: skip


async def test_credits_open_lots_and_debits_say_which_paid(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    late, soon, ever = (entry(wallet, 10, life=life) for life in (until(9), until(5), FOREVER))
    waiting = entry(wallet, 10, pending=True, order_id="o1")
    await post(units, ever, late, waiting, soon)
    assert await left(units, wallet) == [Share(lot_of(each), 10) for each in (soon, late, ever)]
    (posted,) = await post(units, entry(wallet, -14, kind=EntryKind.REDEEM))
    uses = (Share(lot_of(soon), 10), Share(lot_of(late), 4))
    assert posted.entry.draft.uses == uses
    assert await left(units, wallet) == [Share(lot_of(late), 6), Share(lot_of(ever), 10)]
    async with units() as unit:
        history = await unit.stores.history(wallet, None, 10)
        assert await unit.stores.lots(WalletKey(uuid4(), wallet.customer_id), None, 9) == []
    assert history[0].draft == posted.entry.draft
    lives = {each.entry_id: each.life for each in history}
    assert [lives[each.entry_id] for each in (late, ever)] == [until(9), FOREVER]


async def test_lots_come_page_by_page(units: Units[Ledger], wallet: WalletKey) -> None:
    lives = [until(3), FOREVER, Life(None, 4), until(3), until(1), FOREVER]
    await post(units, *(entry(wallet, n + 1, life=life) for n, life in enumerate(lives)))
    found: list[Share] = []
    async with units() as unit:
        while page := await unit.stores.lots(wallet, found[-1] if found else None, 2):
            found += page
    assert [each.points for each in found] == [5, 1, 4, 2, 3, 6]


async def test_an_orders_own_lots_pay_first_and_its_entries_know(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    other = entry(wallet, 50, life=until(1))
    earned = entry(wallet, 30, life=until(9), order_id="o1", source="order")
    await post(units, other, earned)
    back = entry(wallet, -40, order_id="o1", source="refund", kind=EntryKind.REFUND)
    (taken,) = await post(units, back)
    assert taken.entry.draft.uses == (Share(lot_of(earned), 30), Share(lot_of(other), 10))
    recount = entry(wallet, 35, order_id="o1", uses=taken.entry.draft.uses, life=until(99))
    await post(units, recount)
    assert await left(units, wallet) == [Share(lot_of(other), 50), Share(lot_of(earned), 25)]


async def test_a_debt_is_paid_first(units: Units[Ledger], wallet: WalletKey) -> None:
    await post(units, entry(wallet, 10), entry(wallet, -25))
    assert await left(units, wallet) == []
    await post(units, entry(wallet, 5))
    rest, more = entry(wallet, 17, life=until(3)), entry(wallet, 1)
    await post(units, rest, more)
    assert await left(units, wallet) == [Share(lot_of(rest, 7), 7), Share(lot_of(more), 1)]


async def test_what_undoes_a_debit_goes_back_to_the_lots_that_paid_and_once(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    soon, late = entry(wallet, 10, life=until(5)), entry(wallet, 10, life=until(9))
    spent = entry(wallet, -15, kind=EntryKind.REDEEM)
    await post(units, soon, late, spent)
    undo: dict[str, Any] = {
        "undoes": spent.entry_id,
        "kind": EntryKind.REVERSAL,
        "reverses": EntryKind.REDEEM,
    }
    counts = [
        len(await post(units, entry(wallet, 15, name, life=until(99), **undo)))
        for name in ("code expired", "code expired", "by hand")
    ]
    assert counts == [1, 0, 0]
    assert await left(units, wallet) == [Share(lot_of(soon), 10), Share(lot_of(late), 10)]
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=20)
    # Both in one batch, and of an entry that nobody has, or another member.
    spent = entry(wallet, -20, kind=EntryKind.REDEEM)
    await post(units, spent)
    undo["undoes"] = spent.entry_id
    twice = [entry(wallet, 20, name, **undo) for name in ("one", "two")]
    assert len(await post(units, *twice)) == 1
    for key, undone in ((wallet, uuid4()), (WalletKey(wallet.merchant_id, uuid4()), soon.entry_id)):
        with pytest.raises(NotFound):
            await post(units, entry(key, -10, undoes=undone))


async def test_an_undone_credit_is_taken_from_its_lot_and_an_undone_expiry_lives_anew(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    soon, late = entry(wallet, 10, life=until(5)), entry(wallet, 10, life=until(9))
    await post(units, soon, late)
    (undone,) = await post(units, entry(wallet, -10, undoes=late.entry_id))
    assert undone.entry.draft.uses == (Share(lot_of(late), 10),)
    gone = entry(wallet, 0)
    gone = replace(gone, draft=expiry_entry(Share(lot_of(soon), 10), 3))
    (expired,) = await post(units, gone)
    assert expired.wallet == Wallet(expired=10)
    back = entry(wallet, 10, life=until(50), undoes=gone.entry_id)
    await post(units, back)
    assert await left(units, wallet) == [Share(lot_of(back), 10)]


async def merge(units: Units[Ledger], kept: WalletKey, merged: WalletKey, version: int) -> None:
    async with units() as unit:
        told = ToldMerge(merged.customer_id, kept.customer_id, version)
        entries = [
            NewEntry(IDS.new(), key, draft, AT)
            for each in await unit.stores.merge(kept.merchant_id, [told])
            for transfer in transfers(each.merged.customer_id, each.wallet, each.version, each.lots)
            for key, draft in ((each.merged, transfer.taken), (each.kept, transfer.given))
        ]
        await unit.stores.post(entries)


async def test_lots_go_over_to_who_is_kept_as_they_are(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    old = WalletKey(wallet.merchant_id, uuid4())
    theirs, mine = entry(old, 30, life=until(3)), entry(wallet, 5, life=until(9))
    spent = entry(old, -10, kind=EntryKind.REDEEM)
    await post(units, theirs, spent, mine, entry(old, 7, pending=True, order_id="o1"))
    await merge(units, wallet, old, 1)
    both = [Share(lot_of(theirs), 20), Share(lot_of(mine), 5)]
    assert await left(units, wallet) == await left(units, old) == both
    # What the old wallet had spent comes back to the lot that paid, wherever that is now.
    undo: dict[str, Any] = {
        "undoes": spent.entry_id,
        "kind": EntryKind.REVERSAL,
        "reverses": EntryKind.REDEEM,
    }
    await post(units, entry(old, 10, **undo))
    assert (await left(units, wallet))[0] == Share(lot_of(theirs), 30)
    # The other way round, and with debts on either side.
    await post(units, entry(wallet, -40))
    await merge(units, old, wallet, 2)
    async with units() as unit:
        held = await unit.stores.wallet(old)
        assert held is not None
        assert (held.spendable, held.pending) == (-5, 7)
    fresh = WalletKey(wallet.merchant_id, uuid4())
    one, two = entry(fresh, 4, life=until(3)), entry(fresh, 6, life=until(4))
    await post(units, one, two)
    await merge(units, old, fresh, 3)
    assert await left(units, fresh) == [Share(lot_of(two), 5)]


async def test_idle_days_begin_with_the_last_activity_of_all_who_are_one(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    old, shop = WalletKey(wallet.merchant_id, uuid4()), wallet.merchant_id
    given = entry(wallet, 10, life=Life(None, 30))
    dated = [entry(wallet, points, life=until(40)) for points in (1, 2)]
    await post(units, given, *dated, entry(wallet, 100))
    ageing = {Ageing(10, Life(None, 30), AT), Ageing(3, until(40), AT + 40 * DAY)}

    async def found(key: WalletKey) -> set[Ageing]:
        async with units() as unit:
            told = await unit.stores.ageing(shop, [key.customer_id, uuid4()])
        assert set(told) <= {key.customer_id}
        rows = list(told.get(key.customer_id, ()))
        dated = [each for each in rows if each.life.expires_at]
        rest = [each for each in rows if not each.life.expires_at]
        points = sum(each.points for each in dated)
        ends = {each.life for each in dated}
        return {*rest, *(Ageing(points, life, AT + 40 * DAY) for life in ends)}

    assert await found(wallet) == ageing
    assert await found(old) == set()
    bought = replace(entry(old, 1, kind=EntryKind.EARN), at=AT + 5 * DAY)
    await post(units, bought, replace(entry(wallet, 1, kind=EntryKind.EARN), at=AT + DAY))
    await post(units, replace(entry(wallet, 1), at=AT + 9 * DAY))  # by hand is not being active
    assert Ageing(10, Life(None, 30), AT + DAY) in await found(wallet)
    await merge(units, wallet, old, 1)
    assert Ageing(10, Life(None, 30), AT + 5 * DAY) in await found(wallet)
    assert await found(old) == await found(wallet)


async def test_wallets_are_handed_out_to_be_looked_at(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    other = WalletKey(wallet.merchant_id, uuid4())
    at = LONG_AGO
    opened = replace(entry(wallet, 9, life=until(3), kind=EntryKind.EARN), at=at, look_at=at + DAY)
    later = replace(entry(wallet, 1, life=until(5)), at=at, look_at=at + 3 * DAY)
    await post(units, opened, later, replace(entry(other, 5), at=at, look_at=at + 2 * DAY))
    async with units() as unit:
        assert not await unit.stores.take_ageing(at + DAY - timedelta(seconds=1), 9)
        (found,) = await unit.stores.take_ageing(at + DAY, 9)
        assert (found.key, found.wallet, found.version) == (wallet, Wallet(spendable=10), 2)
        assert found.lots == (Share(lot_of(opened), 9), Share(lot_of(later), 1))
        assert (found.active_at, found.looked_at) == (at, at)
        await unit.stores.look_again(at + DAY, {wallet: at + 2 * DAY})
    async with units() as unit:
        assert not await unit.stores.take_ageing(at + DAY, 9)
        assert len(await unit.stores.take_ageing(at + 2 * DAY, 1)) == 1
        both = await unit.stores.take_ageing(at + 2 * DAY, 9)
        assert {each.key: each.looked_at for each in both} == {wallet: at + DAY, other: at}
        await unit.stores.look_again(at + 2 * DAY, {wallet: at + 9 * DAY, other: None})
    # Only what comes sooner changes when to look; what comes back is looked at at once.
    spent = replace(entry(wallet, -9, kind=EntryKind.REDEEM), at=at + 2 * DAY)
    await post(units, replace(entry(wallet, 1), at=at, look_at=at + 12 * DAY), spent)
    async with units() as unit:
        assert not await unit.stores.take_ageing(at + 8 * DAY, 9)
    await post(units, replace(entry(wallet, 9, undoes=spent.entry_id), at=at + 3 * DAY))
    async with units() as unit:
        (found,) = await unit.stores.take_ageing(at + 3 * DAY, 9)
        assert (found.key, found.looked_at) == (wallet, at + 2 * DAY)
        await unit.stores.look_again(at + 3 * DAY, {wallet: None})
    async with units() as unit:
        assert not await unit.stores.take_ageing(at + 99 * DAY, 9)


async def test_two_who_look_at_once_share_the_wallets(units: Units[Ledger]) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, uuid4()) for _ in range(12)]
    await post(units, *(replace(entry(key, 5), at=LONG_AGO, look_at=LONG_AGO) for key in keys))
    looked: list[WalletKey] = []

    async def look() -> None:
        while True:
            try:
                async with units() as unit:
                    found = await unit.stores.take_ageing(LONG_AGO, 5)
                    await unit.stores.look_again(LONG_AGO, {each.key: None for each in found})
                    looked.extend(each.key for each in found)
            except Unavailable:
                continue  # the other was quicker to one of them
            if not found:
                return

    await asyncio.gather(look(), look(), look())
    while len(looked) < len(keys):  # what the others held when they found no more
        await look()
    assert sorted(looked) == sorted(keys)


async def test_spending_and_earning_at_once_keeps_lots_and_wallet_together(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    await post(units, *(entry(wallet, 10, life=until(n % 4 + 1)) for n in range(10)))

    async def spend(points: int) -> None:
        while True:
            try:
                await post(units, entry(wallet, -points), entry(wallet, 3))
            except Unavailable:
                continue
            return

    await asyncio.gather(*(spend(n % 9 + 1) for n in range(20)))
    async with units() as unit:
        found = await unit.stores.wallet(wallet)
        history = await unit.stores.history(wallet, None, 100)
    assert found is not None
    assert sum(share.points for share in await left(units, wallet)) == found.spendable
    taken: dict[UUID, int] = defaultdict(int)
    opened = {each.entry_id: each.draft.points for each in history if each.draft.points > 0}
    for each in history:
        for share in each.draft.uses:
            taken[share.lot.lot_id] += share.points
    remaining = {each.lot.lot_id: each.points for each in await left(units, wallet)}
    assert remaining == {
        lot_id: points - taken[lot_id]
        for lot_id, points in opened.items()
        if points > taken[lot_id]
    }


async def test_expiring_while_members_spend_and_merge_takes_every_point_once(
    units: Units[Ledger],
) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, uuid4()) for _ in range(12)]
    gone, stays = Life(LONG_AGO + DAY), FOREVER
    opened = [
        replace(entry(key, 10, life=life), at=LONG_AGO, look_at=life.expires_at)
        for key in keys
        for life in (gone, stays, gone, stays)
    ]
    await post(units, *opened)

    async def insist(work: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await work()
            except Unavailable:  # two came to the same at the same moment
                continue
            return

    async def spend(key: WalletKey) -> None:
        async with units() as unit:
            held = (await unit.stores.lock_wallets([key]))[key]
            if held.spendable >= 7:
                await unit.stores.post([entry(key, -7, kind=EntryKind.REDEEM)])

    work = [partial(spend, key) for key in keys for _ in range(2)]
    work[3:3] = work[9:9] = [partial(expire_points, units)]
    work += [partial(merge, units, keys[n], keys[n + 6], 1) for n in range(5)]
    await asyncio.gather(*(insist(each) for each in work))
    await insist(partial(expire_points, units))

    left_in: dict[UUID, int] = defaultdict(int)
    spendable = 0
    async with units() as unit:
        found = await unit.stores.wallets(shop, [key.customer_id for key in keys])
        history = [
            line
            for key in (*keys[:6], keys[11])
            for line in await unit.stores.history(key, None, 1_000)
        ]
        for key in (*keys[:6], keys[11]):
            spendable += found[key.customer_id].spendable
            for share in await unit.stores.lots(key, None, 100):
                assert share.lot.life == stays
                left_in[share.lot.lot_id] += share.points
    assert sum(left_in.values()) == spendable == sum(line.draft.points for line in history)
    used: dict[UUID, int] = defaultdict(int)
    for line in history:
        if line.draft.kind in (EntryKind.REDEEM, EntryKind.EXPIRE):
            for share in line.draft.uses:
                used[share.lot.lot_id] += share.points
    assert {each.entry_id: 10 for each in opened} == {
        each.entry_id: used[each.entry_id] + left_in[each.entry_id] for each in opened
    }


class Story:
    """Batches of anything, some of it told before, and what the rules alone say of it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.shop = uuid4()
        self.keys = [WalletKey(self.shop, UUID(int=n + 1)) for n in range(3)]
        self.lots = {key: Lots(0) for key in self.keys}
        self.told: list[NewEntry] = []
        self.posted: dict[UUID, NewEntry] = {}
        self.undone: set[UUID] = set()

    def batch(self) -> list[NewEntry]:
        found = (self._next() for _ in range(self.chance.randint(1, 6)))
        return [each for each in found if each is not None]

    def _next(self) -> NewEntry | None:
        key, points = self.chance.choice(self.keys), self.chance.randint(1, 50)
        order_id = self.chance.choice(["", "", "o1", "o2"])
        life = self.chance.choice([FOREVER, until(2), until(2), until(5), Life(None, 9)])
        what = self.chance.choice(["earn", "earn", "spend", "back", "wait", "again", "end", "undo"])
        match what:
            case "earn":
                return entry(key, points, life=life, order_id=order_id)
            case "spend":
                return entry(key, -points, kind=EntryKind.REDEEM)
            case "back":
                return entry(key, -points, order_id=order_id, kind=EntryKind.REFUND)
            case "wait":
                return entry(key, points, pending=True, order_id=order_id)
            case "again" if self.told:
                return self.chance.choice(self.told)
            case "end" if shares := self.lots[key].open():
                gone = expiry_entry(self.chance.choice(shares), self.chance.getrandbits(60))
                return replace(entry(key, 0), draft=gone)
            case "undo":
                return self._undo(key)
        return None

    def _undo(self, key: WalletKey) -> NewEntry | None:
        free = [
            each
            for each in self.posted.values()
            if each.wallet == key and each.entry_id not in self.undone and each.draft.points
        ]
        if not free:
            return None
        each = self.chance.choice(free)
        self.undone.add(each.entry_id)
        changes: dict[str, Any] = {"undoes": each.entry_id, "pending": each.draft.pending}
        return entry(key, -each.draft.points, **changes)

    def apply(self, batch: Sequence[NewEntry]) -> dict[UUID, EntryDraft]:
        """By entry, what was posted with it."""
        found = {}
        for new in batch:
            if new in self.told:
                continue
            self.told.append(new)
            draft = new.draft
            if draft.undoes is not None:
                draft = undoing(draft, self.posted[draft.undoes].draft)
            uses = self.lots[new.wallet].apply(new.entry_id, draft, new.at, new.life)
            found[new.entry_id] = draft = draft._replace(uses=uses)
            self.posted[new.entry_id] = replace(new, draft=draft)
        return found


@pytest.mark.parametrize("seed", range(3))
async def test_a_store_keeps_what_the_rules_say(units: Units[Ledger], seed: int) -> None:
    story = Story(seed)
    for _ in range(20):
        batch = story.batch()
        expected = story.apply(batch)
        posted = {each.entry.entry_id: each.entry.draft for each in await post(units, *batch)}
        assert posted == expected
        for key in story.keys:
            assert await left(units, key) == story.lots[key].open()
    async with units() as unit:
        for key in story.keys:
            wallet = await unit.stores.wallet(key)
            assert wallet is not None
            assert wallet.spendable == story.lots[key].spendable
            for each in await unit.stores.history(key, None, 1_000):
                assert each.draft == story.posted[each.entry_id].draft
