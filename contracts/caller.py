"""Who is asking: the identity that travels with every call, made from the token only."""

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec


class Audience(StrEnum):
    """Whose token it is."""

    MERCHANT = "merchant"  # staff of a shop
    CUSTOMER = "customer"  # a member, looking at their own account
    ADMIN = "admin"  # LoyalNest's own staff
    SERVICE = "service"  # another service of the mesh
    ANYONE = "anyone"  # no token: public operations only


class NoShop(LookupError):
    """What is asked is about a shop, and whoever asks is of none."""


class Caller(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The authenticated party. ``merchant_id`` is None only for admins, services and anyone."""

    audience: Audience
    actor: str
    merchant_id: UUID | None = None
    customer_id: UUID | None = None
    role: str = ""
    permissions: tuple[str, ...] = ()
    session_id: UUID | None = None
    impersonator: str = ""
    """The member of LoyalNest's staff who acts as this caller (``admin:<id>``); mostly nobody."""
    source: str = ""
    """Of calls that need no token: a mark of where they come from, for counting; says nothing else.
    Empty where that is not known."""

    @property
    def name(self) -> str:
        """How the audit log calls this caller: ``<audience>:<id>``, never a person's name, with
        `` via <impersonator>`` where somebody else acts as them."""
        via = f" via {self.impersonator}" if self.impersonator else ""
        return f"{self.audience}:{self.actor}{via}"

    @property
    def tenant(self) -> UUID:
        """The shop whose data this caller may see.

        Raises NoShop for a caller without one: a service that does not say for which shop it
        asks, since the permission check keeps everybody else from operations about a shop.
        """
        if self.merchant_id is None:
            raise NoShop("the caller belongs to no shop")
        return self.merchant_id


NO_SHOP: Final = UUID(int=0)
"""Stands for the shop where an event has to name one and is about none: LoyalNest's own staff."""

ANYONE = Caller(audience=Audience.ANYONE, actor="anyone")


def service_caller(name: str, merchant_id: UUID | None = None) -> Caller:
    """A service of the mesh speaking for itself, for one shop if it says which."""
    return Caller(
        audience=Audience.SERVICE,
        actor=name,
        merchant_id=merchant_id,
        permissions=("*",),
    )
