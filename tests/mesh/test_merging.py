"""Customers leave: deleted by the shop, or made one with another, there or here, in any order."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from adapters.postgres.connection import NotOneRow, text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import campaign, core, points, rfm, shop, users
from contracts.shop import CustomerGone, CustomersMerged, Refund, member_id
from domain.errors import DuplicateRequest, Forbidden, InvalidRequest, NotFound
from tests.conftest import Run, eventually
from tests.mesh.edge import SHOP, Edge, shopify_order
from tests.mesh.people import HOUR, Shop, open_shop, running
from tests.mesh.said import AT, mesh_of, order, register, times_said, world_of


class Members(Shop):
    """A shop whose members have points and profiles."""

    def gone(self, customer: str) -> CustomerGone:
        return CustomerGone(customer_id=member_id(self.id, customer), shopify_customer_id=customer)

    def merged(self, kept: str, merged: str, *, completed: bool = True) -> CustomersMerged:
        return CustomersMerged(
            kept_customer_id=member_id(self.id, kept),
            kept_shopify_customer_id=kept,
            merged_customer_id=member_id(self.id, merged),
            merged_shopify_customer_id=merged,
            completed=completed,
        )

    async def deletes(self, customer: str) -> None:
        await self.says(shop.CUSTOMER_DELETED, self.gone(customer))

    async def merges(self, kept: str, merged: str, *, completed: bool = True) -> None:
        await self.says(shop.CUSTOMERS_MERGED, self.merged(kept, merged, completed=completed))

    async def buys(self, customer: str, order_id: str, amount: int, hour: int = 0) -> None:
        """An order for so many units of currency, which earns so many points."""
        body = order(
            self.id,
            customer,
            order_id=order_id,
            subtotal=Decimal(amount),
            updated_at=AT + hour * HOUR,
        )
        await self.says(shop.ORDER_PAID, body)

    async def refunds(self, order_id: str, amount: int) -> None:
        refund = Refund(
            refund_id=f"r-{order_id}", order_id=order_id, created_at=AT, merchandise=Decimal(amount)
        )
        await self.says(shop.REFUND_CREATED, refund)

    async def spendable(self, customer: str) -> int:
        request = points.MemberRef(shopify_customer_id=customer)
        answer = await mesh_of(self.process).call(points.GET_BALANCE, request, self.staff())
        return answer.spendable

    async def has(self, customer: str, spendable: int) -> None:
        await eventually(
            lambda: self.spendable(customer), lambda found: found == spendable, ignore=[NotFound]
        )

    async def history(self, customer: str) -> list[points.Entry]:
        request = points.HistoryOf(shopify_customer_id=customer, limit=250)
        answer = await mesh_of(self.process).call(points.GET_HISTORY, request, self.staff())
        return list(answer.entries)

    async def members(self) -> list[str]:
        """The Shopify ids of the members that core lists."""
        answer = await mesh_of(self.process).call(
            core.LIST_MEMBERS, core.ListMembers(), self.staff()
        )
        return sorted(each.shopify_customer_id for each in answer.members)

    async def counted(self) -> int:
        answer = await mesh_of(self.process).call(core.GET_USAGE, core.GetUsage(), self.staff())
        return answer.members

    async def profile(self, customer: str) -> core.Member:
        request = core.GetCustomerRFM(customer_id=member_id(self.id, customer))
        return await mesh_of(self.process).call(core.GET_CUSTOMER_RFM, request, self.staff())

    async def bought(self, customer: str) -> tuple[int, int]:
        """Orders and spend, as RFM scores them."""
        request = rfm.GetCustomerRFM(customer_id=member_id(self.id, customer))
        found = await mesh_of(self.process).call(rfm.GET_CUSTOMER_RFM, request, self.staff())
        assert found.spent == int(found.spent)
        return found.orders, int(found.spent)

    async def tier_spend(self, customer: str) -> Decimal:
        """What a member climbs the shop's tiers with."""
        request = campaign.GetVIPTier(customer_id=member_id(self.id, customer))
        found = await mesh_of(self.process).call(campaign.GET_VIP_TIER, request, self.staff())
        return found.qualifying

    async def listed_ids(self) -> list[str]:
        return sorted(each.shopify_customer_id for each in (await self.listed(limit=250)).users)

    async def merge(
        self, kept: str, merged: str, key: str = "", role: str = "owner"
    ) -> users.MergedUsers:
        request = users.MergeUsers(
            kept_id=member_id(self.id, kept), merged_id=member_id(self.id, merged)
        )
        return await mesh_of(self.process).call(
            users.MERGE_USERS, request, self.staff(role), idempotency_key=key or str(uuid4())
        )

    async def settled(self) -> None:
        """Wait until users has applied what was said so far, departures too."""
        await self.applied()
        marker = str(uuid4())
        await self.deletes(marker)
        await eventually(lambda: self.row(marker), bool, ignore=[NotOneRow])

    async def row(self, customer: str) -> dict[str, Any]:
        async with world_of(self.process).database("users").transaction(ACROSS_SHOPS) as connection:
            query = "SELECT * FROM users WHERE merchant_id = :m AND user_id = :u"
            ids = {"m": self.id, "u": member_id(self.id, customer)}
            found: dict[str, Any] = (await connection.execute(text(query), ids)).one()._asdict()
            return found


@asynccontextmanager
async def shop_with(run: Run, *services: str) -> AsyncIterator[Members]:
    async with running(run, *services) as one:
        yield Members(one.process, one.key)


async def test_a_deleted_customer_is_erased_and_stays_away(run: Run) -> None:
    async with shop_with(run, "core") as one:
        await one.says(shop.CUSTOMER_CREATED, one.record("1", "one@x.example", 0, name="Ada Byron"))
        await one.says(shop.CUSTOMER_CREATED, one.record("2", "two@x.example", 0))
        await one.knows("2")
        await one.update((await one.knows("1")).user_id, birthday=date(1990, 1, 1))
        await eventually(lambda: one.named("byron"), bool)
        await eventually(one.members, lambda found: found == ["1", "2"])
        await eventually(one.counted, lambda found: found == 2)
        await one.deletes("1")
        await one.deletes("1")
        await one.deletes("3")  # never heard of
        await eventually(one.members, lambda found: found == ["2"])
        await eventually(one.counted, lambda found: found == 1)
        # Late news, however new it says it is.
        await one.says(shop.CUSTOMER_UPDATED, one.record("1", "late@x.example", 999_999))
        await one.says(shop.ORDER_PAID, one.order("1", "late@x.example", 5))
        await one.says(shop.CUSTOMER_CREATED, one.record("3", "three@x.example", 999_999))
        await one.settled()
        for customer in ("1", "3"):
            with pytest.raises(NotFound):
                await one.user(customer)
            with pytest.raises(NotFound):
                await one.update(member_id(one.id, customer), phone="+1 555 0100")
        for email in ("one@x.example", "late@x.example", "three@x.example"):
            assert (await one.listed(email=email)).users == ()
        assert await one.named("byron") == []
        assert [each for each in await one.listed_ids() if len(each) == 1] == ["2"]
        ids = tuple(member_id(one.id, each) for each in "123")
        batch = await mesh_of(one.process).call(
            users.GET_USERS, users.UsersOf(user_ids=ids), one.staff()
        )
        assert [each.shopify_customer_id for each in batch.users] == ["2"]
        row = await one.row("1")
        assert row["shopify_customer_id"] == "1"
        erased = {"email_index", "sealed_contact", "sealed_birthday", "language"}
        assert {row[each] for each in erased} == {""}
        assert row["name_index"] == []
        await eventually(
            lambda: times_said(one.process, users.USER_DELETED, one.id), lambda times: times >= 3
        )
        assert await times_said(one.process, users.USER_DELETED, one.id) == 3  # and the marker
        # Another shop's customer of the same number is somebody else.
        other = await open_shop(one.process)
        await other.says(shop.CUSTOMER_CREATED, other.record("1", "one@x.example", 0))
        assert (await other.knows("1")).email == "one@x.example"


async def test_news_and_departures_end_alike_in_any_order(run: Run) -> None:
    """Each order of the news has a pair of customers of its own: the first is kept."""
    async with shop_with(run, "points", "core") as one:
        ways = list(itertools.permutations(range(5)))
        chosen = ways[::4]  # 30 of 120

        async def live(number: int, way: tuple[int, ...]) -> None:
            kept, old = f"k{number}", f"o{number}"
            news = [
                lambda: one.says(
                    shop.CUSTOMER_CREATED, one.record(old, f"{old}@x.example", 0, name="Ada Old")
                ),
                lambda: one.buys(old, f"first-{number}", 100),
                lambda: one.merges(kept, old),
                lambda: one.refunds(f"first-{number}", 30),
                lambda: one.deletes(old),
            ]
            await one.buys(kept, f"own-{number}", 7)
            for each in way:
                await news[each]()
            await one.buys(old, f"late-{number}", 20)
            await one.merges(kept, old)

        await asyncio.gather(*(live(*each) for each in enumerate(chosen)))
        await one.settled()
        for number in range(len(chosen)):
            kept, old = f"k{number}", f"o{number}"
            await one.has(kept, 7 + 100 + 200 + 20 - 30)
            assert await one.spendable(old) == await one.spendable(kept)
            entries = await one.history(kept)
            assert sum(each.points for each in entries) == 297
            assert entries == await one.history(old)
            with pytest.raises(NotFound):
                await one.user(old)
            assert (await one.user(kept)).shopify_customer_id == kept
        listed = [each for each in await one.listed_ids() if each[0] in "ko"]
        assert listed == sorted(f"k{number}" for number in range(len(chosen)))
        await eventually(
            one.members, lambda found: [each for each in found if each[0] in "ko"] == listed
        )
        for number in range(len(chosen)):
            profile = await one.profile(f"o{number}")
            assert profile.shopify_customer_id == f"k{number}"


async def test_points_follow_a_merge_while_orders_flow(run: Run) -> None:
    async with shop_with(run, "points") as one:
        await one.buys("a", "a-first", 1)
        await one.buys("b", "b-first", 1)
        await one.has("b", 1)

        async def shopping() -> None:
            for number in range(60):
                await one.buys("ab"[number % 2], f"n{number}", 10)
                await asyncio.sleep(0)

        async def joining() -> None:
            await one.merge("a", "b", key="merge-1")

        await one.knows("a")
        await asyncio.gather(shopping(), joining(), shopping())
        await one.has("a", 602)
        assert await one.spendable("b") == 602
        assert sum(each.points for each in await one.history("a")) == 602
        moved = [each for each in await one.history("a") if each.source == "merge"]
        assert sum(each.points for each in moved) == 0
        # Said again, as after a crash: nothing is left to be moved.
        merged = users.CustomerMerged(
            kept_id=member_id(one.id, "a"), merged_id=member_id(one.id, "b"),
            version=1, occurred_at=AT,
        )  # fmt: skip
        await one.says(users.CUSTOMER_MERGED, merged)
        await one.buys("b", "last", 5)
        await one.has("a", 607)
        assert len([e for e in await one.history("a") if e.source == "merge"]) == len(moved)


async def test_a_merged_member_is_scored_and_climbs_as_one(run: Run) -> None:
    async with shop_with(run, "rfm", "campaign", "core") as one:
        await one.buys("a", "a1", 100)
        await one.buys("b", "b1", 30)
        await one.buys("b", "b2", 40)
        await one.knows("a")
        await eventually(lambda: one.bought("b"), lambda found: found == (2, 70), ignore=[NotFound])
        await one.merges("a", "b")
        await eventually(lambda: one.bought("a"), lambda found: found == (3, 170))
        # Later news of the other's orders are the kept one's, whoever they name.
        await one.refunds("b1", 30)
        await one.buys("b", "b2", 45, hour=1)
        await one.buys("b", "b3", 5)
        await one.buys("a", "a2", 1)
        await eventually(lambda: one.bought("a"), lambda found: found == (5, 151))
        assert await one.bought("b") == (5, 151)
        await eventually(lambda: one.tier_spend("a"), lambda spend: spend == 151)
        await eventually(lambda: one.tier_spend("b"), lambda spend: spend == 0)
        counts = await mesh_of(one.process).call(
            rfm.GET_SEGMENT_COUNTS, rfm.GetSegmentCounts(), one.staff()
        )
        assert counts.members == 1
        profile = await eventually(
            lambda: one.profile("b"), lambda found: found.orders == 5, ignore=[NotFound]
        )
        assert (profile.customer_id, profile.spent) == (member_id(one.id, "a"), Decimal(151))
        # At Shopify the other way round, and told twice.
        await one.merges("b", "a")
        await eventually(lambda: one.tier_spend("b"), lambda spend: spend == 151)
        await eventually(lambda: one.tier_spend("a"), lambda spend: spend == 0)
        await one.merges("b", "a")
        await one.buys("a", "a3", 9)
        await eventually(lambda: one.bought("b"), lambda found: found == (6, 160))


async def test_orders_and_merges_at_once_leave_no_order_behind(run: Run) -> None:
    async with shop_with(run, "rfm") as one:
        for customer in "abc":
            await one.buys(customer, f"{customer}0", 1)
            await one.knows(customer)

        async def shopping() -> None:
            for number in range(60):
                customer = "abc"[number % 3]
                await one.buys(customer, f"{customer}{number + 1}", 10)
                await asyncio.sleep(0)

        async def joining() -> None:
            await one.merge("b", "a")
            await one.merge("c", "b")

        await asyncio.gather(shopping(), joining())
        await eventually(lambda: one.bought("c"), lambda found: found == (63, 603))
        for customer in "ab":
            assert await one.bought(customer) == (63, 603)


async def test_staff_merges_customers_once(run: Run) -> None:
    async with shop_with(run, "points", "core", "admin_core") as one:
        await one.says(shop.CUSTOMER_CREATED, one.record("1", "", 0))
        await one.says(
            shop.CUSTOMER_CREATED, one.record("2", "two@x.example", 0, name="Grace Hopper")
        )
        await one.knows("1")
        two = await one.knows("2")
        await one.update(two.user_id, birthday=date(1906, 12, 9), language="sv")
        await one.buys("2", "o1", 50)
        await one.has("2", 50 + 200)
        answer = await one.merge("1", "2", key="k")
        assert answer == await one.merge("1", "2", key="k")
        assert (answer.kept_id, answer.merged_id) == (
            member_id(one.id, "1"), member_id(one.id, "2"),
        )  # fmt: skip
        with pytest.raises(DuplicateRequest):
            await one.merge("2", "1", key="k")
        await one.has("1", 50 + 200 + 200)
        # Who is kept has what they lacked and the other had.
        kept = await one.user("1")
        assert (kept.email, kept.first_name, kept.birthday) == (
            "two@x.example", "Grace", date(1906, 12, 9),
        )  # fmt: skip
        assert kept.language == "en"
        await eventually(lambda: one.named("hopper"), lambda found: found == ["1"])
        assert [
            each.shopify_customer_id for each in (await one.listed(email="two@x.example")).users
        ] == ["1"]
        await eventually(one.members, lambda found: found == ["1"])
        await eventually(
            lambda: times_said(one.process, users.CUSTOMER_MERGED, one.id), lambda times: times == 1
        )
        # Both of a merge have to be customers whom this shop has.
        await one.says(shop.CUSTOMER_CREATED, one.record("3", "three@x.example", 0))
        await one.knows("3")
        for kept_id, merged_id in (("1", "2"), ("2", "3"), ("3", "4"), ("4", "3")):
            with pytest.raises(NotFound):
                await one.merge(kept_id, merged_id)
        with pytest.raises(InvalidRequest) as refusal:
            await one.merge("3", "3")
        assert [each.pointer for each in refusal.value.problems] == ["/merged_id"]
        with pytest.raises(Forbidden):
            await one.merge("1", "3", role="viewer")
        other = Members(one.process, (await open_shop(one.process)).key)
        mesh = mesh_of(one.process)
        theirs = users.MergeUsers(kept_id=member_id(one.id, "1"), merged_id=member_id(one.id, "3"))
        with pytest.raises(NotFound):
            await mesh.call(users.MERGE_USERS, theirs, other.staff(), idempotency_key="x")
        assert (await one.user("3")).email == "three@x.example"


async def test_two_merged_here_in_one_way_and_at_shopify_in_the_other(run: Run) -> None:
    """The account that is gone at Shopify must not be the one that is kept here."""
    async with shop_with(run, "points", "core") as one:
        for customer in "123":
            await one.says(
                shop.CUSTOMER_CREATED, one.record(customer, f"{customer}@x.example", int(customer))
            )
            await one.buys(customer, f"o{customer}", 10 ** int(customer))
            await one.has(customer, 200 + 10 ** int(customer))
            await one.knows(customer)
        await one.merge("1", "2")
        await one.merge("1", "3")
        await one.has("1", 1_710)
        await one.merges("2", "1")
        await eventually(lambda: one.user("2"), ignore=[NotFound])
        for customer in "123":
            await one.has(customer, 1_710)
        assert [each for each in await one.listed_ids() if len(each) == 1] == ["2"]
        assert (await one.user("2")).email == "1@x.example"
        await eventually(one.members, lambda found: found == ["2"])
        await eventually(one.counted, lambda found: found == 1)
        assert (await one.profile("3")).shopify_customer_id == "2"
        # What Shopify says of the kept one counts again, and of the others never more.
        await one.says(shop.CUSTOMER_UPDATED, one.record("2", "new@x.example", 9))
        await one.says(shop.CUSTOMER_UPDATED, one.record("1", "old@x.example", 9))
        await eventually(lambda: one.user("2"), lambda user: user.email == "new@x.example")
        await one.buys("3", "late", 5)
        await one.has("2", 1_715)
        with pytest.raises(NotFound):
            await one.user("1")


async def test_what_is_no_merge_merges_nobody(run: Run) -> None:
    async with shop_with(run, "points") as one:
        await one.buys("1", "o1", 10)
        await one.buys("2", "o2", 20)
        await one.has("2", 20)
        await one.merges("1", "2", completed=False)
        await one.merges("1", "1")
        await one.settled()
        assert await one.listed_ids() != []
        assert {"1", "2"} <= set(await one.listed_ids())
        assert await one.spendable("1") == 10
        assert await times_said(one.process, users.CUSTOMER_MERGED, one.id) == 0


async def test_two_merges_at_once_make_one_person(run: Run) -> None:
    async with shop_with(run, "points", "core") as one:
        for number in range(6):
            await one.buys(str(number), f"o{number}", 10)
        for number in range(6):
            await one.knows(str(number))
            await one.has(str(number), 10)

        async def attempt(kept: int, merged: int) -> None:
            try:
                await one.merge(str(kept), str(merged))
            except NotFound:  # somebody else has merged one of them just now
                await one.merges(str(kept), str(merged))

        await asyncio.gather(*(attempt((n + 1) % 6, n) for n in range(6)))
        await one.settled()
        left = [each for each in await one.listed_ids() if len(each) == 1]
        assert len(left) == 1
        for number in range(6):
            await one.has(str(number), 60)
        await eventually(
            one.members, lambda found: [each for each in found if len(each) == 1] == left
        )


async def test_what_shopify_sends_reaches_the_points(run: Run) -> None:
    async with run("api_gateway", "auth", "users", "points", "roles") as process:
        edge = Edge(process)
        merchant = await register(process, SHOP)
        kept, old, gone = (str(uuid4().int % 10**15) for _ in range(3))
        for number, customer in enumerate((kept, old, gone)):
            order_id = uuid4().int % 10**15
            body = shopify_order(order_id, int(customer), subtotal_price=f"{number + 1}0.00")
            assert (await edge.deliver("orders/paid", body)).status_code == 200
        merge: dict[str, Any] = {
            "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{kept}",
            "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{old}",
            "admin_graphql_api_job_id": None,
            "status": "completed",
            "errors": [],
        }
        assert (await edge.deliver("customers/merge", merge)).status_code == 200
        assert (await edge.deliver("customers/delete", {"id": int(gone)})).status_code == 200
        bad = merge | {"admin_graphql_api_customer_kept_id": "gid://shopify/Order/1"}
        assert (await edge.deliver("customers/merge", bad)).status_code == 400
        token = await edge.token()
        for customer in (kept, old):

            async def balance(customer: str = customer) -> Any:
                answer = await edge.get(
                    "/v1/api/points/balance", token, shopify_customer_id=customer
                )
                return answer.json().get("spendable")

            await eventually(balance, lambda found: found == 30)

        async def status(customer: str) -> int:
            user_id = str(member_id(merchant.merchant_id, customer))
            return (await edge.get("/v1/api/users/get", token, user_id=user_id)).status_code

        await eventually(lambda: status(kept), lambda found: found == 200)
        for customer in (old, gone):
            await eventually(partial(status, customer), lambda found: found == 404)
        await edge.http.aclose()
