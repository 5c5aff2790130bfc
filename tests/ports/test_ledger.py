"""One suite over every adapter of the ledger port: races, rollbacks and repeats included."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from domain.errors import Unavailable
from domain.merging import ToldMerge
from domain.points.bonus import Buyer, OrderLine
from domain.points.ledger import EntryKind, due_entries
from domain.points.merging import transfers
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import EMPTY, InsufficientPoints, Wallet, adjustment
from domain.program import defaults
from ports.earning import (
    BuyerFacts,
    BuyerKey,
    CollectionFacts,
    GoodsFacts,
    GoodsKey,
    KnownGoods,
)
from ports.ledger import Ledger, NewEntry, OrderKey, WalletKey
from ports.unit import Units
from tests.ports.entries import AT, entry
from tests.ports.stores import IDS


def facts(key: WalletKey, order_id: str = "o1") -> OrderFacts:
    return OrderFacts(
        order_id=order_id, customer_id=key.customer_id, currency="USD", financial_status="paid",
        created_at=AT, updated_at=AT, merchandise=Decimal("100.10"),
    )  # fmt: skip


async def test_what_was_learnt_is_known_to_the_next_transaction(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    key = OrderKey(wallet.merchant_id, "o1")
    other = OrderKey(uuid4(), "o1")  # the same order id in another shop
    refund = RefundFacts("r1", "o1", Decimal("10.5"), AT)
    async with units() as unit:
        before = await unit.stores.lock_orders([key, other])
        assert before[key] == before[other]
        assert (before[key].facts, before[key].refunds, before[key].entries) == (None, (), ())
        await unit.stores.learn_refunds({key: [refund, replace(refund, merchandise=Decimal(9))]})
        await unit.stores.learn_orders({key: facts(wallet)})
        due = due_entries(facts(wallet), [refund], [], defaults("USD"))
        posted = await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT) for draft in due])
    async with units() as unit:
        after = await unit.stores.lock_orders([key, other])
        assert after[key].facts == facts(wallet)
        assert after[key].refunds == (refund,)
        assert after[key].entries == tuple(each.entry.draft for each in posted)
        assert after[key].earner == wallet.customer_id
        assert after[other].facts is None


async def test_an_order_can_be_learnt_again_in_one_transaction(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    first, second = (OrderKey(wallet.merchant_id, order_id) for order_id in ("o1", "o2"))
    told = {key: facts(wallet, key.order_id) for key in (first, second)}
    paid_later = replace(told[first], merchandise=Decimal(20))
    async with units() as unit:
        await unit.stores.lock_orders([first])
        await unit.stores.learn_orders({first: told[first]})
        await unit.stores.learn_orders({first: paid_later})
        assert (await unit.stores.lock_orders([first, second]))[first].facts == paid_later
        await unit.stores.learn_orders(told)
    async with units() as unit:
        await unit.stores.lock_orders([first])
        await unit.stores.learn_orders({first: paid_later})
    async with units() as unit:
        known = await unit.stores.lock_orders([first, second])
    assert known[first].facts == paid_later
    assert known[second].facts == told[second]


async def test_an_entry_is_posted_once(units: Units[Ledger], wallet: WalletKey) -> None:
    first = entry(wallet, 10, "same")
    async with units() as unit:
        (posted,) = await unit.stores.post([first])
        assert (posted.wallet, posted.version) == (Wallet(spendable=10), 1)
    async with units() as unit:
        again = [entry(wallet, 10, "same"), entry(wallet, 5), entry(wallet, -3, pending=True)]
        posted_now = await unit.stores.post(again)
    assert [each.entry.draft.points for each in posted_now] == [5, -3]
    assert [each.version for each in posted_now] == [2, 3]
    assert posted_now[-1].wallet == Wallet(spendable=15, pending=-3)
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=15, pending=-3)


async def test_spending_and_expiry_are_counted(units: Units[Ledger], wallet: WalletKey) -> None:
    async with units() as unit:
        await unit.stores.post(
            [
                entry(wallet, 100),
                entry(wallet, -30, kind=EntryKind.REDEEM),
                entry(wallet, -20, kind=EntryKind.EXPIRE),
            ]
        )
    async with units() as unit:
        found = await unit.stores.wallet(wallet)
    assert found == Wallet(spendable=50, spent=30, expired=20)
    assert found is not None
    assert found.lifetime == 100


async def test_an_error_leaves_nothing(units: Units[Ledger], wallet: WalletKey) -> None:
    key = OrderKey(wallet.merchant_id, "o1")

    async def fail() -> None:
        async with units() as unit:
            await unit.stores.lock_orders([key])
            await unit.stores.learn_orders({key: facts(wallet)})
            await unit.stores.post([entry(wallet, 10)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with units() as unit:
        assert await unit.stores.wallet(wallet) is None
        assert (await unit.stores.lock_orders([key]))[key].facts is None


async def test_twenty_at_once_never_overspend(units: Units[Ledger], wallet: WalletKey) -> None:
    async with units() as unit:
        await unit.stores.post([entry(wallet, 100)])

    async def spend() -> bool:
        async with units() as unit:
            held = (await unit.stores.lock_wallets([wallet]))[wallet]
            try:
                draft = adjustment(held, -30, "race", str(uuid4()))
            except InsufficientPoints:
                return False
            await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT)])
            return True

    assert sum(await asyncio.gather(*(spend() for _ in range(20)))) == 3
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=10)


async def test_an_order_told_twenty_times_at_once_earns_once(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    key = OrderKey(wallet.merchant_id, "o1")

    async def tell() -> None:
        async with units() as unit:
            known = (await unit.stores.lock_orders([key]))[key]
            await unit.stores.learn_orders({key: facts(wallet)})
            due = due_entries(facts(wallet), known.refunds, known.entries, defaults("USD"))
            await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT) for draft in due])

    await asyncio.gather(*(tell() for _ in range(20)))
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=100)
        assert len((await unit.stores.lock_orders([key]))[key].entries) == 1


async def test_many_wallets_in_any_order_do_not_deadlock(units: Units[Ledger]) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, uuid4()) for _ in range(10)]

    async def give(arranged: list[WalletKey]) -> None:
        async with units() as unit:
            await unit.stores.post([entry(key, 1) for key in arranged])

    await asyncio.gather(*(give(keys if n % 2 else keys[::-1]) for n in range(20)))
    async with units() as unit:
        found = await unit.stores.wallets(shop, [key.customer_id for key in keys])
    assert set(found.values()) == {Wallet(spendable=20)}


async def test_a_new_wallet_can_be_held(units: Units[Ledger], wallet: WalletKey) -> None:
    async with units() as unit:
        assert (await unit.stores.lock_wallets([wallet]))[wallet] == EMPTY
    async with units() as unit:
        assert await unit.stores.wallet(wallet) is None  # looking is not having points


async def test_history_is_newest_first_and_of_this_member_only(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    neighbour = WalletKey(wallet.merchant_id, uuid4())
    mine = [entry(wallet, number + 1) for number in range(4)]
    async with units() as unit:
        await unit.stores.post([*mine, entry(neighbour, 99)])
    async with units() as unit:
        page = await unit.stores.history(wallet, None, 3)
        rest = await unit.stores.history(wallet, page[-1].entry_id, 3)
    assert [each.draft.points for each in (*page, *rest)] == [4, 3, 2, 1]
    assert page[0].at == AT
    stranger = WalletKey(uuid4(), wallet.customer_id)
    async with units() as unit:
        assert list(await unit.stores.history(stranger, None, 3)) == []
        assert await unit.stores.wallet(stranger) is None


async def test_matured_orders_are_handed_out_once(units: Units[Ledger], wallet: WalletKey) -> None:
    due = AT - timedelta(days=900)  # before whatever other tests leave waiting
    waiting = entry(wallet, 10, pending=True, order_id="o1", source="order")
    async with units() as unit:
        await unit.stores.post([structs.replace(waiting, matures_at=due)])
    async with units() as unit:
        assert not await unit.stores.take_matured(due - timedelta(seconds=1), 10)
        assert list(await unit.stores.take_matured(due, 10)) == [OrderKey(wallet.merchant_id, "o1")]
    async with units() as unit:
        assert not await unit.stores.take_matured(due, 10)


async def test_the_newest_program_stays(units: Units[Ledger]) -> None:
    shop: UUID = uuid4()
    async with units() as unit:
        assert await unit.stores.programs([shop]) == {}
        await unit.stores.learn_programs({shop: replace(defaults("EUR"), version=3)})
        await unit.stores.learn_programs({shop: replace(defaults("EUR"), version=2)})
    async with units() as unit:
        assert (await unit.stores.programs([shop]))[shop] == replace(defaults("EUR"), version=3)


async def merge(units: Units[Ledger], shop: UUID, *told: tuple[UUID, UUID, int]) -> int:
    """Merge (merged, kept, version), moving what is to be moved; how many entries that took."""
    async with units() as unit:
        left = await unit.stores.merge(shop, [ToldMerge(*each) for each in told])
        entries = [
            NewEntry(IDS.new(), key, draft, AT)
            for each in left
            for transfer in transfers(each.merged.customer_id, each.wallet, each.version, each.lots)
            for key, draft in ((each.merged, transfer.taken), (each.kept, transfer.given))
        ]
        return len(await unit.stores.post(entries))


async def balances(units: Units[Ledger], *keys: WalletKey) -> list[Wallet | None]:
    async with units() as unit:
        return [await unit.stores.wallet(key) for key in keys]


async def test_a_merged_member_has_the_wallet_of_who_is_kept(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    old = WalletKey(wallet.merchant_id, uuid4())
    stranger = WalletKey(uuid4(), old.customer_id)  # the same id in another shop
    before = entry(old, 100)
    async with units() as unit:
        await unit.stores.post(
            [
                entry(wallet, 7), before, entry(old, 20, pending=True),
                entry(old, -30, kind=EntryKind.REDEEM), entry(stranger, 1),
            ]
        )  # fmt: skip
    assert await merge(units, old.merchant_id, (old.customer_id, wallet.customer_id, 1)) == 4
    both = Wallet(spendable=77, pending=20, spent=30)
    assert await balances(units, wallet, old) == [both, both]
    assert await balances(units, stranger) == [Wallet(spendable=1)]
    # Whatever comes later under the old id, of old orders too, is the kept member's.
    async with units() as unit:
        later = [entry(old, 5), entry(old, -20, pending=True), before, entry(wallet, 1)]
        posted = await unit.stores.post(later)
    assert [each.entry.wallet for each in posted] == [wallet] * 3
    assert posted[-1].wallet == Wallet(spendable=83)
    async with units() as unit:
        held = await unit.stores.lock_wallets([old, wallet, stranger])
        assert held == {old: posted[-1].wallet, wallet: posted[-1].wallet, stranger: Wallet(1)}
        assert await unit.stores.wallets(
            old.merchant_id, [old.customer_id, wallet.customer_id, uuid4()]
        ) == {each.customer_id: Wallet(spendable=83, spent=30) for each in (old, wallet)}
        history = await unit.stores.history(old, None, 100)
        first = await unit.stores.history(wallet, None, 4)
        rest = await unit.stores.history(wallet, first[-1].entry_id, 100)
    assert [*first, *rest] == list(history)
    assert sorted(each.entry_id for each in history) == [
        each.entry_id for each in reversed(history)
    ]
    assert len(history) == 4 + 4 + 3
    assert sum(each.draft.points for each in history) == 83


async def test_merges_are_learnt_in_any_order_and_number(units: Units[Ledger]) -> None:
    shop, a, b, c = (uuid4() for _ in range(4))
    told = [(a, b, 1), (b, c, 2), (a, c, 2), (c, a, 3), (b, a, 3)]
    keys = [WalletKey(shop, each) for each in (a, b, c)]
    for order in (told, told[::-1], [told[3], told[1], told[4], told[0], told[2]]):
        shop = uuid4()
        keys = [WalletKey(shop, each) for each in (a, b, c)]
        async with units() as unit:
            await unit.stores.post([entry(key, 2**n, str(n)) for n, key in enumerate(keys)])
        for each in order:
            await merge(units, shop, each)
        assert await merge(units, shop, *told) == 0
        assert await balances(units, *keys) == [Wallet(spendable=7)] * 3
        async with units() as unit:
            (posted,) = await unit.stores.post([entry(keys[1], 1)])
        assert posted.entry.wallet == keys[0]
        assert posted.wallet == Wallet(spendable=8)


async def test_a_debt_moves_too_and_a_member_never_heard_of_can_be_merged(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    shop, nobody, debtor = wallet.merchant_id, uuid4(), WalletKey(wallet.merchant_id, uuid4())
    async with units() as unit:
        await unit.stores.post([entry(wallet, 10), entry(debtor, -4)])
    told = ((debtor.customer_id, wallet.customer_id, 1), (nobody, wallet.customer_id, 2))
    assert await merge(units, shop, *told) == 2
    assert await balances(units, wallet, debtor, WalletKey(shop, nobody)) == [Wallet(6)] * 3
    fresh, unknown = uuid4(), WalletKey(shop, uuid4())
    assert await merge(units, shop, (fresh, unknown.customer_id, 3)) == 0
    assert await balances(units, unknown, WalletKey(shop, fresh)) == [None, None]


async def test_merging_while_points_are_earned_and_spent_loses_none(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    shop = wallet.merchant_id
    members = [wallet, *(WalletKey(shop, uuid4()) for _ in range(3))]
    other_way = [(members[0].customer_id, members[1].customer_id, 9)]
    merges = [
        [(members[1].customer_id, members[0].customer_id, 1)],
        [(members[2].customer_id, members[3].customer_id, 2)],
        [
            (members[2].customer_id, members[0].customer_id, 3),
            (members[3].customer_id, members[0].customer_id, 3),
        ],
        other_way
        + [(each.customer_id, members[1].customer_id, 9) for each in (members[2], members[3])],
    ]

    async def insist(work: Callable[[], Awaitable[object]]) -> None:
        """As consumers do: what could not be done for now is done again."""
        while True:
            try:
                await work()
            except Unavailable:
                continue
            return

    async def earn() -> None:
        async def work() -> None:
            async with units() as unit:
                await unit.stores.post([entry(key, 10) for key in members])

        await insist(work)

    async def spend(key: WalletKey) -> None:
        async def work() -> None:
            async with units() as unit:
                held = (await unit.stores.lock_wallets([key]))[key]
                if held.spendable >= 3:
                    await unit.stores.post([entry(key, -3, kind=EntryKind.REDEEM)])

        await insist(work)

    async def join(told: list[tuple[UUID, UUID, int]]) -> None:
        async def work() -> None:
            await merge(units, shop, *told)

        await insist(work)

    work = [earn() for _ in range(20)] + [spend(members[n % 4]) for n in range(20)]
    work[5:5] = [join(merges[2]), join(merges[0])]
    work[25:25] = [join(merges[3]), join(merges[1])]
    await asyncio.gather(*work)
    found = await balances(units, *members)
    assert len(set(found)) == 1
    async with units() as unit:
        history = await unit.stores.history(wallet, None, 1_000)
    (one,) = set(found)
    assert one is not None
    assert one.spendable == sum(each.draft.points for each in history) >= 0
    redeemed = sum(each.draft.points for each in history if each.draft.kind is EntryKind.REDEEM)
    assert one.spendable == 800 + redeemed


async def test_points_on_their_way_when_a_member_is_merged_do_not_stay_behind(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    old = WalletKey(wallet.merchant_id, uuid4())
    async with units() as unit:
        await unit.stores.post([entry(old, 100)])
    late = entry(old, 5)

    async def come_late() -> None:
        async with units() as unit:
            await unit.stores.post([late])

    async with units() as unit:
        told = ToldMerge(old.customer_id, wallet.customer_id, 1)
        (left,) = await unit.stores.merge(wallet.merchant_id, [told])
        (transfer,) = transfers(old.customer_id, left.wallet, left.version, left.lots)
        # Up to where it waits for the wallet, which is where it can no longer know.
        coming = asyncio.create_task(come_late())
        assert await asyncio.wait([coming], timeout=0.3) == (set(), {coming})
        halves = ((left.merged, transfer.taken), (left.kept, transfer.given))
        await unit.stores.post([NewEntry(IDS.new(), key, draft, AT) for key, draft in halves])
    try:
        await coming
    except Unavailable:
        await come_late()
    assert await balances(units, wallet) == [Wallet(spendable=105)]
    async with units() as unit:
        entries = [each.draft.points for each in await unit.stores.history(wallet, None, 10)]
    assert sorted(entries) == [-100, 5, 100, 100]


async def test_the_newest_standing_and_tags_stay(units: Units[Ledger], wallet: WalletKey) -> None:
    member, product = BuyerKey(*wallet), GoodsKey(wallet.merchant_id, "p1")
    async with units() as unit:
        assert await unit.stores.buyers([member]) == {}
        assert await unit.stores.goods([product]) == {}
        await unit.stores.learn_buyers({member: BuyerFacts(Buyer("Gold", "loyal"), 2)})
        await unit.stores.learn_goods({product: GoodsFacts(("a", "ä b"), AT)})
    async with units() as unit:
        await unit.stores.learn_buyers({member: BuyerFacts(Buyer("Silver", ""), 1)})
        await unit.stores.learn_goods({product: GoodsFacts((), AT - timedelta(seconds=1))})
    async with units() as unit:
        stranger = BuyerKey(uuid4(), wallet.customer_id)
        assert await unit.stores.buyers([member, stranger]) == {member: Buyer("Gold", "loyal")}
        assert await unit.stores.goods([product]) == {product: KnownGoods(("a", "ä b"))}


async def test_tags_and_collections_come_by_clocks_of_their_own(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    keys = [GoodsKey(wallet.merchant_id, name) for name in ("both", "tagged", "inside")]
    both, tagged, inside = keys
    async with units() as unit:
        await unit.stores.learn_collections({both: CollectionFacts(("$7", "8"), 2)})
        assert await unit.stores.goods([both]) == {both: KnownGoods((), ("$7", "8"))}
        await unit.stores.learn_collections({both: CollectionFacts(("9",), 1)})
        await unit.stores.learn_goods({both: GoodsFacts(("a",), AT), tagged: GoodsFacts((), AT)})
    async with units() as unit:
        await unit.stores.learn_collections(
            {both: CollectionFacts(("9",), 1), inside: CollectionFacts(("7",), 1)}
        )
        await unit.stores.learn_goods({both: GoodsFacts((), AT - timedelta(seconds=1))})
    async with units() as unit:
        assert await unit.stores.goods([*keys, GoodsKey(uuid4(), "both")]) == {
            both: KnownGoods(("a",), ("$7", "8")),
            tagged: KnownGoods(),
            inside: KnownGoods((), ("7",)),
        }
        await unit.stores.learn_collections({both: CollectionFacts((), 3)})
    async with units() as unit:
        assert await unit.stores.goods([both]) == {both: KnownGoods(("a",))}


async def test_the_lines_of_an_order_are_kept_exactly(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    key = OrderKey(wallet.merchant_id, "o1")
    lines = (
        OrderLine("p1", Decimal("0.10"), ("x",), ("7", "8")),
        OrderLine("", Decimal("1E+2")),
    )
    told = replace(facts(wallet), lines=lines, fulfilled_at=AT)
    async with units() as unit:
        await unit.stores.lock_orders([key])
        await unit.stores.learn_orders({key: told})
    async with units() as unit:
        assert (await unit.stores.lock_orders([key]))[key].facts == told
