"""A shop with a row of everything that can be asked for by id, in every service."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.nats.connection import MESSAGE_ID
from adapters.runtime.host import Process
from adapters.tokens.jwt_tokens import JwtVerifier
from adapters.tokens.keys import load_signing_keys
from contracts import (
    admin_core,
    admin_features,
    admins,
    core,
    event_tracking,
    impersonations,
    points,
    products,
    referrals,
    rewards,
    rfm,
    roles,
    shop,
    suspensions,
    users,
)
from contracts.caller import Audience, Caller, service_caller
from contracts.imports import START_IMPORT
from contracts.kit import Nothing, Operation, Request
from contracts.organizations import CREATE_ORGANIZATION, CreateOrganization
from contracts.shop import CustomerRecord, PrivacyRequest, Product, member_id
from domain.errors import NotFound
from domain.points.activities import ActivityRule
from domain.program import ProgramSettings
from domain.rbac import DEFAULT_ROLES
from infra.demo_shop.delivery import SHOP_DOMAIN
from ports.mesh import AnswerT
from ports.sessions import Holder
from tests.conftest import eventually
from tests.mesh.opened import sessions_of
from tests.mesh.said import mesh_of, order, register, say, world_of

STAFF = tuple(role.name for role in DEFAULT_ROLES if role.name != "customer")
REWARD: dict[str, Any] = {"name": "1 off", "kind": "discount", "cost": 1, "amount": "1"}
NOTHING = "nothing"
"""A role of the shop's own that may do nothing."""


def staff(role: str) -> str:
    """The subject of somebody who has ``role``."""
    return f"staff:{role}"


Ids = dict[str, Any]
"""What a request may name: the ids of one shop's rows, by the name of the field; of the service and
the field, where it means something else elsewhere; of the operation and the field, where that needs
a row of its own."""


def key_of(ids: Ids, operation: Operation[Request, msgspec.Struct], name: str) -> str:
    """Where ``ids`` has what the field ``name`` of a request is to name; empty for a field that
    names no row."""
    for key in (f"{operation.name}.{name}", f"{operation.service}.{name}", name):
        if key in ids:
            return key
    return ""


@dataclass(frozen=True)
class Shop:
    """``ids`` are those of the rows that are about ``member``, or about no member; ``neighbours``
    the same for another member. ``settings`` are the program in force."""

    merchant_id: UUID
    domain: str
    member: UUID
    ids: Ids
    neighbours: Ids
    settings: ProgramSettings
    texts: frozenset[str] = field(default_factory=frozenset)
    """What occurs in this shop's rows and nowhere else."""

    @property
    def marks(self) -> frozenset[str]:
        """What no answer to another shop may hold."""
        return self.texts | texts_of(self.ids) | texts_of(self.neighbours)


def texts_of(ids: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_texts(list(ids.values())))


def _texts(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str | UUID):
            yield str(value)
        elif isinstance(value, list | tuple):
            yield from _texts(value)


def nobodys(tag: str) -> Ids:
    """Ids of the same shapes that nobody has."""
    some = uuid4()
    return {
        "customer_id": some,
        "customer_ids": [some],
        "user_id": some,
        "user_ids": [some],
        "kept_id": some,
        "merged_id": uuid4(),
        "shopify_customer_id": f"{tag}1",
        "shopify_staff_id": "1",
        "product_id": f"{tag}2",
        "points.v1.EarnPoints.activity": f"{tag}_activity",
        "till_id": f"{tag}3",
        "task_id": uuid4(),
        "impersonation_id": uuid4(),
        "letter_id": uuid4(),
        "organization_id": uuid4(),
        "referral_id": uuid4(),
        "session_id": uuid4(),
        "entry_id": uuid4(),
        "reward_id": uuid4(),
        "redemption_id": uuid4(),
        "referrals.code": "ZZZZ-ZZZZ-ZZZZ",
        "roles.name": f"{tag}_role",
        "roles.role": f"{tag}_role",
        "roles.inherits": [f"{tag}_role"],
        "roles.subject": f"{tag}:nobody",
    }


async def open_shop(process: Process, tag: str, admin_id: UUID) -> Shop:
    """``tag``: letters that make its names different from those of other shops; ``admin_id`` is a
    superadmin's."""
    return await _Opening(process, tag, admin_id).done()


async def admin(process: Process, role: str) -> UUID:
    """A new member of LoyalNest's own staff."""
    request = admins.CreateAdmin(
        email=f"{uuid4().hex}@example.com", password=f"{uuid4()}", role=role
    )
    made = await mesh_of(process).call(admins.CREATE_ADMIN, request, service_caller("test"))
    return made.admin_id


async def reopen(process: Process, admin_id: UUID) -> None:
    """The shop that examples name, for those who come after: rubbish may have had it suspended."""
    caller = Caller(audience=Audience.ADMIN, actor=str(admin_id), permissions=("admin:full",))
    request = suspensions.ChangeSuspension(shop_domain=SHOP_DOMAIN, reason="It was only a test.")
    with suppress(NotFound):
        await mesh_of(process).call(suspensions.RESUME_MERCHANT, request, caller)


class _Opening:
    def __init__(self, process: Process, tag: str, admin_id: UUID) -> None:
        self._process = process
        self._tag = tag
        self._admin_id = admin_id
        self._id = UUID(int=0)

    async def done(self) -> Shop:
        merchant = await register(self._process, f"{self._tag}.myshopify.com")
        self._id = merchant.merchant_id
        tag = self._tag
        await self._happens()
        await self._staffed()
        await self._rewards_reviews()
        member, neighbour = (f"{tag}c{number}" for number in (1, 2))
        own, other = (
            await self._referred(member, f"{tag}c3"),
            await self._referred(neighbour, f"{tag}c4"),
        )
        task = await self._call(
            event_tracking.CREATE_TASK,
            event_tracking.CreateTask(kind="track_event", payload={"name": f"{tag}_task"}),
        )
        text = admin_features.SaveTemplate(
            kind="points_earned", language="en", subject=f"{tag} {{{{ points }}}}", body=f"{tag}!"
        )
        await self._call(admin_features.SAVE_TEMPLATE, text)
        await self._arrived(member, neighbour)
        invited = [await self._invited() for _ in range(2)]
        visit = await self._visited()
        house = await self._call(CREATE_ORGANIZATION, CreateOrganization(name=f"{tag} house"))
        letters = await eventually(self._letters)
        program = await self._there(core.GET_SETTINGS, core.GetSettings())
        await self._call(START_IMPORT, Nothing())
        offered, changing, going = [await self._reward() for _ in range(3)]
        shared: Ids = {
            "reward_id": offered,
            "points.v1.UpdateReward.reward_id": changing,
            "points.v1.ArchiveReward.reward_id": going,
            "product_id": f"{tag}p1",
            "points.v1.EarnPoints.activity": f"{tag}_review",
            "till_id": f"{tag}till",
            "task_id": task.task_id,
            "impersonation_id": visit,
            "letter_id": letters[0].letter_id,
            "organization_id": house.organization_id,
            "users.v1.LinkStaff.user_id": invited[0],
            "users.v1.RemoveStaff.user_id": invited[1],
            "roles.name": f"{tag}_clerk",
            "roles.v1.DeleteRole.name": f"{tag}_spare",
            "roles.role": f"{tag}_clerk",
            "roles.inherits": [f"{tag}_parent"],
            "roles.subject": f"{tag}:temp",
        }
        return Shop(
            merchant_id=self._id,
            domain=merchant.shop_domain,
            member=member_id(self._id, member),
            ids=shared
            | self._of_member(member, f"{tag}c5")
            | own
            | await self._entry(member)
            | await self._redeemed(member, offered)
            | await self._session(staff("owner")),
            neighbours=shared
            | self._of_member(neighbour, f"{tag}c6")
            | other
            | await self._entry(neighbour)
            | await self._redeemed(neighbour, offered)
            | await self._session(f"customer:{member_id(self._id, neighbour)}"),
            settings=program.settings,
            texts=frozenset((str(self._id), tag)),
        )

    async def _happens(self) -> None:
        """What a shop's webhooks say."""
        now, tag = datetime.now(UTC), self._tag
        for number in range(1, 7):
            customer = f"{tag}c{number}"
            account = CustomerRecord(
                customer_id=member_id(self._id, customer),
                shopify_customer_id=customer,
                created_at=now,
                updated_at=now,
            )
            await say(self._process, shop.CUSTOMER_CREATED, account, self._id)
        for number in (1, 2):
            bought = msgspec.structs.replace(
                order(self._id, f"{tag}c{number}"),
                order_id=f"{tag}o{number}",
                created_at=now,
                updated_at=now,
                processed_at=now,
            )
            await say(self._process, shop.ORDER_CREATED, bought, self._id)
        product = Product(product_id=f"{tag}p1", title=f"{tag} tea", updated_at=now)
        await say(self._process, shop.PRODUCT_CREATED, product, self._id)
        asked = PrivacyRequest(
            request_key=f"{tag}r1",
            shopify_customer_id=f"{tag}c4",
            customer_id=member_id(self._id, f"{tag}c4"),
        )
        await say(self._process, shop.DATA_REQUESTED, asked, self._id)
        # What cannot be read becomes a dead letter.
        await world_of(self._process).publisher.publish(
            shop.PRODUCT_UPDATED.subject(self._id), b"{", {MESSAGE_ID: str(uuid4())}
        )

    async def _staffed(self) -> None:
        tag = self._tag
        for name, *granted in (
            (NOTHING,), (f"{tag}_clerk", "points:read"), (f"{tag}_parent",), (f"{tag}_spare",),
        ):  # fmt: skip
            made = roles.CreateRole(name=name, permissions=tuple(granted))
            await self._call(roles.CREATE_ROLE, made)
        for subject, role in (
            *((staff(name), name) for name in (*STAFF, NOTHING)),
            (f"{tag}:boss", "owner"),
            (f"{tag}:temp", "viewer"),
        ):
            await self._call(roles.ASSIGN_ROLE, roles.AssignRole(subject=subject, role=role))

    async def _rewards_reviews(self) -> None:
        """The program has an activity of its own."""
        before = (await self._there(core.GET_SETTINGS, core.GetSettings())).settings
        rule = ActivityRule(f"{self._tag}_review", f"{self._tag} review", 100)
        program = replace(before, activities=(rule,))
        saved = await self._call(core.UPDATE_SETTINGS, core.UpdateSettings(settings=program))
        version = saved.settings.version
        asked = points.ExplainPurchase(lines=(points.ExplainLine(amount=Decimal(1)),))
        await eventually(
            partial(self._call, points.EXPLAIN_PURCHASE, asked),
            lambda found: found.settings_version == version,
        )

    async def _invited(self) -> UUID:
        """Somebody is to become staff."""
        address = f"{uuid4().hex}@example.com"
        request = users.CreateUser(kind="staff", email=address, role="viewer")
        return (await self._call(users.CREATE_USER, request)).user_id

    async def _visited(self) -> UUID:
        """LoyalNest's staff has a look."""
        caller = Caller(
            audience=Audience.ADMIN, actor=str(self._admin_id), permissions=("admin:full",)
        )
        request = impersonations.StartImpersonation(
            merchant_id=self._id, role="viewer", reason=f"{self._tag} asked us to have a look"
        )
        mesh = mesh_of(self._process)
        begun = await mesh.call(impersonations.START_IMPERSONATION, request, caller)
        return begun.impersonation_id

    async def _referred(self, advocate: str, friend: str) -> Ids:
        link = await self._call(
            referrals.CREATE_LINK,
            referrals.CreateLink(customer_id=member_id(self._id, advocate)),
        )
        claimed = await self._call(
            referrals.CLAIM, referrals.Claim(code=link.code, shopify_customer_id=friend)
        )
        return {"referrals.code": link.code, "referral_id": claimed.referral_id}

    def _of_member(self, customer: str, double: str) -> Ids:
        """``double``: another account of the same person."""
        member = member_id(self._id, customer)
        return {
            "kept_id": member,
            "merged_id": member_id(self._id, double),
            "customer_id": member,
            "customer_ids": [member],
            "user_id": member,
            "user_ids": [member],
            "shopify_customer_id": customer,
        }

    async def _entry(self, customer: str) -> Ids:
        """Of the ledger; one that can be undone."""
        gift = points.Adjust(
            customer_id=member_id(self._id, customer), points=1, reason=f"{self._tag} gift"
        )
        return {"entry_id": (await self._call(points.ADJUST, gift)).entry_id}

    async def _reward(self) -> UUID:
        request = msgspec.convert(
            REWARD | {"name": f"{self._tag} 1 off"}, rewards.CreateReward, strict=False
        )
        return (await self._call(rewards.CREATE_REWARD, request)).reward_id

    async def _redeemed(self, customer: str, reward_id: UUID) -> Ids:
        """Something bought and taken back, with which nothing happens any more by itself."""
        request = rewards.RedeemPoints(
            customer_id=member_id(self._id, customer), reward_id=reward_id
        )
        bought = await self._call(rewards.REDEEM_POINTS, request)
        found = rewards.RedemptionRef(redemption_id=bought.redemption_id)
        await self._call(rewards.CANCEL_REDEMPTION, found)
        return {"redemption_id": bought.redemption_id}

    async def _session(self, subject: str) -> Ids:
        world = world_of(self._process)
        keys = load_signing_keys(world.settings.jwt_key_file)
        holder = Holder(Audience.MERCHANT, subject, merchant_id=self._id)
        pair = await sessions_of(world).open(holder, device=f"{self._tag} device")
        return {"session_id": JwtVerifier(keys, world.clock).verify(pair.token).session_id}

    async def _arrived(self, *customers: str) -> None:
        """Every service has worked off what it was told."""
        for number in range(1, 7):
            member = member_id(self._id, f"{self._tag}c{number}")
            await self._there(users.GET_USER, users.GetUser(user_id=member))
        for customer in customers:
            member = member_id(self._id, customer)
            await self._there(points.GET_BALANCE, points.MemberRef(customer_id=member))
            await self._there(rfm.GET_CUSTOMER_RFM, rfm.GetCustomerRFM(customer_id=member))
            await self._there(core.GET_CUSTOMER_RFM, core.GetCustomerRFM(customer_id=member))
        product = products.GetProduct(product_id=f"{self._tag}p1")
        await self._there(products.GET_PRODUCT, product)

    async def _there(self, operation: Operation[Request, AnswerT], request: Request) -> AnswerT:
        return await eventually(partial(self._call, operation, request), ignore=[NotFound])

    async def _letters(self) -> Sequence[admin_core.DeadLetter]:
        found = await self._call(admin_core.LIST_DEAD_LETTERS, admin_core.ListDeadLetters())
        return found.letters

    async def _call(self, operation: Operation[Request, AnswerT], request: Request) -> AnswerT:
        return await mesh_of(self._process).call(
            operation, request, service_caller("test", self._id), idempotency_key=str(uuid4())
        )
