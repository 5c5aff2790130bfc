"""``ports.pooling`` on MongoDB: whoever holds a wallet says with whom it is shared."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from adapters.mongo.collections import POOLED, WALLETS
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.transaction import in_shops
from adapters.mongo.values import Document, instant, ticks
from domain.points.expiry import next_expiry
from domain.points.pooling import Linked
from domain.points.wallet import Wallet
from ports.ledger import WalletKey
from ports.pooling import Account, Link, sharing

_BY_POOL = (("pool_id", 1),)


class MongoPooling(MongoLedger):
    async def learn_links(self, told: Mapping[WalletKey, Link]) -> None:
        await self.lock_wallets(told)
        known = {
            WalletKey(each["merchant_id"], each["customer_id"]): each["version"]
            for each in await self._transaction.find(POOLED, in_shops(told, "customer_id"))
        }
        for key, link in told.items():
            if key not in known or known[key] < link.version:
                self._transaction.put(
                    POOLED,
                    key._asdict()
                    | {
                        "pool_id": link.pool_id,
                        "organization_id": link.organization_id,
                        "version": link.version,
                        "linked_at": ticks(link.at),
                    },
                )

    async def pool(self, member: WalletKey) -> Sequence[WalletKey]:
        ((key, _),) = (await self._look(member.merchant_id, [member.customer_id])).values()
        own = await self._link(key)
        if own is None:
            return ()
        asked = {"pool_id": own["pool_id"]}
        found = await self._transaction.sweep(POOLED, asked, sort=_BY_POOL, limit=0)
        linked = {
            WalletKey(each["merchant_id"], each["customer_id"]): each
            for each in found
            if each["organization_id"] == own["organization_id"]
        }
        merged = await self._merged(linked)
        return sharing(key, (_linked(linked[each]) for each in linked if each not in merged))

    async def _link(self, key: WalletKey) -> Document | None:
        """What says in which pool a member is, who stands for themselves; None for no pool."""
        found = await self._transaction.find(POOLED, in_shops([key], "customer_id"))
        return found[0] if found and found[0]["pool_id"] is not None else None

    async def account(self, member: WalletKey) -> Account:
        shop, customer_id = member
        looked = await self._look(shop, [customer_id])
        ageing = (await self._ageing_of(shop, looked)).get(customer_id)
        soon = None
        if ageing:
            program = (await self.programs([shop])).get(shop)
            soon = next_expiry(ageing, "UTC" if program is None else program.time_zone)
        wallet = (await self._wallets_of(shop, looked)).get(customer_id)
        linked = await self._link(looked[customer_id][0]) is not None
        return Account(wallet, soon, linked)

    async def lock_alone(self, member: WalletKey) -> Mapping[WalletKey, Wallet] | None:
        await self.lock_wallets([member])
        own = self._last(member)
        return None if await self._link(own) else {own: self._wallets[own].wallet}

    async def lock_pool(self, member: WalletKey) -> Mapping[WalletKey, Wallet]:
        seen = await self.pool(member)
        await self.lock_wallets([member, *seen])
        # Once more: who is not in it any more was told so just before the wallet could be held.
        still = await self.pool(member)
        return await self.lock_wallets(
            [each for each in still if each in self._wallets] or [self._last(member)]
        )

    async def _merged(self, keys: Collection[WalletKey]) -> Iterable[WalletKey]:
        """Those of these members who were merged into another."""
        found = await self._transaction.find(WALLETS, in_shops(keys, "customer_id"))
        merged = {
            WalletKey(each["merchant_id"], each["customer_id"]): each["merged_into"]
            for each in found
        }
        merged |= {key: held.stand_in.kept_id for key, held in self._wallets.items() if key in keys}
        return {key for key, kept in merged.items() if kept is not None}


def _linked(document: Document) -> Linked:
    return Linked(document["merchant_id"], document["customer_id"], instant(document["linked_at"]))
