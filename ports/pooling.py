"""Who has points in several stores of one organisation, as the use cases need it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.expiry import NextExpiry
from domain.points.pooling import Linked, one_of_each_shop
from domain.points.wallet import Wallet
from ports.ledger import Ledger, WalletKey


class Link(NamedTuple):
    """The pool that a member is in, as of a ``version``; None: in none. ``at`` is since when."""

    pool_id: UUID | None
    organization_id: UUID | None
    version: int
    at: datetime


class Pools(Protocol):
    """Works inside one transaction."""

    async def pool(self, member: WalletKey) -> Sequence[WalletKey]:
        """The wallets that share a balance with a member's, that one among them, by shop and one of
        each; none for who is in no pool. Of a merged member it is those of who stands for them, and
        who was merged into another is in no pool.

        Those in shops that the transaction is not about are left out."""
        ...


class Pooling(Pools, Protocol):
    """Works inside one transaction."""

    async def lock_pool(self, member: WalletKey) -> Mapping[WalletKey, Wallet]:
        """The wallets of ``pool``, or that of a member who is in none, held until the transaction
        ends. Who shares with whom stays as it is until then, too."""
        ...

    async def lock_alone(self, member: WalletKey) -> Mapping[WalletKey, Wallet] | None:
        """The wallet of a member who is in no pool, held until the transaction ends; None for one
        who is in a pool."""
        ...

    async def learn_links(self, told: Mapping[WalletKey, Link]) -> None:
        """Believe of each member the highest version. Waits for those who hold the member's
        pool."""
        ...


class Account(NamedTuple):
    """What a member has in one shop; ``wallet`` is None for who never had a point. Whoever is
    ``linked`` is in a pool, and may have points in other shops, too."""

    wallet: Wallet | None
    next_expiry: NextExpiry | None
    linked: bool


class SharedLedger(Ledger, Pooling, Protocol):
    """The ledger, for what looks beyond a single wallet."""

    async def account(self, member: WalletKey) -> Account:
        """What is asked for most, at once."""
        ...


def sharing(own: WalletKey, linked: Iterable[Linked]) -> Sequence[WalletKey]:
    """Whose wallets share a balance, of those in a pool; none, for one whose place somebody else
    has."""
    pool = [WalletKey(each.merchant_id, each.customer_id) for each in one_of_each_shop(linked)]
    return pool if own in pool else ()
