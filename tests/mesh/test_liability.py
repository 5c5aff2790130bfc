"""The report on outstanding points, on real servers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.postgres.ledger import PostgresLedger
from adapters.runtime.host import Process
from adapters.system import UuidV7
from contracts import core
from contracts.caller import service_caller
from contracts.core import CustomerChanged
from contracts.liability import GET_LIABILITY, LiabilityOf, LiabilityReport
from contracts.points import ADJUST, Adjust
from domain.errors import InvalidRequest
from domain.points.ledger import EntryDraft, EntryKind
from infra.embedded.mongo import MongoServer
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.tenancy import within
from ports.unit import Units
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of, say, world_of

IDS = UuidV7()
DRAFT = EntryDraft(EntryKind.EARN, 0, "test", "adjust", "", "")
VALUE = Decimal("0.01")


async def post(process: Process, shop: UUID, customer: UUID, *drafts: tuple[str, int]) -> None:
    """Entries of these kinds, as they are."""
    ledger: Units[Ledger] = world_of(process).units("points", PostgresLedger)
    entries = [
        NewEntry(
            IDS.new(),
            WalletKey(shop, customer),
            DRAFT._replace(kind=EntryKind(kind), points=amount, source_ref=str(uuid4())),
            datetime.now(UTC),
        )
        for kind, amount in drafts
    ]
    with within([shop]):
        async with ledger() as unit:
            await unit.stores.post(entries)


async def report(process: Process, shop: UUID, **asked: Any) -> LiabilityReport:
    request = LiabilityOf(point_value=VALUE, **asked)
    return await mesh_of(process).call(GET_LIABILITY, request, service_caller("test", shop))


async def test_what_outstanding_points_will_cost(run: Run) -> None:
    async with run("points") as process:
        shop, gold, debtor, other = uuid4(), uuid4(), uuid4(), uuid4()
        assert (await report(process, shop)).liability == 0
        await post(process, shop, gold, ("earn", 1000), ("redeem", -300), ("expire", -100))
        await post(process, shop, debtor, ("adjust", -50))
        before = datetime.now(UTC)
        await post(process, shop, other, ("earn", 333))
        await post(process, uuid4(), uuid4(), ("earn", 5000))  # another shop's
        standing = CustomerChanged(
            customer_id=gold, tier="Gold", version=1, occurred_at=datetime.now(UTC)
        )
        await say(process, core.CUSTOMER_UPDATED, standing, shop)

        async def tiers() -> tuple[str, ...]:
            return tuple(each.tier for each in (await report(process, shop)).by_tier)

        await eventually(tiers, lambda found: found == ("", "Gold"))
        found = await report(process, shop)
        assert (found.points, found.spendable, found.pending, found.debts) == (933, 933, 0, -50)
        assert (found.members, found.spent, found.expired) == (2, 300, 100)
        assert (found.redemption_rate, found.rate_is_estimated) == (Decimal("0.75"), True)
        assert (found.maximum, found.liability, found.breakage) == (
            Decimal("9.33"),
            Decimal("7.00"),
            Decimal("2.33"),
        )
        assert [(each.tier, each.points) for each in found.by_tier] == [("", 333), ("Gold", 600)]
        assert sum(each.liability for each in found.by_tier) == found.liability
        assert [(each.month, each.points) for each in found.by_expiry] == [("", 933)]
        assert sum(each.liability for each in found.by_expiry) == found.liability

        said = await report(process, shop, redemption_rate=Decimal("0.5"))
        assert (said.liability, said.rate_is_estimated) == (Decimal("4.67"), False)
        then = await report(process, shop, at=before)
        assert (then.points, then.debts, then.expired) == (600, -50, 100)
        long_ago = await report(process, shop, at=before - timedelta(days=1))
        assert (long_ago.points, long_ago.by_expiry) == (0, ())


async def test_what_makes_no_sense_is_refused(run: Run) -> None:
    async with run("points") as process:
        with pytest.raises(InvalidRequest) as refusal:
            await mesh_of(process).call(
                GET_LIABILITY,
                LiabilityOf(point_value=Decimal(0), redemption_rate=Decimal(2)),
                service_caller("test", uuid4()),
            )
        pointers = {each.pointer for each in refusal.value.problems}
        assert pointers == {"/point_value", "/redemption_rate"}


async def test_it_is_answered_where_points_are_on_mongodb(run: Run, mongo: MongoServer) -> None:
    async with run("points", points_store="mongo", mongo_url=mongo.url) as process:
        shop = uuid4()
        given = Adjust(customer_id=uuid4(), points=333, reason="sorry")
        caller = service_caller("test", shop)
        await mesh_of(process).call(ADJUST, given, caller, idempotency_key=str(uuid4()))
        found = await report(process, shop, redemption_rate=Decimal("0.5"))
        assert (found.members, found.points, found.maximum) == (1, 333, Decimal("3.33"))
        assert [(each.month, each.points) for each in found.by_expiry] == [("", 333)]
        assert (await report(process, uuid4())).points == 0
