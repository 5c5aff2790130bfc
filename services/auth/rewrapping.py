"""What is done to the keys of shops by itself: new wrappings, versions, the end of old keys."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Final
from uuid import UUID

from contracts.keys import MERCHANT_KEY_DESTROYED, MerchantKeyDestroyed
from domain.keys import may_destroy
from ports.key_management import KeyContext, KeyManagement
from ports.merchant_keys import KeyStores, StoredKey, Wrapped
from ports.sealing import CannotOpen, KeyMaker
from ports.unit import Units
from services.auth.keys import Keys

log = logging.getLogger(__name__)

_AT_ONCE: Final = 100
_MOST_RETIRED: Final = 250
_NOBODY: Final = UUID(int=0)


class Rewrapping:
    """Brings everything under the master key that it is to be under. What is done is in the rows,
    so after a crash it goes on where it was; two that do it at once do some of it twice."""

    def __init__(self, units: Units[KeyStores], management: KeyManagement) -> None:
        self._units = units
        self._management = management

    async def run(self) -> None:
        """Raises Unavailable when the key service is away; what is left is done next time."""
        while True:
            async with self._units() as unit:
                rotation = await unit.stores.rotation()
            if rotation is None or rotation.finished_at is not None:
                return
            prefix = rotation.prefix
            if (await self._management.current()).prefix != prefix:
                return  # this process does not know that master key yet, or knows a newer one
            async with self._units() as unit:
                batch = await unit.stores.wrapped_otherwise(prefix, _AT_ONCE)
                if not batch:
                    await unit.stores.end_rotation(prefix, unit.now())
                    return
            texts = await asyncio.gather(*map(self._rewrapped, batch))
            async with self._units() as unit:
                for wrapped, text in zip(batch, texts, strict=True):
                    if text is None:
                        await unit.stores.give_up(wrapped, prefix)
                    else:
                        await unit.stores.rewrap(wrapped, text)

    async def _rewrapped(self, wrapped: Wrapped) -> str | None:
        context = KeyContext(wrapped.merchant_id, wrapped.use)
        try:
            return await self._management.rewrap(wrapped.text, context)
        except CannotOpen:
            log.error("a key of shop %s cannot be unwrapped", wrapped.merchant_id)  # noqa: TRY400 - says all there is
            return None


class Adopting:
    """Gives versions to the keys of shops that were there before keys had any, and a key of its own
    to their blind indexes: the one that was made from their data key, so that they still find."""

    def __init__(self, units: Units[KeyStores], maker: KeyMaker) -> None:
        self._units = units
        self._maker = maker

    async def run(self) -> None:
        after = _NOBODY
        while True:
            async with self._units() as unit:
                batch = await unit.stores.without_versions(after, _AT_ONCE)
            for wrapped in batch:
                try:
                    keys = await self._maker.adopt(wrapped.merchant_id, wrapped.text)
                except CannotOpen:
                    log.error("the key of shop %s cannot be unwrapped", wrapped.merchant_id)  # noqa: TRY400 - says all there is
                    continue
                async with self._units() as unit:
                    await unit.stores.adopt(wrapped, keys)
            if len(batch) < _AT_ONCE:
                return
            after = batch[-1].merchant_id


class Retiring:
    """Destroys retired keys under which nothing is left, nor on its way (``domain.keys``)."""

    def __init__(self, units: Units[KeyStores], keys: Keys) -> None:
        self._units = units
        self._keys = keys

    async def run(self) -> None:
        async with self._units() as unit:
            retired = await unit.stores.retired_keys(_MOST_RETIRED)
            now = unit.now()
        # Most are too young, and need no asking.
        old = [key for key in retired if key.retired_at and may_destroy(key.retired_at, now, ())]
        if not old:
            return
        left = await self._keys.rows_left(old)
        unused = [
            key
            for key, rows in zip(old, left, strict=True)
            if key.retired_at and may_destroy(key.retired_at, now, (each.rows for each in rows))
        ]
        for merchant_id, keys in groupby(unused, key=lambda key: key.merchant_id):
            await self._destroy(merchant_id, list(keys))

    async def _destroy(self, merchant_id: UUID, keys: Sequence[StoredKey]) -> None:
        async with self._units() as unit:
            await unit.stores.lock_shop(merchant_id)
            now = unit.now()
            destroyed = await unit.stores.destroy(merchant_id, now, [key.key_id for key in keys])
            if destroyed:
                said = MerchantKeyDestroyed(
                    key_ids=tuple(sorted(destroyed)), all_keys=False, occurred_at=now
                )
                unit.emit(MERCHANT_KEY_DESTROYED, said, merchant_id)
