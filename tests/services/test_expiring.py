"""Lots without servers: what orders, releases, redemptions and merges give them to live."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from contracts.expiry import EXPIRED, EXPIRING, LotsOf, PointsExpired
from contracts.points import Adjust, BalanceOf
from contracts.referrals import ReferralChanged
from contracts.shop import member_id
from domain.points.expiry import Expiry, ExpiryPolicy
from domain.points.ledger import EntryDraft, EntryKind
from domain.program import defaults
from ports.ledger import NewEntry, WalletKey
from services.points.account import adjust
from services.points.earning import release_matured
from services.points.expiring import expire_points
from services.points.lots import LotLists
from services.points.posting import post
from tests.services.test_points import AT, SHOP, Points, order, refund

THIRTY = Expiry(ExpiryPolicy.DAYS, 30)
IDLE = Expiry(ExpiryPolicy.INACTIVITY, 30)


class Aging(Points):
    """A shop whose points expire."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 1

    async def goes_by(self, terms: Expiry, **more: Any) -> None:
        self.version += 1
        await self.runs_on(replace(defaults("USD"), version=self.version, expiry=terms, **more))

    async def days_pass(self, days: int) -> None:
        """With a look every day."""
        for _ in range(days):
            self.clock.advance(days=1)
            await expire_points(self.units)

    async def lots(self) -> list[tuple[int, datetime | None]]:
        page = await LotLists(self.units).page(self.staff, LotsOf(shopify_customer_id="c1"))
        return [(each.remaining, each.expires_at) for each in page.lots]

    async def moves(self, points: int, kind: EntryKind, **more: Any) -> NewEntry:
        """An entry as other parts of the service post them."""
        async with self.units() as unit:
            draft = EntryDraft(kind, points, "test", "test", str(unit.new_id()), "", **more)
            key = WalletKey(SHOP, member_id(SHOP, "c1"))
            (posted,) = await post(unit, [NewEntry(unit.new_id(), key, draft, unit.now())])
        return posted.entry

    def ends(self, days: int) -> datetime:
        """The end of the day so many days from today."""
        today = self.clock.now().replace(hour=0)
        return today + timedelta(days=days + 1)


async def test_days_are_counted_from_when_points_become_spendable() -> None:
    shop = Aging()
    await shop.goes_by(THIRTY, pending_days=14)
    await shop.happen(order())
    assert await shop.lots() == []
    shop.clock.advance(days=15)
    await release_matured(shop.units)
    assert await shop.lots() == [(100, shop.ends(30))]


async def test_a_lot_keeps_its_terms_whatever_the_program_says_later() -> None:
    shop = Aging()
    await shop.happen(order())
    await shop.goes_by(THIRTY)
    await shop.happen(order(order_id="o2"))
    await shop.goes_by(Expiry(ExpiryPolicy.MONTHS, 2))
    reward = ReferralChanged(
        referral_id=SHOP, state="completed", advocate_id=member_id(SHOP, "c1"),
        advocate_points=50, occurred_at=AT,
    )  # fmt: skip
    await shop.hear(reward)
    june = datetime(2026, 6, 1, tzinfo=UTC)
    days = [(100, june + timedelta(days=31)), (50, june + timedelta(days=62)), (100, None)]
    assert await shop.lots() == days
    await shop.goes_by(Expiry())
    assert await shop.lots() == days
    await shop.days_pass(70)
    assert await shop.lots() == [(100, None)]


async def test_a_recounted_refund_gives_back_to_the_orders_own_lot() -> None:
    shop = Aging()
    await shop.goes_by(THIRTY)
    await shop.happen(order(subtotal=Decimal(20)))
    first = shop.ends(30)
    await shop.happen(refund("6"))
    await shop.goes_by(Expiry(ExpiryPolicy.DAYS, 90))
    # 6.00 of 20.00 were 6 of 20 points, and are 5 of 10 when the order comes to 10.01.
    edited = order(subtotal=Decimal("10.01"), updated_at=AT.replace(hour=13))
    await shop.happen(edited)
    assert await shop.balance() == (5, 0)
    assert await shop.lots() == [(5, first)]


async def test_points_that_come_back_too_late_expire_with_the_next_run() -> None:
    shop = Aging()
    await shop.goes_by(THIRTY)
    await shop.happen(order())
    spent = await shop.moves(-70, EntryKind.REDEEM)
    await shop.days_pass(40)
    assert await shop.balance() == (0, 0)
    back = {"undoes": spent.entry_id, "reverses": EntryKind.REDEEM}
    await shop.moves(70, EntryKind.REVERSAL, **back)
    assert await shop.balance() == (70, 0)
    await expire_points(shop.units)
    await expire_points(shop.units)
    found = await shop.accounts.balance(shop.staff, BalanceOf(shopify_customer_id="c1"))
    assert (found.spendable, found.spent, found.expired, found.lifetime) == (0, 0, 100, 100)
    told = [each for each in shop.units.said if each.subject == EXPIRED.subject(SHOP)]
    bodies = [msgspec.json.decode(each.payload, type=PointsExpired) for each in told]
    assert [(each.points, each.lots) for each in bodies] == [(30, 1), (70, 1)]


async def test_an_undone_expiry_lives_as_long_as_what_is_earned_today() -> None:
    shop = Aging()
    await shop.goes_by(THIRTY)
    await shop.happen(order())
    await shop.days_pass(31)
    async with shop.units() as unit:
        (expired, _) = await unit.stores.history(WalletKey(SHOP, member_id(SHOP, "c1")), None, 9)
    assert expired.draft.kind is EntryKind.EXPIRE
    undo = {"undoes": expired.entry_id, "reverses": EntryKind.EXPIRE}
    await shop.moves(100, EntryKind.REVERSAL, **undo)
    assert await shop.lots() == [(100, shop.ends(30))]


async def test_a_gift_keeps_nothing_else_alive() -> None:
    shop = Aging()
    await shop.goes_by(IDLE)
    await shop.happen(order())
    await shop.days_pass(20)
    gift = Adjust(customer_id=member_id(SHOP, "c1"), points=5, reason="sorry")
    async with shop.units() as unit:
        balance = (await adjust(unit, shop.staff, gift)).balance
    assert (balance.next_expiry_points, balance.next_expiry_at) == (100, shop.ends(10))
    assert await shop.lots() == [(100, shop.ends(10)), (5, shop.ends(30))]
    await shop.days_pass(11)
    assert await shop.lots() == [(5, shop.ends(19))]
    await shop.days_pass(40)
    assert await shop.balance() == (0, 0)


async def test_who_goes_on_buying_keeps_everything() -> None:
    shop = Aging()
    await shop.goes_by(IDLE)
    for number in range(5):
        await shop.happen(order(order_id=f"o{number}"))
        await shop.days_pass(22)
    assert await shop.balance() == (500, 0)
    said = {each.subject for each in shop.units.said}
    assert EXPIRING.subject(SHOP) not in said
    await shop.days_pass(2)
    assert EXPIRING.subject(SHOP) in {each.subject for each in shop.units.said}
