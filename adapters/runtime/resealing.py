"""What a service does that keeps sealed rows, when a shop has a new key: seals them anew.

In the background, batch by batch, while they are read and written: what somebody else holds or
writes meanwhile is not touched, and looked at later. So is what comes late, sealed with the old key
(an event that waited, a dead letter that is replayed), for as long as the old key is there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.consumer import Consumes
from adapters.nats.server import Endpoint
from adapters.postgres.resealing import SealedTable, sealed_rows
from adapters.runtime.service import Loop, answers
from adapters.runtime.world import World
from contracts.caller import Caller
from contracts.keys import (
    COUNT_SEALED_ROWS,
    MERCHANT_KEY_DESTROYED,
    MERCHANT_KEY_ROTATED,
    CountSealedRows,
    SealedRows,
)
from domain.errors import InvalidRequest, NotFound, Problem
from domain.keys import KeysShut
from ports import resealing
from ports.events import Received
from ports.resealing import Errand, SealedRow
from ports.sealing import CannotOpen, MerchantKey, Sealer, ShopKeys, key_id_of
from ports.tenancy import within
from ports.unit import Unit, Units

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0
AGAIN: Final = timedelta(minutes=10)
"""How soon it is looked again for what came late."""
SOON: Final = timedelta(seconds=5)
"""And for what somebody else had in hand, or nobody can open now."""
_AT_ONCE: Final = 200
"""About 10 ms of work, for which nothing else runs in the process."""
_MOST_ASKED: Final = 250


class Resealing:
    def __init__(
        self,
        units: Units[resealing.SealedRows],
        across: Units[resealing.SealedRows],
        purposes: Mapping[str, str],
        keys: ShopKeys,
        sealer: Sealer,
    ) -> None:
        self._units = units
        self._across = across
        self._purposes = purposes
        self._keys = keys
        self._sealer = sealer

    async def begin(
        self, unit: Unit[resealing.SealedRows], events: Sequence[Received[Any]]
    ) -> None:
        """Something has happened to the keys of these shops."""
        await unit.stores.begin({event.merchant_id for event in events}, unit.now())

    async def run(self) -> None:
        """Go through the rows of the shops that are due. Raises Unavailable when auth is away."""
        async with self._across() as unit:
            errands = await unit.stores.due(unit.now())
        for errand in errands:
            with within([errand.merchant_id]):
                try:
                    await self._go_through(errand)
                except KeysShut:
                    async with self._units() as unit:
                        await unit.stores.put_off(errand, unit.now() + SOON)

    async def count(self, _: Caller, request: CountSealedRows) -> SealedRows:
        if len(request.keys) > _MOST_ASKED:
            problem = Problem("/keys", f"At most {_MOST_ASKED} at once.")
            raise InvalidRequest(problems=[problem])
        async with self._across() as unit:
            rows = [await unit.stores.count(each.merchant_id, each.key_id) for each in request.keys]
        return SealedRows(rows=tuple(rows))

    async def _go_through(self, errand: Errand) -> None:
        unreadable = 0
        while True:
            try:
                keys = await self._keys.of(errand.merchant_id)
            except NotFound:
                keys = None  # it was erased
            if keys is None or not keys.older:
                async with self._units() as unit:
                    await unit.stores.end(errand)
                return
            async with self._units() as unit:
                rows = await unit.stores.under(errand, keys.older.keys(), _AT_ONCE)
                sealed = [each for each in (self._anew(keys, row) for row in rows) if each]
                if sealed:
                    await unit.stores.replace(errand.merchant_id, sealed)
                if rows:
                    errand = await unit.stores.advance(errand, rows[-1].row_id)
            unreadable += len(rows) - len(sealed)
            if len(rows) < _AT_ONCE:
                break
        if unreadable:
            log.error("%d rows of shop %s cannot be opened", unreadable, errand.merchant_id)
        async with self._units() as unit:
            left = [await unit.stores.count(errand.merchant_id, each) for each in keys.older]
            again = AGAIN if sum(left) == unreadable else SOON
            await unit.stores.put_off(errand, unit.now() + again)

    def _anew(self, key: MerchantKey, row: SealedRow) -> SealedRow | None:
        """The row sealed with the present key; None for one that cannot be opened."""
        texts = dict(row.texts)
        try:
            for column, text in row.texts.items():
                if text and key_id_of(text) != key.key_id:
                    what = self._purposes[column], row.abouts[column]
                    plain = self._sealer.open(key, text, *what)
                    texts[column] = self._sealer.seal(key, plain, *what)
        except CannotOpen:
            return None
        return replace(row, texts=texts)


def resealed(
    world: World, service: str, table: SealedTable, keys: ShopKeys
) -> tuple[Endpoint, Consumes[resealing.SealedRows], Loop]:
    """What goes into the wiring of a service that keeps ``table``."""
    units: Units[resealing.SealedRows] = world.units(service, sealed_rows(table))
    across: Units[resealing.SealedRows] = world.units_across_shops(service, sealed_rows(table))
    return resealing_of(service, units, across, table.purposes, keys)


def resealing_of(
    service: str,
    units: Units[resealing.SealedRows],
    across: Units[resealing.SealedRows],
    purposes: Mapping[str, str],
    keys: ShopKeys,
) -> tuple[Endpoint, Consumes[resealing.SealedRows], Loop]:
    """The same, wherever the rows are; ``purposes`` by what a sealed text is called there."""
    work = Resealing(units, across, purposes, keys, AesGcmSealer())
    return (
        answers(COUNT_SEALED_ROWS[service], work.count),
        Consumes(
            (MERCHANT_KEY_ROTATED, MERCHANT_KEY_DESTROYED),
            units,
            work.begin,
            name=f"{service}-keys",
            inbox=False,  # looking once more is harmless
        ),
        Loop("resealing", EVERY_SECONDS, work.run),
    )
