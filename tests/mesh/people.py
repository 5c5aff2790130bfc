"""The people of a shop, as its edge and its staff know them, against a running users service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.crypto.sealer import AesGcmSealer
from adapters.runtime.host import Process
from contracts import shop, users
from contracts.caller import Audience, Caller
from contracts.contact import Contact
from contracts.kit import Body, Event
from contracts.shop import CustomerRecord, Order, OrderCustomer, member_id
from domain.errors import NotFound
from domain.rbac import DEFAULT_ROLES
from ports.sealing import CONTACT, MerchantKey
from tests.conftest import Run, eventually
from tests.keys import key_of
from tests.mesh.said import AT, mesh_of, order, register, say, world_of

HOUR = timedelta(hours=1)
GRANTS = {role.name: tuple(sorted(role.grants)) for role in DEFAULT_ROLES}


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop, as its edge and its staff use it."""

    process: Process
    key: MerchantKey

    @property
    def id(self) -> UUID:
        return self.key.merchant_id

    def staff(self, role: str = "owner") -> Caller:
        return Caller(
            audience=Audience.MERCHANT,
            actor="somebody",
            merchant_id=self.id,
            role=role,
            permissions=GRANTS[role],
        )

    def sealed(
        self, customer: str, email: str, name: str = "Zoë", *, verified: bool = False
    ) -> dict[str, Any]:
        """A contact as the edge puts it into records and orders; nothing of it for no e-mail."""
        if not email:
            return {}
        sealer = AesGcmSealer()
        first, _, last = name.partition(" ")
        contact = msgspec.json.encode(Contact(email=email, first_name=first, last_name=last))
        return {
            "email_index": sealer.blind_index(self.key, email),
            "sealed_contact": sealer.seal(
                self.key, contact, CONTACT, str(member_id(self.id, customer))
            ),
            "email_verified": verified,
        }

    def record(
        self,
        customer: str,
        email: str,
        hour: int,
        language: str = "en",
        name: str = "Zoë",
        *,
        verified: bool = False,
    ) -> CustomerRecord:
        return CustomerRecord(
            customer_id=member_id(self.id, customer),
            shopify_customer_id=customer,
            created_at=AT - HOUR,
            updated_at=AT + hour * HOUR,
            language=language,
            **self.sealed(customer, email, name, verified=verified),
        )

    def order(self, customer: str, email: str, hour: int) -> Order:
        who = OrderCustomer(
            customer_id=member_id(self.id, customer),
            shopify_customer_id=customer,
            **self.sealed(customer, email),
        )
        at = AT + hour * HOUR
        base = order(self.id, order_id=f"o{hour}", created_at=at, updated_at=at)
        return msgspec.structs.replace(base, customer=who)

    async def says(self, event: Event[Body], body: Body) -> None:
        await say(self.process, event, body, self.id)

    async def user(self, customer: str) -> users.User:
        request = users.GetUser(user_id=member_id(self.id, customer))
        return await mesh_of(self.process).call(users.GET_USER, request, self.staff())

    async def knows(self, customer: str) -> users.User:
        return await eventually(lambda: self.user(customer), ignore=[NotFound])

    async def applied(self) -> None:
        """Wait until users has applied what was said so far: something said later shows."""
        marker = str(uuid4())
        await self.says(shop.CUSTOMER_CREATED, self.record(marker, "", 0))
        await self.knows(marker)

    async def listed(self, **asked: object) -> users.Users:
        request = msgspec.convert(asked, users.ListUsers)
        return await mesh_of(self.process).call(users.LIST_USERS, request, self.staff())

    async def named(self, search: str, **asked: object) -> list[str]:
        """The Shopify ids of those whose names are most like this one, the best first."""
        found = await self.listed(search=search, **asked)
        return [user.shopify_customer_id for user in found.users]

    async def create(
        self, email: str, caller: Caller | None = None, key: str = "", **more: object
    ) -> users.CreatedUser:
        request = msgspec.structs.replace(users.CreateUser(email=email), **more)
        return await mesh_of(self.process).call(
            users.CREATE_USER, request, caller or self.staff(), idempotency_key=key or str(uuid4())
        )

    async def update(
        self, user_id: UUID, caller: Caller | None = None, **changes: object
    ) -> users.User:
        request = msgspec.structs.replace(users.UpdateUser(user_id=user_id), **changes)
        return await mesh_of(self.process).call(users.UPDATE_USER, request, caller or self.staff())


async def open_shop(process: Process) -> Shop:
    merchant = await register(process)
    return Shop(process, await key_of(world_of(process), merchant.merchant_id))


@asynccontextmanager
async def running(run: Run, *more: str) -> AsyncIterator[Shop]:
    async with run("auth", "users", *more) as process:
        yield await open_shop(process)
