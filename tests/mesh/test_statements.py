"""Statements, past balances, reversals and the export, on real servers."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.runtime.host import Process
from contracts import points, shop, statements, users
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import Refund, member_id
from domain.errors import DuplicateRequest, InvalidRequest, LoyaltyError, NotFound
from domain.points.chain import SEALED
from domain.points.reversal import AlreadyReversed, NotReversible
from domain.points.wallet import InsufficientPoints
from infra.embedded.mongo import MongoServer
from tests.conftest import Run, eventually
from tests.mesh.said import AT, mesh_of, order, say

REQUEST = statements.StatementOf(shopify_customer_id="c1")


@dataclass(frozen=True)
class House:
    """A shop with a member, c1, who bought for 100, got 30 by hand and returned goods for 40."""

    process: Process
    merchant: UUID

    @property
    def member(self) -> UUID:
        return member_id(self.merchant, "c1")

    async def ask(self, operation: Any, request: Any, **more: Any) -> Any:
        staff = service_caller("test", self.merchant)
        return await mesh_of(self.process).call(operation, request, staff, **more)

    async def statement(self, **asked: Any) -> statements.Statement:
        request = msgspec.structs.replace(REQUEST, **asked)
        found: statements.Statement = await self.ask(statements.GET_STATEMENT, request)
        return found

    async def give(self, amount: int, customer: str = "c1") -> UUID:
        request = points.Adjust(
            customer_id=member_id(self.merchant, customer), points=amount, reason="sorry"
        )
        adjusted = await self.ask(points.ADJUST, request, idempotency_key=str(uuid4()))
        entry_id: UUID = adjusted.entry_id
        return entry_id

    async def reverse(self, entry_id: UUID, *, key: str = "", **more: Any) -> statements.Reversed:
        request = statements.Reverse(
            customer_id=self.member, entry_id=entry_id, reason="a mistake", **more
        )
        done: statements.Reversed = await self.ask(
            statements.REVERSE, request, idempotency_key=key or str(uuid4())
        )
        return done

    async def balance(self, **asked: Any) -> points.Balance:
        request = points.BalanceOf(shopify_customer_id="c1", **asked)
        found: points.Balance = await self.ask(points.GET_BALANCE, request)
        return found

    async def spendable(self, amount: int) -> None:
        await eventually(self.balance, lambda now: now.spendable == amount, ignore=[NotFound])

    async def returned(self, amount: int, refund_id: str) -> None:
        body = Refund(
            refund_id=refund_id, order_id="o1", created_at=AT, merchandise=Decimal(amount)
        )
        await say(self.process, shop.REFUND_CREATED, body, self.merchant)


async def house(process: Process) -> House:
    here = House(process, uuid4())
    await say(process, shop.ORDER_CREATED, order(here.merchant), here.merchant)
    await here.spendable(100)
    await here.give(30)
    await here.returned(40, "r1")
    await here.spendable(90)
    return here


async def test_every_line_says_what_it_is_and_what_is_left(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        found = await here.statement()
        assert [(line.points, line.spendable, line.words, line.reason) for line in found.lines] == [
            (
                100,
                100,
                "Order o1: 1 point per 1.00 USD on 100.00 USD, rounded down",
                "purchase",
            ),
            (30, 130, "Corrected by hand", "sorry"),
            (-40, 90, "Taken back for a refund (order o1)", "refund"),
        ]
        earn, _, back = found.lines
        assert (earn.rate, earn.spend, earn.currency, earn.order_id) == ("1", "100.00", "USD", "o1")
        assert earn.settings_version is not None
        assert [(lot.lot_id, lot.points) for lot in back.lots] == [(earn.entry_id, 40)]
        assert (found.opening.spendable, found.closing.spendable) == (0, 90)
        assert found.closing == await here.balance()


async def test_what_was_at_any_instant(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        lines = (await here.statement()).lines
        for line in lines:
            assert (await here.balance(at=line.at)).spendable == line.spendable
        early = lines[0].at - timedelta(microseconds=1)
        assert (await here.balance(at=early)).spendable == 0
        request = points.BalanceOf(customer_id=uuid4(), at=early)
        with pytest.raises(NotFound):
            await here.ask(points.GET_BALANCE, request)
        # A stretch of time: its lines lead from what was to what then was.
        since, until = lines[1].at, lines[2].at
        part = await here.statement(since=since, until=until)
        assert [line.entry_id for line in part.lines] == [lines[1].entry_id]
        assert (part.opening.spendable, part.closing.spendable) == (100, 130)
        assert part.lines[0].spendable == 130
        with pytest.raises(InvalidRequest) as refusal:
            await here.statement(since=until, until=since, limit=0)
        assert {each.pointer for each in refusal.value.problems} == {"/until", "/limit"}
        edge = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        assert (await here.balance(at=edge)).spendable == 90
        assert len((await here.statement(until=edge)).lines) == 3
        beyond = edge.replace(tzinfo=timezone(timedelta(hours=-1)))
        for ask in (partial(here.balance, at=beyond), partial(here.statement, since=beyond)):
            with pytest.raises(InvalidRequest):
                await ask()
        with pytest.raises(InvalidRequest) as refusal:
            await here.statement(cursor=str(uuid4()))
        assert {each.pointer for each in refusal.value.problems} == {"/cursor"}


async def test_the_pages_of_a_statement_add_up(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        for amount in (7, -5, 11, -2):
            await here.give(amount)
        whole = await here.statement()
        pages: list[statements.StatementLine] = []
        cursor = None
        while True:
            page = await here.statement(limit=3, cursor=cursor)
            pages += page.lines
            cursor = page.next_cursor
            if cursor is None:
                break
        assert tuple(pages) == whole.lines
        assert sum(line.points for line in pages) == whole.closing.spendable == 101


async def test_two_accounts_of_one_member_are_one_statement(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        await here.give(5, "c2")
        merged = users.CustomerMerged(
            merged_id=member_id(here.merchant, "c2"), kept_id=here.member, version=1,
            occurred_at=datetime.now(UTC),
        )  # fmt: skip
        await say(process, users.CUSTOMER_MERGED, merged, here.merchant)
        await here.spendable(95)
        for customer in ("c1", "c2"):
            found = await here.statement(shopify_customer_id=customer)
            assert len(found.lines) == 6
            assert (found.lines[-1].spendable, found.closing.spendable) == (95, 95)
            assert found.lines[-1].words == "Moved between two accounts of one member"


async def test_members_see_their_own_statement_only(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        await here.give(5, "c2")
        member = Caller(
            audience=Audience.CUSTOMER, actor="c2", merchant_id=here.merchant,
            customer_id=member_id(here.merchant, "c2"), permissions=("points:read",),
        )  # fmt: skip
        found = await mesh_of(process).call(statements.GET_STATEMENT, REQUEST, member)
        assert [line.points for line in found.lines] == [5]
        at = datetime.now(UTC)
        asked = points.BalanceOf(shopify_customer_id="c1", at=at)
        assert (await mesh_of(process).call(points.GET_BALANCE, asked, member)).spendable == 5


async def test_an_order_that_was_undone_stays_undone(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        earn = (await here.statement()).lines[0].entry_id
        done = await here.reverse(earn, key="k1")
        # What the refund took is given back with it: all of the order is undone, and no more.
        assert (done.points, done.balance.spendable) == (-100, 30)
        assert await here.reverse(earn, key="k1") == done
        with pytest.raises(DuplicateRequest):
            await here.reverse(uuid4(), key="k1")
        with pytest.raises(AlreadyReversed):
            await here.reverse(earn)
        with pytest.raises(NotReversible):
            await here.reverse(done.entry_id)
        lines = {line.entry_id: line for line in (await here.statement()).lines}
        assert lines[earn].undone_by == done.entry_id
        assert lines[done.entry_id].undoes == earn
        assert lines[done.entry_id].words == "Undoes an entry: earn"
        # Whatever the shop says of that order now.
        edited = order(here.merchant, subtotal=Decimal(500), updated_at=AT + timedelta(days=1))
        await say(process, shop.ORDER_UPDATED, edited, here.merchant)
        await here.returned(10, "r2")
        await say(process, shop.ORDER_CREATED, order(here.merchant, order_id="o2"), here.merchant)
        await here.spendable(130)
        by_order = [line.points for line in (await here.statement()).lines if line.order_id == "o1"]
        assert sum(by_order) == 0


async def test_what_is_spent_is_undone_by_force_only(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        gift = await here.give(50)
        await here.give(-120)
        with pytest.raises(InsufficientPoints):
            await here.reverse(gift)
        assert (await here.balance()).spendable == 20
        assert (await here.reverse(gift, force=True)).balance.spendable == -30


async def test_nobody_undoes_what_is_not_theirs(run: Run) -> None:
    async with run("points") as process:
        here, other = await house(process), await house(process)
        foreign = await other.give(5)
        for entry_id in (foreign, await here.give(5, "c2"), uuid4(), UUID(int=2**128 - 1)):
            with pytest.raises(NotFound):
                await here.reverse(entry_id)
        gift = await here.give(5)
        with pytest.raises(InvalidRequest):
            await here.ask(
                statements.REVERSE,
                statements.Reverse(customer_id=here.member, entry_id=gift, reason=" "),
                idempotency_key="k",
            )


async def test_ten_at_once_undo_once(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        gift = await here.give(50)

        async def undo() -> bool:
            try:
                await here.reverse(gift)
            except AlreadyReversed:
                return False
            except LoyaltyError as error:
                raise AssertionError(error.code) from error
            return True

        assert sum(await asyncio.gather(*(undo() for _ in range(10)))) == 1
        assert (await here.balance()).spendable == 90


async def test_the_export_is_whole_and_proves_itself(run: Run) -> None:
    async with run("points") as process:
        here = await house(process)
        await here.give(5, "c2")
        rows: list[statements.ExportedEntry] = []
        cursor = None
        while True:
            request = statements.ExportOf(limit=3, cursor=cursor)
            page = await here.ask(statements.EXPORT, request)
            rows += page.entries
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sum(row.points for row in rows) == 95
        assert len({row.entry_id for row in rows}) == 4
        for row in rows:  # as docs/ledger.md says
            told = msgspec.to_builtins(row)
            values = [told[name] for name in SEALED]
            assert sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest() == row.digest

        async def head() -> str:
            found: statements.ExportPage = await here.ask(statements.EXPORT, statements.ExportOf())
            return found.head

        assert (await eventually(head)).partition(":")[0].isdigit()
        with pytest.raises(InvalidRequest):
            await here.ask(statements.EXPORT, statements.ExportOf(cursor="x", limit=0))


async def test_the_export_is_the_same_where_points_are_on_mongodb(
    run: Run, mongo: MongoServer
) -> None:
    async with run("points", points_store="mongo", mongo_url=mongo.url) as process:
        here = House(process, uuid4())
        given = await here.give(5)
        page: statements.ExportPage = await here.ask(statements.EXPORT, statements.ExportOf())
        (row,) = page.entries
        assert (row.entry_id, row.points, row.reason) == (given, 5, "sorry")
        told = msgspec.to_builtins(row)
        values = json.dumps([told[name] for name in SEALED], ensure_ascii=False)
        assert sha256(values.encode()).hexdigest() == row.digest
        assert page.head == ""
        other = await House(process, uuid4()).ask(statements.EXPORT, statements.ExportOf())
        assert other.entries == ()
