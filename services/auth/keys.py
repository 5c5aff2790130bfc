"""The keys of shops: a new one, how far it is in use, and the end of all of them."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from contracts.caller import Caller, service_caller
from contracts.keys import (
    COUNT_SEALED_ROWS,
    MERCHANT_KEY_DESTROYED,
    MERCHANT_KEY_ROTATED,
    CountSealedRows,
    ErasedKeys,
    EraseMerchantKeys,
    GetKeyProgress,
    KeyChange,
    KeyChanges,
    KeyInfo,
    KeyProgress,
    ListKeyChanges,
    MasterKeyProgress,
    MerchantKeyDestroyed,
    MerchantKeyRotated,
    RotatedKey,
    RotateMerchantKey,
    RowsLeft,
    SealedUnder,
)
from contracts.kit import Nothing
from domain.errors import DeadlineExceeded, InvalidRequest, NotFound, Problem, Unavailable
from domain.keys import KEPT_ELSEWHERE, KeysDestroyed, KeyState, ShopStillInstalled
from domain.shop_domain import normalised
from ports.key_management import DATA, KeyManagement, MasterKey
from ports.merchant_keys import KeyStores, StoredKey
from ports.merchants import MerchantRow, Status
from ports.mesh import Mesh
from ports.sealing import KeyMaker, NewKey
from ports.unit import Unit, Units

_MOST: Final = 250
_SELF: Final = service_caller("auth")
_ASK_SECONDS: Final = 4.0


class NextKey(NamedTuple):
    """None for a shop that was erased."""

    merchant_id: UUID
    key: NewKey | None


class Keys:
    def __init__(
        self, units: Units[KeyStores], maker: KeyMaker, management: KeyManagement, mesh: Mesh
    ) -> None:
        self._units = units
        self._maker = maker
        self._management = management
        self._mesh = mesh

    async def rotate_master(self, caller: Caller, _: Nothing) -> MasterKeyProgress:
        """Have everything wrapped under the present master key; ``Rewrapping`` does it."""
        master = await self._management.current()
        async with self._units() as unit:
            unit.actor = caller.name
            await unit.stores.begin_rotation(master.prefix, unit.now())
            return await _master_progress(unit, master)

    async def prepare_rotation(self, _: Caller, request: RotateMerchantKey) -> NextKey:
        async with self._units() as unit:
            shop = await _find(unit, request)
        # Not refused here, or one that was answered before would not be answered the same again.
        erased = not shop.keys.data
        key = None if erased else await self._maker.new_data_key(shop.merchant_id)
        return NextKey(shop.merchant_id, key)

    async def rotate_merchant(
        self, unit: Unit[KeyStores], _: Caller, __: RotateMerchantKey, new: NextKey
    ) -> RotatedKey:
        shop = await unit.stores.lock_shop(new.merchant_id)
        if new.key is None or not shop.keys.data:
            raise KeysDestroyed
        if not shop.keys.index:
            raise Unavailable("The keys of this shop are being given versions; try again.")
        now = unit.now()
        retired = await unit.stores.rotate(shop.merchant_id, new.key, now)
        said = MerchantKeyRotated(key_id=new.key.key_id, retired_key_id=retired, occurred_at=now)
        unit.emit(MERCHANT_KEY_ROTATED, said, shop.merchant_id)
        return RotatedKey(
            merchant_id=shop.merchant_id, key_id=new.key.key_id, retired_key_id=retired
        )

    async def erase(
        self, unit: Unit[KeyStores], _: Caller, request: EraseMerchantKeys
    ) -> ErasedKeys:
        """Destroy all keys of a shop. A shop that comes back while this is done waits for it, and
        then gets new ones."""
        shop = await unit.stores.lock_shop((await _find(unit, request)).merchant_id)
        if shop.status is not Status.UNINSTALLED:
            raise ShopStillInstalled
        now = unit.now()
        destroyed = await unit.stores.destroy(shop.merchant_id, now)
        if destroyed:
            said = MerchantKeyDestroyed(
                key_ids=tuple(sorted(filter(None, destroyed))), all_keys=True, occurred_at=now
            )
            unit.emit(MERCHANT_KEY_DESTROYED, said, shop.merchant_id)
        return ErasedKeys(merchant_id=shop.merchant_id, keys=len(destroyed))

    async def changes(self, _: Caller, request: ListKeyChanges) -> KeyChanges:
        async with self._units() as unit:
            as_of, changed = await unit.stores.changes(request.since)
        return KeyChanges(
            as_of=as_of,
            changes=tuple(
                KeyChange(
                    merchant_id=each.merchant_id, version=each.version, destroyed=each.destroyed
                )
                for each in changed
            ),
        )

    async def progress(self, _: Caller, request: GetKeyProgress) -> KeyProgress:
        master = await self._management.current()
        async with self._units() as unit:
            progress = await _master_progress(unit, master)
            if request.shop_domain:
                shop = await unit.stores.by_domain(normalised(request.shop_domain))
                if shop is None:
                    raise NotFound("No shop of this name uses LoyalNest.")
                keys = (await unit.stores.keys_of(shop.merchant_id))[:_MOST]
            else:
                keys = await unit.stores.retired_keys(_MOST)
        left = await self.rows_left(keys)
        return KeyProgress(
            master=progress,
            keys=tuple(_info(key, rows) for key, rows in zip(keys, left, strict=True)),
        )

    async def rows_left(self, keys: Sequence[StoredKey]) -> Sequence[Sequence[RowsLeft]]:
        """For each of these keys (250 at most), what each service keeps that is sealed under it."""
        asked = [key for key in keys if key.use == DATA and key.state is not KeyState.DESTROYED]
        request = CountSealedRows(
            keys=tuple(SealedUnder(merchant_id=key.merchant_id, key_id=key.key_id) for key in asked)
        )
        answers = await asyncio.gather(
            *(self._count(service, request) for service in COUNT_SEALED_ROWS)
        )
        rows = {
            (key.merchant_id, key.key_id): [
                RowsLeft(service=service, rows=None if counts is None else counts[at])
                for service, counts in zip(COUNT_SEALED_ROWS, answers, strict=True)
            ]
            for at, key in enumerate(asked)
        }
        return [rows.get((key.merchant_id, key.key_id), []) for key in keys]

    async def _count(self, service: str, request: CountSealedRows) -> Sequence[int] | None:
        if not request.keys:
            return ()
        try:
            answer = await self._mesh.call(
                COUNT_SEALED_ROWS[service], request, _SELF, deadline=_ASK_SECONDS
            )
        except (Unavailable, DeadlineExceeded):
            return None
        return answer.rows


async def _find(
    unit: Unit[KeyStores], request: RotateMerchantKey | EraseMerchantKeys
) -> MerchantRow:
    """Raises NotFound, and InvalidRequest for one that does not name one shop."""
    if bool(request.shop_domain) is (request.merchant_id is not None):
        detail = "Name the shop by one of shop_domain and merchant_id."
        raise InvalidRequest(problems=[Problem("/shop_domain", detail)])
    if request.merchant_id is not None:
        found = await unit.stores.by_id(request.merchant_id)
    else:
        found = await unit.stores.by_domain(normalised(request.shop_domain))
    if found is None:
        raise NotFound("No shop of this name uses LoyalNest.")
    return found


async def _master_progress(unit: Unit[KeyStores], master: MasterKey) -> MasterKeyProgress:
    count = await unit.stores.count_wrapped(master.prefix)
    rotation = await unit.stores.rotation()
    if rotation is not None and rotation.prefix != master.prefix:
        rotation = None  # it was to another master key
    return MasterKeyProgress(
        master_key=master.name,
        keys=count.keys,
        keys_left=count.left,
        failed=count.failed,
        started_at=None if rotation is None else rotation.started_at,
        finished_at=None if rotation is None else rotation.finished_at,
    )


def _info(key: StoredKey, rows: Sequence[RowsLeft]) -> KeyInfo:
    retired = key.state is KeyState.RETIRED and key.retired_at is not None
    return KeyInfo(
        merchant_id=key.merchant_id,
        shop_domain=key.shop_domain,
        key_id=key.key_id,
        use=key.use,
        state=key.state,
        created_at=key.created_at,
        retired_at=key.retired_at,
        destroyable_at=key.retired_at + KEPT_ELSEWHERE if retired and key.retired_at else None,
        destroyed_at=key.destroyed_at,
        rows_left=tuple(rows),
    )
