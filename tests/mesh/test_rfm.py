"""RFM on real servers: orders in, scores and segments out; time and thresholds change them too."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.postgres.connection import text
from adapters.postgres.profiles import PostgresProfiles
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.postgres.units import postgres_units
from adapters.runtime.host import Process
from contracts import core, rfm, shop, users
from contracts.caller import service_caller
from contracts.shop import Refund, member_id
from domain.errors import NotFound
from domain.program import defaults
from domain.rfm.segments import Segment
from ports.profiles import Profiles
from ports.unit import Units
from services.rfm.scoring import rescore_decayed
from tests.conftest import Run, eventually
from tests.mesh.said import heard, mesh_of, order, say, world_of

NOW = datetime.now(UTC)


async def scores(process: Process, merchant: UUID, customer: str = "c1") -> rfm.CustomerRFM:
    return await mesh_of(process).call(
        rfm.GET_CUSTOMER_RFM,
        rfm.GetCustomerRFM(customer_id=member_id(merchant, customer)),
        service_caller("test", merchant),
    )


async def segments(process: Process, merchant: UUID) -> dict[str, int]:
    found = await mesh_of(process).call(
        rfm.GET_SEGMENT_COUNTS, rfm.GetSegmentCounts(), service_caller("test", merchant)
    )
    assert [each.segment for each in found.segments] == list(Segment)
    assert found.members == sum(each.members for each in found.segments)
    return {each.segment: each.members for each in found.segments if each.members}


async def buy(
    process: Process,
    merchant: UUID,
    order_id: str,
    days: int = 0,
    buyer: str = "c1",
    **changes: object,
) -> None:
    at = NOW - timedelta(days=days)
    times = {"created_at": at, "processed_at": at, "updated_at": at}
    told = msgspec.structs.replace(order(merchant, buyer, order_id=order_id), **(times | changes))
    await say(process, shop.ORDER_CREATED, told, merchant)


async def test_orders_make_scores_and_segments(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm") as process:
        said = await heard(process, rfm.RFM_UPDATED, merchant)
        await buy(process, merchant, "o1", days=20)
        await buy(process, merchant, "o1", days=20)
        await buy(process, merchant, "o2", days=40, subtotal=Decimal("200.50"))
        await buy(process, merchant, "o3", test=True)
        await buy(process, merchant, "o4", customer=None)
        await buy(process, merchant, "o5", buyer="c2")
        found = await eventually(
            lambda: scores(process, merchant), lambda it: it.orders == 2, ignore=[NotFound]
        )
        assert (found.recency, found.frequency, found.monetary) == (4, 2, 3)
        assert (found.segment, found.spent) == ("potential_loyalist", Decimal("300.50"))
        assert found.last_order_at == NOW - timedelta(days=20)
        await eventually(
            lambda: segments(process, merchant),
            lambda counts: counts == {"potential_loyalist": 1, "new": 1},
        )
        assert await segments(process, uuid4()) == {}
        await eventually(lambda: _last(said, member_id(merchant, "c2")))
        mine = [each for each in said if each.customer_id == found.customer_id]
        assert [each.version for each in mine] == list(range(1, len(mine) + 1))
        assert (mine[-1].orders, mine[-1].shopify_customer_id) == (2, "c1")
        assert len(mine) <= 2  # the repeat changed nothing
        with pytest.raises(NotFound):
            await mesh_of(process).call(
                rfm.GET_CUSTOMER_RFM,
                rfm.GetCustomerRFM(customer_id=found.customer_id),
                service_caller("test", uuid4()),
            )


async def _last(said: list[rfm.RfmUpdated], customer: UUID) -> rfm.RfmUpdated | None:
    return next((each for each in reversed(said) if each.customer_id == customer), None)


async def test_a_refund_first_and_a_cancellation_last_converge(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm") as process:
        said = await heard(process, rfm.RFM_UPDATED, merchant)
        back = Refund(refund_id="r1", order_id="o1", created_at=NOW, merchandise=Decimal(60))
        await say(process, shop.REFUND_CREATED, back, merchant)
        await buy(process, merchant, "o1", days=3)
        await buy(process, merchant, "o2", days=1)
        await eventually(
            lambda: scores(process, merchant),
            lambda it: (it.orders, it.spent) == (2, Decimal(140)),
            ignore=[NotFound],
        )
        cancelled = order(
            merchant,
            order_id="o2",
            processed_at=NOW - timedelta(days=1),
            updated_at=NOW,
            cancelled_at=NOW,
        )
        await say(process, shop.ORDER_CANCELLED, cancelled, merchant)
        await buy(process, merchant, "o2", days=1)  # late, and older than the cancellation
        await eventually(
            lambda: scores(process, merchant),
            lambda it: (
                (it.orders, it.spent, it.last_order_at) == (1, Decimal(40), NOW - timedelta(days=3))
            ),
        )
        gone = order(
            merchant, processed_at=NOW - timedelta(days=3), updated_at=NOW, cancelled_at=NOW
        )
        await say(process, shop.ORDER_CANCELLED, gone, merchant)

        async def refused() -> bool:
            try:
                await scores(process, merchant)
            except NotFound:
                return True
            return False

        await eventually(refused)
        assert await segments(process, merchant) == {}
        last = await eventually(lambda: _last(said, member_id(merchant, "c1")), lambda it: bool(it))
        assert last is not None
        await eventually(lambda: _count(said), lambda _: said[-1].orders == 0)
        assert (said[-1].recency, said[-1].segment, said[-1].previous_segment) == (0, "", "new")


async def _count(said: list[rfm.RfmUpdated]) -> int:
    return len(said)


async def test_time_alone_changes_a_score_once(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm") as process:
        await buy(process, merchant, "o1", days=1)
        await eventually(
            lambda: scores(process, merchant), lambda it: it.recency == 5, ignore=[NotFound]
        )
        said = await heard(process, rfm.RFM_UPDATED, merchant)
        world = world_of(process)

        class Later:
            def now(self) -> datetime:
                return NOW + timedelta(days=40)

        later: Units[Profiles] = postgres_units(
            world.database("rfm"),
            world.relays["rfm"],
            PostgresProfiles,
            Later(),
            world.ids,
            input_keys=[b"k"],
            across_shops=True,
        )
        await rescore_decayed(later)
        await rescore_decayed(later)
        found = await scores(process, merchant)
        assert (found.recency, found.segment) == (3, "about_to_sleep")
        assert await segments(process, merchant) == {"about_to_sleep": 1}
        await eventually(lambda: _count(said))
        assert [(each.recency, each.previous_segment) for each in said] == [(3, "new")]


async def test_new_thresholds_reach_every_member(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm") as process:
        for number in range(3):
            await buy(process, merchant, f"o{number}", buyer=f"c{number}", days=20)
        await eventually(lambda: segments(process, merchant), lambda it: it == {"promising": 3})
        program = defaults("USD")
        strict = replace(
            program,
            version=2,
            rfm=replace(program.rfm, recency=(1, 2, 3, 4), frequency=(4, 3, 2, 1)),
        )
        await say(process, core.SETTINGS_UPDATED, core.SettingsUpdated(settings=strict), merchant)
        await say(process, core.SETTINGS_UPDATED, core.SettingsUpdated(settings=program), merchant)
        await eventually(lambda: segments(process, merchant), lambda it: it == {"hibernating": 3})


async def test_every_change_of_a_score_is_in_the_history_once(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm") as process:
        for number, spent in enumerate(("10", "10", "400")):
            await buy(process, merchant, f"o{number}", subtotal=Decimal(spent))
            await eventually(partial(_bought, process, merchant, number + 1), ignore=[NotFound])
        again = order(merchant, order_id="o2", subtotal=Decimal(401))
        again = msgspec.structs.replace(
            again, processed_at=NOW, updated_at=NOW + timedelta(seconds=1)
        )
        await say(process, shop.ORDER_UPDATED, again, merchant)
        await eventually(lambda: scores(process, merchant), lambda it: it.spent == Decimal(421))
        async with world_of(process).database("rfm").transaction(ACROSS_SHOPS) as connection:
            rows = await connection.execute(
                text(
                    "SELECT recency, frequency, monetary FROM rfm_score_history"
                    " WHERE merchant_id = :merchant ORDER BY version"
                ),
                {"merchant": merchant},
            )
            assert [tuple(row) for row in rows] == [(5, 1, 1), (5, 2, 1), (5, 2, 3)]


async def _bought(process: Process, merchant: UUID, orders: int) -> bool:
    return (await scores(process, merchant)).orders == orders


async def test_who_was_deleted_is_in_no_segment_whatever_comes_late(run: Run) -> None:
    merchant = uuid4()
    gone = users.UserDeleted(
        user_id=member_id(merchant, "c1"), kind=users.CUSTOMER, occurred_at=NOW
    )
    async with run("rfm") as process:
        await buy(process, merchant, "o1")
        await buy(process, merchant, "o2", buyer="c2")
        await eventually(lambda: segments(process, merchant), lambda found: found == {"new": 2})
        await say(process, users.USER_DELETED, gone, merchant)
        await say(process, users.USER_DELETED, gone, merchant)
        await eventually(lambda: segments(process, merchant), lambda found: found == {"new": 1})
        await buy(process, merchant, "o3")
        await buy(process, merchant, "o4", buyer="c3")
        await eventually(lambda: segments(process, merchant), lambda found: found == {"new": 2})
        # Nobody heard of before may have left as well.
        unknown = msgspec.structs.replace(gone, user_id=member_id(merchant, "c9"))
        await say(process, users.USER_DELETED, unknown, merchant)
        await buy(process, merchant, "o9", buyer="c9")
        await buy(process, merchant, "o10", buyer="c10")
        await eventually(lambda: segments(process, merchant), lambda found: found == {"new": 3})
