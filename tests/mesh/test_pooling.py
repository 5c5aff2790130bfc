"""A balance that two shops share, over real servers: seen in both, spent in either, by nobody else;
and kill -9 of points while points are on their way from one to the other."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from adapters.postgres.connection import text
from adapters.postgres.database import Database
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import clearing, organizations, points, rewards, users
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import member_id
from domain.errors import NotFound
from domain.points.redemption import RedemptionState
from domain.points.rewards import RewardKind
from domain.points.wallet import InsufficientPoints
from infra.embedded.child import Child
from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from infra.embedded.services import until_ready
from tests.conftest import Run, eventually
from tests.mesh.linking import store, tells
from tests.mesh.people import open_shop
from tests.mesh.said import heard, mesh_of, register, say
from tests.rig.stack import SERVE

NAME = "77"


class Shop:
    """With one member."""

    def __init__(self, process: Process, merchant: UUID) -> None:
        self.process = process
        self.merchant = merchant
        self.member = member_id(merchant, NAME)
        self.customer = Caller(
            audience=Audience.CUSTOMER, actor=str(self.member), merchant_id=merchant,
            customer_id=self.member, permissions=("rewards:read", "rewards:redeem", "points:read"),
        )  # fmt: skip

    async def call(self, operation: Any, request: Any, *, key: str = "") -> Any:
        """By staff."""
        staff = service_caller("test", self.merchant)
        return await mesh_of(self.process).call(
            operation, request, staff, idempotency_key=key or str(uuid4())
        )

    async def ask(self, operation: Any, request: Any, *, key: str = "") -> Any:
        """By the member."""
        return await mesh_of(self.process).call(
            operation, request, self.customer, idempotency_key=key or str(uuid4())
        )

    async def opens(self, points_given: int) -> None:
        known = users.UserChanged(
            user_id=self.member, kind="customer", shopify_customer_id=NAME,
            occurred_at=datetime.now(UTC),
        )  # fmt: skip
        await say(self.process, users.USER_CREATED, known, self.merchant)
        gift = points.Adjust(customer_id=self.member, points=points_given, reason="test")
        await self.call(points.ADJUST, gift)

        async def is_known() -> bool:
            try:
                await self.redeem(uuid4())
            except NotFound as error:
                return "reward" in error.detail
            return True

        await eventually(is_known)

    async def offer(self, cost: int, stock: int | None = None) -> UUID:
        request = rewards.CreateReward(
            name="5 off", kind=RewardKind.DISCOUNT, cost=cost, amount=Decimal(5), stock=stock
        )
        found: UUID = (await self.call(rewards.CREATE_REWARD, request)).reward_id
        return found

    async def redeem(self, reward_id: UUID, *, key: str = "") -> rewards.Redemption:
        request = rewards.RedeemPoints(reward_id=reward_id)
        found: rewards.Redemption = await self.ask(rewards.REDEEM_OWN_POINTS, request, key=key)
        return found

    async def balance(self) -> points.Balance:
        found: points.Balance = await self.ask(rewards.GET_OWN_POINTS, points.MemberRef())
        return found

    async def has(self, spendable: int) -> points.Balance:
        return await eventually(self.balance, lambda found: found.spendable == spendable)

    async def is_linked(self, pool: UUID, organization: UUID, version: int = 1) -> None:
        body = organizations.MemberLinked(
            customer_id=self.member, pool_id=pool, organization_id=organization, version=version,
            occurred_at=datetime.now(UTC),
        )  # fmt: skip
        await say(self.process, organizations.MEMBER_LINKED, body, self.merchant)

    async def is_unlinked(self, pool: UUID, version: int = 2) -> None:
        body = organizations.MemberUnlinked(
            customer_id=self.member, pool_id=pool, version=version, occurred_at=datetime.now(UTC)
        )
        await say(self.process, organizations.MEMBER_UNLINKED, body, self.merchant)


async def shop(process: Process, points_given: int) -> Shop:
    opened = Shop(process, (await register(process)).merchant_id)
    await opened.opens(points_given)
    return opened


async def test_two_shops_share_a_balance_and_a_third_does_not(run: Run) -> None:
    async with run("auth", "roles", "core", "points") as mesh:
        here, there, stranger = [await shop(mesh, given) for given in (100, 300, 5_000)]
        before = await here.balance()
        assert (before.spendable, before.stores) == (100, ())
        pool, organization = uuid4(), uuid4()
        await here.is_linked(pool, organization)
        await there.is_linked(pool, organization)
        await stranger.is_linked(uuid4(), organization)
        shared = await here.has(400)
        assert {each.store: each.spendable for each in shared.stores} == {
            here.merchant: 100, there.merchant: 300,
        }  # fmt: skip
        assert (await there.has(400)).stores == shared.stores
        assert (await stranger.balance()).stores == ()

        offers = await here.ask(rewards.LIST_OFFERS, rewards.ListOffers())
        assert offers.offers == ()
        dear, fair = await here.offer(401), await here.offer(350)
        offers = await here.ask(rewards.LIST_OFFERS, rewards.ListOffers())
        assert {each.reward_id: each.affordable for each in offers.offers} == {
            dear: False, fair: True,
        }  # fmt: skip
        try:
            await here.redeem(dear)
        except InsufficientPoints:
            pass
        else:
            raise AssertionError("more was spent than there is")

        moved = await heard(mesh, points.ADJUSTED, there.merchant)
        key = str(uuid4())
        bought = await here.redeem(fair, key=key)
        assert bought.points == 350
        assert (await here.redeem(fair, key=key)).redemption_id == bought.redemption_id
        left = await here.has(50)
        assert {each.store: (each.spendable, each.spent) for each in left.stores} == {
            here.merchant: (0, 350), there.merchant: (50, 0),
        }  # fmt: skip
        told = await eventually(lambda: _last(moved), lambda found: found is not None)
        assert (told.points, told.kind, told.spendable) == (-250, "transfer", 50)

        found = await there.ask(points.GET_HISTORY, points.HistoryOf())
        assert [each.points for each in found.entries] == [-250, 300]
        assert found.entries[0].other_store == here.merchant
        every = await there.ask(points.GET_HISTORY, points.HistoryOf(all_stores=True))
        assert [each.points for each in every.entries] == [-350, 250, -250, 300, 100]
        assert {each.store for each in every.entries} == {here.merchant, there.merchant}
        (line,) = (await there.call(clearing.GET_CLEARING, clearing.ClearingOf())).lines
        assert (line.store, line.points_in, line.points_out) == (here.merchant, 0, 250)

        cancelled = await here.call(
            rewards.CANCEL_REDEMPTION, rewards.RedemptionRef(redemption_id=bought.redemption_id)
        )
        assert cancelled.state is RedemptionState.CANCELLED
        back = await there.has(400)
        assert {each.store: each.spendable for each in back.stores} == {
            here.merchant: 350, there.merchant: 50,
        }  # fmt: skip

        await there.is_unlinked(pool)
        assert (await there.has(50)).stores == ()
        assert (await here.has(350)).stores == ()
        assert (await stranger.balance()).spendable == 5_000


async def _last(moved: Any) -> Any:
    found = [each for each in moved if each.kind == "transfer"]
    return found[-1] if found else None


async def test_who_has_one_verified_address_in_two_shops_that_come_together_has_one_balance(
    run: Run,
) -> None:
    """From the shops' consent to the balance, through all who have a part in it."""
    async with run("auth", "users", "roles", "core", "points") as mesh:
        one, other = await open_shop(mesh), await open_shop(mesh)
        await tells(one, NAME, "ada@example.com")
        await tells(other, NAME, "Ada@Example.com")
        await tells(other, "78", "bob@example.com")
        here, there = Shop(mesh, one.id), Shop(mesh, other.id)
        await here.opens(100)
        await there.opens(300)
        await store(one).creates()
        await store(other).joins(await store(one).code())
        assert len((await here.has(400)).stores) == 2
        await here.redeem(await here.offer(350))
        await there.has(50)
        await store(other).leaves()
        await there.has(50)
        await here.has(0)
        assert (await there.balance()).stores == ()


async def test_points_on_their_way_when_points_was_killed_have_not_left(
    run: Run, servers: Servers, environment: dict[str, str]
) -> None:
    port = free_port(set())
    async with run("auth", "roles", "core") as mesh:
        child = Child(servers.home, "service-points-to-be-killed", signal.SIGTERM)
        settings = {"LOYALNEST_OPS_PORT": str(port), "PYTHONPATH": str(CHECKOUT)}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOYALNEST_")}
        await child.start([*SERVE, "points"], inherited | environment | settings)
        database = Database(environment["LOYALNEST_POSTGRES_URL"], "points", pool=2)
        key = str(uuid4())
        try:
            assert await until_ready({"points": port}, 60) == []
            here, there = [await shop(mesh, 300) for _ in range(2)]
            pool, organization = uuid4(), uuid4()
            for each in (here, there):
                await each.is_linked(pool, organization)
            await here.has(600)
            reward = await here.offer(500, stock=1)
            async with database.transaction(ACROSS_SHOPS) as held:
                # The stock is taken last, when all points have been moved and spent.
                lock = "SELECT FROM rewards WHERE reward_id = :reward FOR UPDATE"
                await held.execute(text(lock), {"reward": reward})
                redeeming = asyncio.create_task(here.redeem(reward, key=key))

                async def somebody_waits() -> bool:
                    async with database.transaction(ACROSS_SHOPS) as other:
                        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                        return bool((await other.execute(waiting)).scalar_one())

                await eventually(somebody_waits)
                await child.kill()
                redeeming.cancel()
        finally:
            await child.kill()
            await database.close()

        async with run("points"):
            found = await here.has(600)
            assert [each.spendable for each in found.stores] == [300, 300]
            for each in (here, there):
                history = await each.ask(points.GET_HISTORY, points.HistoryOf())
                assert [entry.points for entry in history.entries] == [300]
            bought = await here.redeem(reward, key=key)
            assert (await here.redeem(reward, key=key)).redemption_id == bought.redemption_id
            left = await here.has(100)
            assert {each.store: each.spendable for each in left.stores} == {
                here.merchant: 0, there.merchant: 100,
            }  # fmt: skip
