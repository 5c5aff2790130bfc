"""Tills on real servers: the same sale told by two tills and by Shopify at once counts once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.runtime.host import Process
from contracts import admin_core, core, pos, shop
from contracts.caller import service_caller
from contracts.pos import PosLine, SalesSynced, SyncSales
from contracts.shop import Refund, member_id
from domain.errors import DuplicateRequest, NotFound, Unavailable
from tests.conftest import Run, eventually
from tests.mesh.said import AT, mesh_of, order, say
from tests.mesh.wallets import spendable

SALES = 12
HALF = Decimal(20)


def sold(number: int, till: str, **changes: object) -> PosLine:
    base = PosLine(
        line_id=f"{till}-{number}", kind="sale", happened_at=AT, receipt=f"1-{number}",
        shopify_customer_id="c1", merchandise=Decimal(40),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


async def sync(
    process: Process,
    merchant: UUID,
    till: str,
    *lines: PosLine,
    line: PosLine | None = None,
    key: str = "",
) -> SalesSynced:
    """``line``: a queue of one."""
    queue = lines if line is None else (line,)
    asked = SyncSales(till_id=till, sent_at=AT, lines=queue)
    caller = service_caller("test", merchant)
    while True:
        try:
            return await mesh_of(process).call(
                pos.SYNC_SALES, asked, caller, idempotency_key=key or str(uuid4())
            )
        except Unavailable:
            continue  # two stood in each other's way, and one is told to try again


async def with_member(process: Process) -> UUID:
    merchant = uuid4()
    known = core.CustomerChanged(customer_id=member_id(merchant, "c1"), version=1, occurred_at=AT)
    await say(process, core.CUSTOMER_CREATED, known, merchant)

    async def is_known() -> bool:
        unnamed = sold(0, "first", receipt="first")
        return (await sync(process, merchant, "first", unnamed)).rejected == 0

    await eventually(is_known)
    return merchant


async def test_all_at_once_count_each_sale_once(run: Run) -> None:
    """Each sale by two tills, its refund by one of them, and both by Shopify, shuffled."""
    chance = random.Random(7)
    async with run("points") as one, run("points") as other:
        merchant = await with_member(one)
        tellers: list[Callable[[Process], Awaitable[object]]] = []
        for number in range(SALES):
            back = sold(number, "t1", line_id=f"back-{number}", kind="refund", merchandise=HALF)
            refund = Refund(
                refund_id=f"r{number}", order_id=f"{number}", created_at=AT, merchandise=HALF
            )
            told = order(
                merchant, order_id=f"{number}", source="pos", receipt=f"1-{number}",
                subtotal=Decimal(40), updated_at=AT + timedelta(hours=1),
            )  # fmt: skip
            by_order = sold(number, "t2", order_id=f"{number}")
            tellers += [
                partial(sync, merchant=merchant, till="t1", line=sold(number, "t1")),
                partial(sync, merchant=merchant, till="t2", line=by_order),
                partial(sync, merchant=merchant, till="t1", line=back),
                partial(say, event=shop.ORDER_CREATED, body=told, merchant=merchant),
                partial(say, event=shop.ORDER_PAID, body=told, merchant=merchant),
                partial(say, event=shop.REFUND_CREATED, body=refund, merchant=merchant),
            ]
        chance.shuffle(tellers)
        await asyncio.gather(*(tell(chance.choice((one, other))) for tell in tellers))
        # The whole queue once more, after all of it has been told.
        queue = [sold(number, "t1") for number in range(SALES)]
        again = await sync(one, merchant, "t1", *queue)
        assert {each.outcome for each in again.lines} == {"repeated"}
        await eventually(
            lambda: spendable(one, merchant),
            lambda found: found == 40 + SALES * 20,
            ignore=[NotFound],
        )


async def test_a_queue_with_the_same_key_is_answered_as_before(run: Run) -> None:
    async with run("points") as process:
        merchant = await with_member(process)
        line = sold(1, "t1")
        first = await sync(process, merchant, "t1", line, key="k")
        assert [each.outcome for each in first.lines] == ["counted"]
        assert await sync(process, merchant, "t1", line, key="k") == first
        with pytest.raises(DuplicateRequest):
            await sync(process, merchant, "t2", line, key="k")
        bad = sold(2, "t1", merchandise=Decimal(-1))
        mixed = await sync(process, merchant, "t1", bad, sold(3, "t1"))
        assert [each.reason or each.outcome for each in mixed.lines] == ["bad_line", "counted"]
        assert mixed.rejected == 1
        assert await spendable(process, merchant) == 3 * 40


async def test_a_queue_that_comes_as_a_webhook_is_taken_and_its_bad_lines_are_put_aside(
    run: Run,
) -> None:
    async with run("points", "admin_core") as process:
        merchant = await with_member(process)
        good, bad = (
            shop.QueuedLine(
                line_id=f"w{number}", kind="sale", happened_at=AT, receipt=f"w-{number}",
                shopify_customer_id=customer, merchandise=Decimal(30),
            )
            for number, customer in enumerate(("c1", "stranger"))
        )  # fmt: skip
        queue = shop.TillQueue(till_id="t9", sent_at=AT, lines=(good, bad))
        await say(process, shop.TILL_SYNCED, queue, merchant, at=AT)
        await say(process, shop.TILL_SYNCED, queue, merchant, at=AT)
        await eventually(lambda: spendable(process, merchant), lambda found: found == 70)
        caller = service_caller("test", merchant)
        letters = await eventually(
            partial(
                mesh_of(process).call,
                admin_core.LIST_DEAD_LETTERS,
                admin_core.ListDeadLetters(),
                caller,
            ),
            lambda found: len(found.letters) >= 1,
        )
        assert "1 of 2 lines were not taken: unknown_member" in letters.letters[0].reason
        told = await sync(process, merchant, "t9", sold(0, "t9", line_id="w0", receipt="w-0"))
        assert told.lines[0].reason == "line_told_otherwise"
        assert await spendable(process, merchant) == 70
