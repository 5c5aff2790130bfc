"""Which products are in the collections that a shop's program names, asked of its Shopify.

No webhook tells of it. So the collections are asked for from end to end when the program names
them, when the shop connects, and every hour; a product by itself soon after it was made or changed,
a collection soon after Shopify has said that it changed, and not how. What that changes is told to
the mesh. A shop whose program names none is never asked.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from contracts.caller import Caller
from contracts.installs import AccessLost, ShopConnected
from contracts.kit import Nothing
from contracts.products import (
    PRODUCT_COLLECTIONS,
    CollectionKnown,
    CollectionsKnown,
    ProductCollections,
)
from contracts.shop import CollectionChanged, CollectionGone, Product, ProductGone
from domain.errors import LoyaltyError
from ports.catalogue import ProductKey
from ports.collections import (
    CollectionBook,
    CollectionKey,
    CollectionsNamed,
    CollectionSync,
    InDoubt,
    NotAllowed,
    ShopCollections,
)
from ports.events import Received
from ports.programs import newest_programs
from ports.tenancy import within
from ports.unit import Unit, Units

log = logging.getLogger(__name__)

WORK_SECONDS: Final = 1.0
EVERY: Final = timedelta(hours=1)
SETTLES: Final = timedelta(seconds=15)
"""How long Shopify may take to sort a product that has changed into its collections; and what is
changed again within it, by somebody who tidies up, is looked at once."""
_AT_ONCE: Final = 4
_LEASE: Final = timedelta(minutes=5)
_FEW: Final = 100
"""Products in doubt that are asked for one by one; of more, the collections are."""
_WHOLE_PAUSE: Final = timedelta(minutes=5)
_PIECE: Final = 500
_DENIED: Final = "The shop has not granted LoyalNest to read its collections at Shopify."
_LOST: Final = "The shop has taken away LoyalNest's access to Shopify."
_AWAY: Final = "Shopify, or a part of LoyalNest, does not answer now."
_OURS: Final = "Something went wrong on our side."
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=10)


async def heed(unit: Unit[CollectionBook], events: Sequence[Received[Any]]) -> None:
    """Programs that name other collections, and shops that have come."""
    named = {
        merchant: CollectionsNamed(tuple(sorted(program.collections)), program.version)
        for merchant, program in newest_programs(events).items()
    }
    await unit.stores.name(named, unit.now())
    came = {event.merchant_id for event in events if isinstance(event.body, ShopConnected)}
    await unit.stores.restart(came, unit.now())


async def doubt(unit: Unit[CollectionBook], events: Sequence[Received[Any]]) -> None:
    """Products that were made, changed or removed may be in other collections now, and others in
    collections that were."""
    now = unit.now()
    products = {
        ProductKey(event.merchant_id, event.body.product_id)
        for event in events
        if isinstance(event.body, Product | ProductGone)
    }
    await unit.stores.doubt(products, now, now + SETTLES)
    collections = {
        CollectionKey(event.merchant_id, event.body.collection_id)
        for event in events
        if isinstance(event.body, CollectionChanged | CollectionGone)
    }
    await unit.stores.doubt_collections(collections, now, now + SETTLES)


class CollectionDesk:
    def __init__(self, units: Units[CollectionBook]) -> None:
        self._units = units

    async def known(self, caller: Caller, _request: Nothing) -> CollectionsKnown:
        async with self._units() as unit:
            row = await unit.stores.sync(caller.tenant)
            sizes = await unit.stores.sizes(caller.tenant)
        if row is None:
            return CollectionsKnown(collections=())
        return CollectionsKnown(
            collections=tuple(
                CollectionKnown(collection_id=each, products=sizes.get(each, 0))
                for each in row.collections
            ),
            synced_at=row.synced_at,
            problem=row.problem,
        )


class _Lost(Exception):
    """Somebody else works on it by now."""


class Collecting:
    """``across`` sees all shops; ``count`` is told what became of each turn of work."""

    def __init__(
        self,
        units: Units[CollectionBook],
        across: Units[CollectionBook],
        shopify: ShopCollections,
        count: Callable[[str], None],
    ) -> None:
        self._units = units
        self._across = across
        self._shopify = shopify
        self._count = count

    async def run(self) -> None:
        """Learn what is due."""
        async with self._across() as unit:
            now = unit.now()
            due = await unit.stores.take_due(now, now + _LEASE, _AT_ONCE)
        await asyncio.gather(*map(self._work, due))

    async def _work(self, row: CollectionSync) -> None:
        with within([row.merchant_id]):
            try:
                self._count(await self._learn(row))
            except _Lost:
                self._count("taken_over")
            except (AccessLost, NotAllowed) as error:
                # Nothing but the shop's staff changes that.
                log.warning("collections of %s: %s", row.merchant_id, type(error).__name__)
                outcome, problem = "ACCESS_DENIED", _DENIED
                if isinstance(error, AccessLost):
                    outcome, problem = error.code, _LOST
                await self._failed(row, outcome, problem, EVERY)
            except LoyaltyError as error:
                log.warning("collections of %s: %s", row.merchant_id, type(error).__name__)
                await self._failed(row, error.code, _AWAY, _pause(row))
            except Exception:
                # Its time comes again; the others must not wait for it.
                log.exception("collections of %s were not learnt", row.merchant_id)
                await self._failed(row, LoyaltyError.code, _OURS, _pause(row))

    async def _learn(self, row: CollectionSync) -> str:
        """Ask for the collections from end to end (``synced``), or only for what is in doubt
        (``looked``)."""
        async with self._units() as unit:
            now = unit.now()
            doubted = await unit.stores.doubted(row.merchant_id, now - SETTLES)
        is_late = row.synced_at is None or now - row.synced_at >= _WHOLE_PAUSE
        if row.whole_at > now and not (len(doubted.products) > _FEW and is_late):
            changed = {*doubted.collections} & {*row.collections}
            found, missing = await self._in_these(row, changed)
            if not missing:
                looked = dict(list(doubted.products.items())[:_FEW])
                known = await self._inside(row) if changed else {}
                told = _moved(known, changed, found) | await self._of_each(row, looked)
                done = replace(row, problem="" if row.tries else row.problem)
                await self._keep(done, told, InDoubt(looked, doubted.collections))
                return "looked"
            # A collection is gone: its name is a problem from now on, like those of others.
        found, missing = await self._in_these(row, row.collections)
        known = await self._inside(row)
        found |= dict.fromkeys(known.keys() - found.keys(), ())
        news = {each: found[each] for each in found if found[each] != known.get(each)}
        done = replace(row, whole_at=now + EVERY, synced_at=now, problem=_problem(missing))
        await self._keep(done, news, doubted)
        return "synced"

    async def _in_these(
        self, row: CollectionSync, collections: Iterable[str]
    ) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        """Which of the collections every product in them is in, and those that are not there."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        missing: list[str] = []
        for collection in collections:
            after = ""
            while True:
                await self._hold(row)
                page = await self._shopify.products_in(row.merchant_id, collection, after)
                if page is None:
                    missing.append(collection)
                    break
                for product in {*page.ids}:
                    found[product].append(collection)
                after = page.after
                if not after:
                    break
        return {each: tuple(sorted({*found[each]})) for each in found}, missing

    async def _inside(self, row: CollectionSync) -> Mapping[str, tuple[str, ...]]:
        """What is known so far, of every product that is in any."""
        async with self._units() as unit:
            return await unit.stores.inside(row.merchant_id)

    async def _of_each(
        self, row: CollectionSync, products: Mapping[str, object]
    ) -> dict[str, tuple[str, ...]]:
        found = {}
        for product in products:
            await self._hold(row)
            collections = await self._shopify.collections_of(row.merchant_id, product)
            found[product] = tuple(sorted({*collections} & {*row.collections}))
        return found

    async def _hold(self, row: CollectionSync) -> None:
        async with self._units() as unit:
            if not await unit.stores.hold(row, unit.now() + _LEASE):
                raise _Lost

    async def _keep(
        self, row: CollectionSync, told: Mapping[str, tuple[str, ...]], settled: InDoubt
    ) -> None:
        """In pieces, so that no transaction says too much; whoever dies in between has said what he
        kept, and the next one says the rest."""
        products = sorted(told)
        for start in range(0, len(products), _PIECE):
            piece = {each: told[each] for each in products[start : start + _PIECE]}
            async with self._units() as unit:
                if not await unit.stores.hold(row, unit.now() + _LEASE):
                    raise _Lost
                for product_id, collections, version in await unit.stores.learn(
                    row.merchant_id, piece
                ):
                    said = ProductCollections(
                        product_id=product_id, collections=collections, version=version
                    )
                    unit.emit(PRODUCT_COLLECTIONS, said, row.merchant_id)
        async with self._units() as unit:
            await unit.stores.settle(row.merchant_id, settled)
            await unit.stores.keep(replace(row, tries=0), unit.now() + SETTLES)

    async def _failed(
        self, row: CollectionSync, outcome: str, problem: str, pause: timedelta
    ) -> None:
        self._count(outcome)
        async with self._units() as unit:
            again = unit.now() + pause
            whole_at = again if row.whole_at <= unit.now() else row.whole_at
            failed = replace(row, tries=row.tries + 1, problem=problem, whole_at=whole_at)
            await unit.stores.keep(failed, again)


def _moved(
    known: Mapping[str, tuple[str, ...]],
    changed: set[str],
    found: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """What products are in now that came into ``changed`` collections, or went out of them, by what
    was ``found`` in those."""
    told = {}
    for product in known.keys() | found.keys():
        others = {*known.get(product, ())} - changed
        collections = tuple(sorted(others | {*found.get(product, ())}))
        if collections != known.get(product, ()):
            told[product] = collections
    return told


def _pause(row: CollectionSync) -> timedelta:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(row.tries, 20)))


def _problem(missing: Sequence[str]) -> str:
    return f"Shopify has no such collection: {', '.join(missing)}." if missing else ""
