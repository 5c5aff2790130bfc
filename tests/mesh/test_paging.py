"""Every list is paged alike: by a cursor, in one order, each row once, whatever comes meanwhile.

Made from the registry: a list that is new has to be paged, or named in BOUNDED with the reason why
it cannot grow, and its rows have to be made in SEEDS.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec import inspect

from adapters.nats.connection import MESSAGE_ID
from adapters.runtime.host import Process
from contracts import (
    admins,
    campaign,
    event_tracking,
    impersonations,
    organizations,
    points,
    referrals,
    rewards,
    roles,
    shop,
    suspensions,
    users,
)
from contracts.caller import Audience, Caller, service_caller
from contracts.kit import Body, Event, Operation, Page, Request
from contracts.paging import MOST
from contracts.registry import REGISTRY
from contracts.shop import CustomerRecord, PrivacyRequest, Product, member_id
from domain.errors import InvalidRequest, NotFound
from domain.points.rewards import RewardKind
from domain.points.wallet import InsufficientPoints
from ports.sessions import Holder
from services import SERVICES
from tests.conftest import Run, eventually
from tests.mesh.opened import sessions_of
from tests.mesh.said import mesh_of, register, say, world_of
from tests.mesh.two_shops import admin

AnyOperation = Operation[Request, msgspec.Struct]

BOUNDED: Final[Mapping[str, str]] = {
    "auth.v1.GetKeyProgress": "one line for each service that seals",
    "auth.v1.GetOrganization": "an organisation has fifty shops at most, and refuses more",
    "campaign.v1.ListTiers": "the ladder of a program, which has twenty steps at most",
    "gamification.v1.GetLeaderboard": "the best of a period: 100 at most, and nobody is the 101st",
    "gamification.v1.ListBadges": "one of each badge at most, and there are a handful",
    "points.v1.GetLiability": "one line for each tier, and for each month that points expire in",
    "points.v1.GetOwnPoints": "one line for each shop of an organisation",
    "points.v1.GetPointsBalance": "one line for each shop of an organisation",
    "products.v1.GetCollections": "a program names a hundred collections at most",
    "rfm.v1.GetSegmentCounts": "one line for each segment, of which there are as many as are named",
    "roles.v1.ListRoles": "a shop has fifty roles at most, which creating one refuses beyond",
}
"""Lists that are answered whole, and why they stay small."""


def rows_in(response: type[msgspec.Struct]) -> Iterator[str]:
    """The fields of an answer that hold rows."""
    info = inspect.type_info(response)
    assert isinstance(info, inspect.StructType)
    for each in info.fields:
        of = getattr(each.type, "item_type", None)
        if isinstance(each.type, inspect.VarTupleType | inspect.ListType) and isinstance(
            of, inspect.StructType
        ):
            yield each.name


LISTS: Final[Mapping[str, AnyOperation]] = {
    name: operation
    for name, operation in REGISTRY.operations.items()
    if operation.http is not None
    and operation.http.method == "GET"
    and any(rows_in(operation.response))
}
PAGED: Final = sorted(LISTS.keys() - BOUNDED.keys())


@dataclass
class Told:
    """The shop whose lists are read, while things happen in it."""

    process: Process
    merchant: UUID
    domain: str
    admin: UUID
    number: int = 0
    advocate: str = ""
    advocates_code: str = ""
    reward: UUID | None = None
    cheap: UUID | None = None

    def next(self) -> int:
        """For what has to have another name each time. In no order that a list could be in."""
        self.number += 1
        return self.number * 7_919 % 10_007 + 10_000 * (self.number % 3)

    async def says(self, event: Event[Body], body: Body) -> None:
        await say(self.process, event, body, self.merchant)

    async def asks(self, operation: AnyOperation, request: Request) -> Any:
        caller = service_caller("test", self.merchant)
        return await mesh_of(self.process).call(
            operation, request, caller, idempotency_key=str(uuid4())
        )

    @property
    def staff_of_ours(self) -> Caller:
        return Caller(audience=Audience.ADMIN, actor=str(self.admin), permissions=("admin:full",))

    @property
    def clerk(self) -> Caller:
        """Somebody with sessions of their own."""
        return Caller(
            audience=Audience.MERCHANT, actor="staff:clerk", merchant_id=self.merchant,
            permissions=("audit:read",),
        )  # fmt: skip


def customer_record(told: Told, **more: Any) -> CustomerRecord:
    number = told.next()
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number % 11)  # some at one moment
    record = CustomerRecord(
        customer_id=member_id(told.merchant, f"p{number}"),
        shopify_customer_id=f"p{number}",
        created_at=at,
        updated_at=at,
    )
    return msgspec.structs.replace(record, **more)


async def audited(told: Told) -> None:
    moved = campaign.TierAssigned(
        customer_id=uuid4(), tier="Gold", version=1, occurred_at=datetime.now(UTC)
    )
    await told.says(campaign.TIER_ASSIGNED, moved)


async def dead(told: Told) -> None:
    # What cannot be read becomes a dead letter.
    await world_of(told.process).publisher.publish(
        shop.PRODUCT_UPDATED.subject(told.merchant), b"{", {MESSAGE_ID: str(uuid4())}
    )


async def privacy_request(told: Told) -> None:
    await told.says(shop.DATA_REQUESTED, PrivacyRequest(request_key=str(told.next())))


async def colleague(told: Told) -> None:
    await admin(told.process, "support")


async def invitation(told: Told) -> None:
    request = admins.InviteAdmin(email=f"{uuid4().hex}@staff.example", role="support")
    await mesh_of(told.process).call(admins.INVITE_ADMIN, request, told.staff_of_ours)


async def visit(told: Told) -> None:
    request = impersonations.StartImpersonation(
        merchant_id=told.merchant, role="viewer", reason="asked us to have a look"
    )
    mesh = mesh_of(told.process)
    await mesh.call(impersonations.START_IMPERSONATION, request, told.staff_of_ours)


async def suspended(told: Told) -> None:
    closed = await register(told.process)
    request = suspensions.ChangeSuspension(
        shop_domain=closed.shop_domain, reason="has not paid for long"
    )
    mesh = mesh_of(told.process)
    await mesh.call(suspensions.SUSPEND_MERCHANT, request, told.staff_of_ours)


async def session(told: Told) -> None:
    holder = Holder(Audience.MERCHANT, told.clerk.actor, merchant_id=told.merchant)
    await sessions_of(world_of(told.process)).open(holder, device="a test")


async def member(told: Told) -> None:
    number = told.next()
    known = users.UserChanged(
        user_id=member_id(told.merchant, f"m{number}"),
        kind="customer",
        shopify_customer_id=f"m{number}",
        occurred_at=datetime.now(UTC),
    )
    await told.says(users.USER_CREATED, known)


async def task(told: Told) -> None:
    request = event_tracking.CreateTask(kind="track_event", payload={"name": "x"})
    await told.asks(event_tracking.CREATE_TASK, request)


async def entry(told: Told) -> None:
    request = points.Adjust(
        customer_id=member_id(told.merchant, "h1"), points=told.next() + 1, reason="test"
    )
    await told.asks(points.ADJUST, request)


async def reward(told: Told) -> UUID:
    request = rewards.CreateReward(
        name=f"{told.next()} off", kind=RewardKind.DISCOUNT, cost=1, amount=Decimal(1)
    )
    made: rewards.Reward = await told.asks(rewards.CREATE_REWARD, request)
    return made.reward_id


async def made_reward(told: Told) -> None:
    await reward(told)


async def redemption(told: Told) -> None:
    if not told.reward:
        told.reward = await reward(told)
        account = customer_record(told, customer_id=member_id(told.merchant, "h1"))
        account = msgspec.structs.replace(account, shopify_customer_id="h1")
        await told.says(shop.CUSTOMER_CREATED, account)
    await entry(told)
    request = rewards.RedeemPoints(shopify_customer_id="h1", reward_id=told.reward)
    await eventually(lambda: told.asks(rewards.REDEEM_POINTS, request), ignore=[NotFound])


async def moved(told: Told) -> None:
    """A member spends a point here that was in another store, a new one each time."""
    if not told.cheap:
        told.cheap = await reward(told)
        # Known to core, and with no points for signing up.
        known = users.UserChanged(
            user_id=member_id(told.merchant, "k1"), kind="customer", shopify_customer_id="k1",
            occurred_at=datetime.now(UTC),
        )  # fmt: skip
        await told.says(users.USER_CREATED, known)
    other = uuid4()
    for merchant in (told.merchant, other):
        linked = organizations.MemberLinked(
            customer_id=member_id(merchant, "k1"), pool_id=told.merchant,
            organization_id=told.merchant, version=1, occurred_at=datetime.now(UTC),
        )  # fmt: skip
        await say(told.process, organizations.MEMBER_LINKED, linked, merchant)
    gift = points.Adjust(customer_id=member_id(other, "k1"), points=1, reason="test")
    await mesh_of(told.process).call(
        points.ADJUST, gift, service_caller("test", other), idempotency_key=str(uuid4())
    )
    request = rewards.RedeemPoints(shopify_customer_id="k1", reward_id=told.cheap)
    await eventually(
        lambda: told.asks(rewards.REDEEM_POINTS, request), ignore=[NotFound, InsufficientPoints]
    )


async def product(told: Told) -> None:
    number = told.next()
    # Some have one title: then the id decides.
    body = Product(product_id=str(number), title=f"Tea {number % 5}", updated_at=datetime.now(UTC))
    await told.says(shop.PRODUCT_CREATED, body)


async def referral(told: Told) -> None:
    if not told.advocate:
        told.advocate = "advocate"
        request = referrals.CreateLink(customer_id=member_id(told.merchant, told.advocate))
        told.advocates_code = (await told.asks(referrals.CREATE_LINK, request)).code
    claim = referrals.Claim(code=told.advocates_code, shopify_customer_id=f"f{told.next()}")
    await told.asks(referrals.CLAIM, claim)


async def assignment(told: Told) -> None:
    request = roles.AssignRole(subject=f"staff:{told.next()}", role="viewer")
    await told.asks(roles.ASSIGN_ROLE, request)


async def customer(told: Told) -> None:
    await told.says(shop.CUSTOMER_CREATED, customer_record(told))


async def twins(told: Told) -> None:
    index = uuid4().hex
    for _ in range(2):
        await told.says(shop.CUSTOMER_CREATED, customer_record(told, email_index=index))


def first_of_twins(row: Any) -> object:
    return row.users[0].user_id


@dataclass(frozen=True)
class Seed:
    """How rows come into a list: ``add`` makes one. ``fields`` are what the request needs besides
    cursor and limit, ``caller`` who may ask, ``key`` what tells rows apart."""

    add: Callable[[Told], Awaitable[None]]
    fields: Callable[[Told], Mapping[str, Any]] = field(default=lambda _: {})
    caller: Callable[[Told], Caller] = field(
        default=lambda told: service_caller("test", told.merchant)
    )
    key: Callable[[Any], object] = field(
        default=lambda row: getattr(row, type(row).__struct_fields__[0])
    )


def of_ours(told: Told) -> Caller:
    return told.staff_of_ours


def of_clerk(told: Told) -> Caller:
    return told.clerk


SEEDS: Final[Mapping[str, Seed]] = {
    "admin_core.v1.GetAuditLogs": Seed(audited, lambda _: {"action": campaign.TIER_ASSIGNED.name}),
    "admin_core.v1.ListDeadLetters": Seed(dead),
    "admin_core.v1.ListPrivacyRequests": Seed(privacy_request),
    "auth.v1.ListAdmins": Seed(colleague, caller=of_ours),
    "auth.v1.ListImpersonations": Seed(
        visit, lambda told: {"merchant_id": told.merchant}, caller=of_ours
    ),
    "auth.v1.ListInvitations": Seed(invitation, caller=of_ours),
    "auth.v1.ListSessions": Seed(session, caller=of_clerk),
    "auth.v1.ListSuspended": Seed(suspended, caller=of_ours),
    "auth.v1.ListVisits": Seed(visit, caller=of_clerk),
    "core.v1.ListMembers": Seed(member),
    "event_tracking.v1.ListTasks": Seed(task),
    "points.v1.ExportLedger": Seed(entry, key=lambda row: row.entry_id),
    "points.v1.GetClearing": Seed(moved, key=lambda row: (row.month, row.store)),
    "points.v1.GetPointsHistory": Seed(entry, lambda _: {"shopify_customer_id": "h1"}),
    "points.v1.GetStatement": Seed(entry, lambda _: {"shopify_customer_id": "h1"}),
    "points.v1.ListLots": Seed(entry, lambda _: {"shopify_customer_id": "h1"}),
    "points.v1.ListOffers": Seed(made_reward, lambda _: {"shopify_customer_id": "h1"}),
    "points.v1.ListRedemptions": Seed(redemption),
    "points.v1.ListRewards": Seed(made_reward),
    "products.v1.ListProducts": Seed(product),
    "products.v1.SearchProducts": Seed(product, lambda _: {"query": "tea"}),
    "referrals.v1.GetProgress": Seed(
        referral, lambda told: {"customer_id": member_id(told.merchant, "advocate")}
    ),
    "roles.v1.ListAssignments": Seed(assignment),
    "users.v1.ListDuplicates": Seed(twins, key=first_of_twins),
    "users.v1.ListUsers": Seed(customer),
}

SEEDED: Final = 5
MEANWHILE: Final = 3


class Reading:
    """One list, read page by page."""

    def __init__(self, told: Told, name: str) -> None:
        self.told = told
        self.operation = LISTS[name]
        self.seed = SEEDS[name]
        (self.rows,) = rows_in(self.operation.response)

    async def page(self, **asked: Any) -> tuple[list[object], str | None]:
        request = self.operation.request(**self.seed.fields(self.told), **asked)
        mesh = mesh_of(self.told.process)
        answer: Any = await mesh.call(self.operation, request, self.seed.caller(self.told))
        return [self.seed.key(row) for row in getattr(answer, self.rows)], answer.next_cursor

    async def whole(self) -> list[object]:
        rows, cursor = await self.page(limit=MOST)
        assert cursor is None
        return rows

    async def in_pages_of(self, limit: int) -> list[object]:
        """All rows, while more come."""
        seen: list[object] = []
        cursor, pages = None, 0
        while True:
            rows, cursor = await self.page(limit=limit, cursor=cursor)
            assert len(rows) <= limit
            assert rows or cursor is None
            seen += rows
            pages += 1
            if cursor is None:
                return seen
            assert pages < 300, "this never ends"
            if pages <= MEANWHILE:
                await self.seed.add(self.told)

    async def check(self) -> None:
        for _ in range(SEEDED):
            await self.seed.add(self.told)
        await eventually(self.whole, lambda rows: len(rows) >= SEEDED, ignore=[NotFound])
        for limit in (1, 2):
            before = await self.settled()
            seen = await self.in_pages_of(limit)
            twice = [row for row, times in Counter(seen).items() if times > 1]
            assert twice == [], f"twice in pages of {limit}"
            assert set(before) <= set(seen), f"left out in pages of {limit}"
            in_order = [row for row in seen if row in set(before)]
            assert in_order == before, f"another order in pages of {limit}"
        await self.refuses()

    async def settled(self) -> list[object]:
        """The rows, once those that were on their way have arrived."""
        rows: list[object] = []

        async def unchanged() -> bool:
            nonlocal rows
            before = rows
            rows = await self.whole()
            # Time for what is on its way; nobody can say how much that is, as all lists are fed
            # at once.
            await asyncio.sleep(0.05)
            return rows == before

        await eventually(unchanged)
        return rows

    async def refuses(self) -> None:
        for limit in (0, -1, MOST + 1, 10**9):
            assert await self.refused(limit=limit) == {"/limit"}, limit
        for cursor in ("", "x", "é", "\0", "!!!", "AAAA", "A" * 400, "e30=", "W10="):
            assert await self.refused(cursor=cursor) == {"/cursor"}, cursor
        assert await self.refused(limit=0, cursor="?") == {"/limit", "/cursor"}

    async def refused(self, **asked: Any) -> set[str]:
        """What is said to be wrong; nothing for what was answered."""
        try:
            await self.page(**asked)
        except InvalidRequest as refusal:
            return {each.pointer for each in refusal.problems}
        return set()


@pytest.mark.parametrize("name", PAGED)
def test_a_list_has_a_cursor_and_a_limit(name: str) -> None:
    operation = LISTS[name]
    assert issubclass(operation.response, Page)
    fields = {each.name: each for each in msgspec.structs.fields(operation.request)}
    assert fields["cursor"].type == str | None
    assert fields["cursor"].default is None
    assert fields["limit"].type is int
    assert 1 <= fields["limit"].default <= MOST
    assert InvalidRequest in operation.errors


def test_no_list_is_forgotten() -> None:
    assert set(SEEDS) == set(PAGED)
    assert set(BOUNDED) <= set(LISTS)


async def test_every_row_is_on_one_page_while_others_come(run: Run) -> None:
    async with run(*(name for name in SERVICES if name not in ("api_gateway", "frontend"))) as all_:
        merchant = await register(all_)
        told = Told(
            all_, merchant.merchant_id, merchant.shop_domain, await admin(all_, "superadmin")
        )

        async def found(name: str) -> str:
            try:
                await Reading(told, name).check()
            except Exception as error:
                return f"{name}: {type(error).__name__} {error}"
            return ""

        wrong = [each for each in await asyncio.gather(*map(found, PAGED)) if each]
        assert wrong == []
