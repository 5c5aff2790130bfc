"""How often the outside world may ask: what holds for every operation that declares no rate."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from contracts.caller import Audience
from contracts.kit import AUTHENTICATED, PUBLIC, Operation, Request
from domain.limits import Rate
from domain.rbac import CUSTOMER, DEFAULT_ROLES, allows

RATES: Final[Mapping[Audience, Rate]] = MappingProxyType(
    {
        Audience.MERCHANT: Rate(1200, 60),
        Audience.CUSTOMER: Rate(120, 60),
        Audience.ADMIN: Rate(600, 60),
        Audience.ANYONE: Rate(600, 60),
    }
)
"""For each operation: of all staff of one shop together, of one member, of one of LoyalNest's own
staff, of one address without a token."""

MEMBERS_OF_A_SHOP: Final = Rate(30_000, 60)
"""For each operation, all members of one shop together: what a busy shop needs on its busiest day,
and what keeps it from taking the others' share."""

ADDRESS: Final = Rate(6_000, 60)
"""All operations together, of one address: an office, or a shop's own server."""

TOKENS: Final = Rate(300, 60)
"""Of one address, for tokens in exchange for what cannot be guessed: many customers share one."""

SEARCHES: Final = Rate(300, 60)
"""Of one shop: they look at far more than they answer."""

REPLAYS: Final = Rate(60, 60)
"""Of one shop: each does work again that has failed."""

SIMULATIONS: Final = Rate(20, 60)
"""Of one shop: each goes through all of its orders."""

_MEMBERS_MAY: Final = next(role.grants for role in DEFAULT_ROLES if role.name == CUSTOMER)


def rates_of(operation: Operation[Request, msgspec.Struct]) -> Mapping[Audience, Rate]:
    """What is allowed of an operation, to each who may ask for it at all."""
    permission = operation.permission
    if permission == PUBLIC:
        who: tuple[Audience, ...] = (Audience.ANYONE,)
    elif permission.startswith("admin:"):
        who = (Audience.ADMIN,)
    elif permission == AUTHENTICATED:
        who = (Audience.MERCHANT, Audience.CUSTOMER, Audience.ADMIN)
    elif allows(_MEMBERS_MAY, permission):
        who = (Audience.MERCHANT, Audience.CUSTOMER)
    else:
        who = (Audience.MERCHANT,)
    return {each: operation.rate or RATES[each] for each in who}
