"""``ports.pooling.Pooling`` in memory, as a part of ``adapters.memory.rewards``."""

from collections.abc import Mapping, Sequence

from adapters.memory.ledger import MemoryLedger
from domain.points.expiry import next_expiry
from domain.points.pooling import Linked
from domain.points.wallet import EMPTY, Wallet
from ports.ledger import WalletKey
from ports.pooling import Account, Link, sharing


class MemoryPooling(MemoryLedger):
    def __init__(self) -> None:
        super().__init__()
        self._links: dict[WalletKey, Link] = {}

    async def learn_links(self, told: Mapping[WalletKey, Link]) -> None:
        for key, link in told.items():
            known = self._links.get(key)
            if known is None or known.version < link.version:
                self._links[key] = link

    async def pool(self, member: WalletKey) -> Sequence[WalletKey]:
        own = self._last(member)
        link = self._links.get(own)
        if link is None or link.pool_id is None:
            return ()
        linked = (
            Linked(*key, each.at)
            for key, each in self._links.items()
            if (each.pool_id, each.organization_id) == (link.pool_id, link.organization_id)
            and self._last(key) == key
        )
        return sharing(own, linked)

    async def account(self, member: WalletKey) -> Account:
        shop, customer_id = member
        ageing = (await self.ageing(shop, [customer_id])).get(customer_id, ())
        program = (await self.programs([shop])).get(shop)
        return Account(
            await self.wallet(member),
            next_expiry(ageing, "UTC" if program is None else program.time_zone),
            self._is_linked(self._last(member)),
        )

    def _is_linked(self, key: WalletKey) -> bool:
        link = self._links.get(key)
        return link is not None and link.pool_id is not None

    async def lock_alone(self, member: WalletKey) -> Mapping[WalletKey, Wallet] | None:
        own = self._last(member)
        return None if self._is_linked(own) else {own: self._wallets.get(own, (EMPTY, 0))[0]}

    async def lock_pool(self, member: WalletKey) -> Mapping[WalletKey, Wallet]:
        pool = await self.pool(member) or [self._last(member)]
        return {key: self._wallets.get(key, (EMPTY, 0))[0] for key in pool}
