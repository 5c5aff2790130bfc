"""``ports.earning.EarningFacts`` on MongoDB."""

from collections.abc import Iterable, Mapping

from adapters.mongo.collections import BUYERS, GOODS, GOODS_COLLECTIONS
from adapters.mongo.transaction import Transaction, in_shops
from adapters.mongo.values import Document, instant, ticks
from domain.points.bonus import Buyer
from ports.earning import (
    BuyerFacts,
    BuyerKey,
    CollectionFacts,
    GoodsFacts,
    GoodsKey,
    KnownGoods,
)


class MongoEarningFacts:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._buyers_told: dict[BuyerKey, BuyerFacts] = {}
        self._goods_told: dict[GoodsKey, GoodsFacts] = {}
        self._collections_told: dict[GoodsKey, CollectionFacts] = {}

    async def learn_buyers(self, told: Mapping[BuyerKey, BuyerFacts]) -> None:
        for key, facts in told.items():
            known = self._buyers_told.get(key)
            if known is None or known.version < facts.version:
                self._buyers_told[key] = facts
                new = key._asdict() | {
                    "tier": facts.buyer.tier,
                    "segment": facts.buyer.segment,
                    "version": facts.version,
                }
                self._transaction.update(BUYERS, new, _if_newer(new, "version"))

    async def buyers(self, keys: Iterable[BuyerKey]) -> Mapping[BuyerKey, Buyer]:
        found: dict[BuyerKey, BuyerFacts] = {}
        asked = list(keys)
        for each in await self._transaction.find(BUYERS, in_shops(asked, "customer_id")):
            key = BuyerKey(each["merchant_id"], each["customer_id"])
            found[key] = BuyerFacts(Buyer(each["tier"], each["segment"]), each["version"])
        for key in asked:
            told = self._buyers_told.get(key)
            if told is not None and (key not in found or found[key].version < told.version):
                found[key] = told
        return {key: facts.buyer for key, facts in found.items()}

    async def learn_goods(self, told: Mapping[GoodsKey, GoodsFacts]) -> None:
        for key, facts in told.items():
            known = self._goods_told.get(key)
            if known is None or known.updated_at < facts.updated_at:
                self._goods_told[key] = facts
                new = key._asdict() | {
                    "tags": list(facts.tags),
                    "updated_at": ticks(facts.updated_at),
                }
                self._transaction.update(GOODS, new, _if_newer(new, "updated_at"))

    async def learn_collections(self, told: Mapping[GoodsKey, CollectionFacts]) -> None:
        for key, facts in told.items():
            known = self._collections_told.get(key)
            if known is None or known.version < facts.version:
                self._collections_told[key] = facts
                new = key._asdict() | {
                    "collections": list(facts.collections),
                    "version": facts.version,
                }
                self._transaction.update(GOODS_COLLECTIONS, new, _if_newer(new, "version"))

    async def goods(self, keys: Iterable[GoodsKey]) -> Mapping[GoodsKey, KnownGoods]:
        asked = list(keys)
        tagged, collected = await self._tagged(asked), await self._collected(asked)
        return {
            key: KnownGoods(
                tagged[key].tags if key in tagged else (),
                collected[key].collections if key in collected else (),
            )
            for key in asked
            if key in tagged or key in collected
        }

    async def _collected(self, asked: list[GoodsKey]) -> Mapping[GoodsKey, CollectionFacts]:
        found: dict[GoodsKey, CollectionFacts] = {}
        query = in_shops(asked, "product_id")
        for each in await self._transaction.find(GOODS_COLLECTIONS, query):
            key = GoodsKey(each["merchant_id"], each["product_id"])
            found[key] = CollectionFacts(tuple(each["collections"]), each["version"])
        for key in asked:
            told = self._collections_told.get(key)
            if told is not None and (key not in found or found[key].version < told.version):
                found[key] = told
        return found

    async def _tagged(self, asked: list[GoodsKey]) -> Mapping[GoodsKey, GoodsFacts]:
        found: dict[GoodsKey, GoodsFacts] = {}
        for each in await self._transaction.find(GOODS, in_shops(asked, "product_id")):
            key = GoodsKey(each["merchant_id"], each["product_id"])
            found[key] = GoodsFacts(tuple(each["tags"]), instant(each["updated_at"]))
        for key in asked:
            told = self._goods_told.get(key)
            if told is not None and (key not in found or found[key].updated_at < told.updated_at):
                found[key] = told
        return found


def _if_newer(new: Document, by: str) -> list[Document]:
    """Only what is newer than what is there takes its place; as one step, because nobody locks
    these. Values are quoted: a tag that begins with a dollar sign is a tag."""
    is_newer = {"$lt": [{"$ifNull": [f"${by}", None]}, {"$literal": new[by]}]}
    return [
        {
            "$replaceWith": {
                "$cond": [is_newer, {"$mergeObjects": ["$$ROOT", {"$literal": new}]}, "$$ROOT"]
            }
        }
    ]
