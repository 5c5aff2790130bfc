"""Keys of merchants: rotated while everything runs, and destroyed for good."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from contracts.kit import (
    INTERNAL,
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Nothing,
    Operation,
    Request,
    Response,
    get,
    post,
)
from domain.errors import DuplicateRequest, InvalidRequest, NotFound
from domain.keys import KeysDestroyed, ShopStillInstalled

_AUTH: Final = "auth"


class MasterKeyProgress(Response, frozen=True, kw_only=True):
    """How far all keys are wrapped under the present master key. ``failed`` could not be unwrapped
    by any master key that auth has; those stay as they are. ``finished_at`` is None while the
    rotation goes on, and both times are where there was none yet."""

    master_key: str
    keys: int
    keys_left: int
    failed: int
    started_at: Instant | None = None
    finished_at: Instant | None = None


ROTATE_MASTER_KEY: Final = Operation(
    "auth.v1.RotateMasterKey",
    Nothing,
    MasterKeyProgress,
    permission="admin:full",
    summary="Wrap the keys of all shops under the present master key, in the background.",
    http=post("/admin/v1/keys/rotate-master"),
    idempotency=Idempotency.NATURAL,
)


class RotateMerchantKey(Request, frozen=True, kw_only=True):
    """A shop by its domain or by our id; one of the two."""

    shop_domain: str = ""
    merchant_id: UUID | None = None


class RotatedKey(Response, frozen=True, kw_only=True):
    """``key_id`` names the new key in what it seals, ``retired_key_id`` the one before."""

    merchant_id: UUID
    key_id: str
    retired_key_id: str


ROTATE_MERCHANT_KEY: Final = Operation(
    "auth.v1.RotateMerchantKey",
    RotateMerchantKey,
    RotatedKey,
    permission="admin:full",
    summary="Give a shop a new data key. What the old one has sealed is sealed anew in the "
    "background; blind indexes have a key of their own and stay.",
    http=post("/admin/v1/keys/rotate-merchant"),
    errors=(InvalidRequest, NotFound, KeysDestroyed, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class GetKeyProgress(Request, frozen=True, kw_only=True):
    """``shop_domain`` asks for the keys of that shop; without it, for those that are still being
    replaced in any shop."""

    shop_domain: str = ""


class RowsLeft(Response, frozen=True, kw_only=True):
    """What a service still keeps sealed under a key. ``rows`` is None when it does not answer."""

    service: str
    rows: int | None


class KeyInfo(Response, frozen=True, kw_only=True):
    """``use`` is "data" or "index"; ``state`` is "current", "retired" or "destroyed".
    ``destroyable_at`` is when a retired key may be destroyed at the earliest, by itself: once no
    rows are left under it."""

    merchant_id: UUID
    shop_domain: str
    key_id: str
    use: str
    state: str
    created_at: Instant
    retired_at: Instant | None = None
    destroyable_at: Instant | None = None
    destroyed_at: Instant | None = None
    rows_left: tuple[RowsLeft, ...] = ()


class KeyProgress(Response, frozen=True, kw_only=True):
    """``keys`` are at most 250."""

    master: MasterKeyProgress
    keys: tuple[KeyInfo, ...]


GET_KEY_PROGRESS: Final = Operation(
    "auth.v1.GetKeyProgress",
    GetKeyProgress,
    KeyProgress,
    permission="admin:full",
    summary="How far rotations of keys are, with the rows that are left by service.",
    http=get("/admin/v1/keys"),
    errors=(InvalidRequest, NotFound),
    deadline=10.0,
)


class EraseMerchantKeys(Request, frozen=True, kw_only=True):
    """A shop by its domain or by our id; one of the two."""

    shop_domain: str = ""
    merchant_id: UUID | None = None


class ErasedKeys(Response, frozen=True, kw_only=True):
    """``keys`` is how many were destroyed now: none, where they had been before."""

    merchant_id: UUID
    keys: int


ERASE_MERCHANT_KEYS: Final = Operation(
    "auth.v1.EraseMerchantKeys",
    EraseMerchantKeys,
    ErasedKeys,
    permission="admin:full",
    summary="Destroy all keys of a shop that has removed the app: whatever was sealed for it, "
    "wherever it is, can never be opened again.",
    http=post("/admin/v1/keys/erase"),
    errors=(InvalidRequest, NotFound, ShopStillInstalled, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class ListKeyChanges(Request, frozen=True, kw_only=True):
    """``since`` is the ``as_of`` of the answer before; without it nothing is listed."""

    since: Instant | None = None


class KeyChange(Response, frozen=True, kw_only=True):
    """A shop whose keys are those of ``version`` by now; ``destroyed``: it has none."""

    merchant_id: UUID
    version: int
    destroyed: bool


class KeyChanges(Response, frozen=True, kw_only=True):
    """One may be listed again that was listed before."""

    as_of: Instant
    changes: tuple[KeyChange, ...]


LIST_KEY_CHANGES: Final = Operation(
    "auth.v1.ListKeyChanges",
    ListKeyChanges,
    KeyChanges,
    permission=INTERNAL,
    summary="Of which shops remembered keys do not hold any more.",
)


class SealedUnder(Request, frozen=True, kw_only=True):
    merchant_id: UUID
    key_id: str


class CountSealedRows(Request, frozen=True, kw_only=True):
    """At most 250 keys."""

    keys: tuple[SealedUnder, ...]


class SealedRows(Response, frozen=True, kw_only=True):
    """For each key that was asked for, in that order, the rows sealed under it."""

    rows: tuple[int, ...]


def _count_sealed_rows(service: str) -> Operation[CountSealedRows, SealedRows]:
    return Operation(
        f"{service}.v1.CountSealedRows",
        CountSealedRows,
        SealedRows,
        permission=INTERNAL,
        summary="How much the service keeps that is sealed under some keys.",
        errors=(InvalidRequest,),
    )


COUNT_SEALED_ROWS: Final[Mapping[str, Operation[CountSealedRows, SealedRows]]] = {
    service: _count_sealed_rows(service) for service in ("admin_core", "auth", "points", "users")
}
"""By service, all that keep sealed rows: each seals them anew after ``merchant_key.rotated``, and
an old key is destroyed only when all of them say that nothing is left under it."""


class MerchantKeyRotated(Body, frozen=True, kw_only=True):
    """``key_id`` seals from now on; what ``retired_key_id`` has sealed is to be sealed anew."""

    key_id: str
    retired_key_id: str
    occurred_at: Instant


class MerchantKeyDestroyed(Body, frozen=True, kw_only=True):
    """``all_keys``: the shop was erased, and nothing that was sealed for it opens any more."""

    key_ids: tuple[str, ...]
    all_keys: bool
    occurred_at: Instant


MERCHANT_KEY_ROTATED: Final = Event(
    "merchant_key.rotated", MerchantKeyRotated, _AUTH, "A shop has a new data key."
)
MERCHANT_KEY_DESTROYED: Final = Event(
    "merchant_key.destroyed", MerchantKeyDestroyed, _AUTH, "Keys of a shop were destroyed."
)

CONTRACTS: Final = Contracts(
    operations=(
        ROTATE_MASTER_KEY,
        ROTATE_MERCHANT_KEY,
        GET_KEY_PROGRESS,
        ERASE_MERCHANT_KEYS,
        LIST_KEY_CHANGES,
        *COUNT_SEALED_ROWS.values(),
    ),
    events=(MERCHANT_KEY_ROTATED, MERCHANT_KEY_DESTROYED),
)
