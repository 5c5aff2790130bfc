"""Shops that come together, as their owners do it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from adapters.runtime.host import Process
from contracts import organizations, shop
from contracts.caller import Audience, Caller
from contracts.kit import Nothing, Operation
from contracts.organizations import (
    CREATE_ORGANIZATION,
    GET_ORGANIZATION,
    INVITE_SHOP,
    JOIN_ORGANIZATION,
    LEAVE_ORGANIZATION,
    CreateOrganization,
    JoinOrganization,
    Organization,
)
from domain.organizations import (
    NoOrganization,
)
from tests.mesh.people import GRANTS
from tests.mesh.said import mesh_of, say


@dataclass(frozen=True)
class Store:
    """A shop, as its owner uses it."""

    process: Process
    id: UUID
    domain: str

    async def call(self, operation: Operation[Any, Any], request: Any = None) -> Any:
        caller = Caller(
            audience=Audience.MERCHANT,
            actor="somebody",
            merchant_id=self.id,
            role="owner",
            permissions=GRANTS["owner"],
        )
        return await mesh_of(self.process).call(operation, request or Nothing(), caller)

    async def creates(self, name: str = "House") -> Organization:
        found: Organization = await self.call(CREATE_ORGANIZATION, CreateOrganization(name=name))
        return found

    async def code(self) -> str:
        made: organizations.OrganizationCode = await self.call(INVITE_SHOP)
        return made.code

    async def joins(self, code: str) -> Organization:
        found: Organization = await self.call(JOIN_ORGANIZATION, JoinOrganization(code=code))
        return found

    async def leaves(self) -> None:
        await self.call(LEAVE_ORGANIZATION)

    async def sees(self) -> Organization:
        found: Organization = await self.call(GET_ORGANIZATION)
        return found

    async def neighbours(self) -> list[str]:
        return [each.shop_domain for each in (await self.sees()).shops]

    async def is_alone(self) -> bool:
        try:
            await self.sees()
        except NoOrganization:
            return True
        return False

    async def removes_the_app(self) -> None:
        gone = shop.Uninstalled(shop_domain=self.domain, removed_at=datetime.now(UTC))
        await say(self.process, shop.APP_UNINSTALLED, gone, self.id)
