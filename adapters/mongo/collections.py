"""The collections of the points service, and those that every service on MongoDB would have."""

from typing import Final

from adapters.mongo.schema import (
    BYTES,
    DATE,
    FLAG,
    LIST,
    OBJECT,
    TEXT,
    TICKS,
    UUID_,
    WHOLE,
    Collection,
    or_null,
)
from adapters.nats.relay import ANSWERS_KEPT, INBOX_KEPT
from domain.points.ledger import EntryKind
from domain.points.redemption import RedemptionState

_SHOP: Final = "merchant_id"

LOCKS: Final = Collection(
    "locks",
    (_SHOP, "kind", "name"),
    {_SHOP: UUID_, "kind": TEXT, "name": TEXT, "holder": UUID_, "at": DATE},
    kept_seconds={"at": 3600},  # of those who died; the next one to ask takes it over sooner
)
OUTBOX: Final = Collection(
    "outbox",
    (_SHOP, "_id"),
    {_SHOP: UUID_, "at": DATE, "events": TEXT},
    swept=("at",),
)
INBOX: Final = Collection(
    "inbox",
    ("event", "consumer"),
    {"event": UUID_, "consumer": TEXT, "at": DATE},
    no_shop="an event is known by its id before anybody asks whose it is",
    kept_seconds={"at": int(INBOX_KEPT.total_seconds())},
)
ANSWERS: Final = Collection(
    "answers",
    (_SHOP, "operation", "key"),
    {
        _SHOP: UUID_,
        "operation": TEXT,
        "key": TEXT,
        "input_hash": BYTES,
        "answer": or_null(BYTES),
        "at": DATE,
    },
    kept_seconds={"at": int(ANSWERS_KEPT.total_seconds())},
)
MOVES: Final = Collection(
    "shop_moves",
    (_SHOP,),
    {_SHOP: UUID_, "standing": TEXT, "at": DATE},
    swept=("standing",),
)
"""Shops that live in another store, or are on their way; who is not named lives here."""
OF_THE_MESH: Final = (LOCKS, OUTBOX, INBOX, ANSWERS, MOVES)

PROGRAMS: Final = Collection(
    "programs", (_SHOP,), {_SHOP: UUID_, "version": WHOLE, "settings": TEXT}
)
BUYERS: Final = Collection(
    "buyers",
    (_SHOP, "customer_id"),
    {_SHOP: UUID_, "customer_id": UUID_, "tier": TEXT, "segment": TEXT, "version": WHOLE},
)
GOODS: Final = Collection(
    "goods",
    (_SHOP, "product_id"),
    {_SHOP: UUID_, "product_id": TEXT, "tags": LIST, "updated_at": TICKS},
)
GOODS_COLLECTIONS: Final = Collection(
    "goods_collections",
    (_SHOP, "product_id"),
    {_SHOP: UUID_, "product_id": TEXT, "collections": LIST, "version": WHOLE},
)
ORDERS: Final = Collection(
    "orders",
    (_SHOP, "order_id"),
    {_SHOP: UUID_, "order_id": TEXT, "facts": or_null(OBJECT), "refunds": LIST},
    indexes=((_SHOP, "facts.created_at"),),
)
ENTRIES: Final = Collection(
    "points_transactions",
    # What makes an entry the same entry: whatever is delivered twice, this holds.
    (_SHOP, "source_ref", "source", "rule", "line"),
    {
        _SHOP: UUID_,
        "customer_id": UUID_,
        "kind": {"enum": [each.value for each in EntryKind]},
        "points": WHOLE,
        "pending": FLAG,
        "reason": TEXT,
        "source": TEXT,
        "source_ref": TEXT,
        "rule": TEXT,
        "line": TEXT,
        "order_id": TEXT,
        "waived": WHOLE,
        "reverses": or_null(TEXT),
        "snapshot": or_null(OBJECT),
        "at": TICKS,
        "uses": LIST,
        "expires_at": or_null(TICKS),
        "idle_days": WHOLE,
        # Who does not write it does not queue entries to be sealed either, and is refused.
        "tx": WHOLE,
    },
    optional={"undoes": UUID_},
    unique_where_there=("undoes",),
    indexes=(
        (_SHOP, "customer_id", "_id"),
        (_SHOP, "customer_id", "at", "_id"),
        (_SHOP, "order_id", "_id"),
    ),
    append_only=True,
    swept=("_id",),
)
UNSEALED: Final = Collection(
    "chain_unsealed",
    (_SHOP, "_id"),
    {_SHOP: UUID_, "entry_ids": BYTES, "digests": BYTES},
)
BLOCKS: Final = Collection(
    "chain_blocks",
    (_SHOP, "number"),
    {
        _SHOP: UUID_,
        "number": TICKS,
        "prev_hash": BYTES,
        "hash": BYTES,
        "entry_ids": BYTES,
        "digests": BYTES,
        "count": WHOLE,
        "sealed_at": TICKS,
    },
    append_only=True,
)
CHAIN_SWEEP: Final = Collection(
    "chain_sweep",
    ("name",),
    {"name": TEXT, "after": UUID_, "done": FLAG},
    no_shop="entries from before there was a chain are gone through by id, whosever they are",
)
WALLETS: Final = Collection(
    "wallets",
    (_SHOP, "customer_id"),
    {
        _SHOP: UUID_,
        "customer_id": UUID_,
        "spendable": WHOLE,
        "pending": WHOLE,
        "spent": WHOLE,
        "expired": WHOLE,
        "version": WHOLE,
        "merged_into": or_null(UUID_),
        "merge_version": WHOLE,
        "active_at": or_null(TICKS),
    },
    indexes=((_SHOP, "merged_into"),),
)
MATURING: Final = Collection(
    "maturing",
    (_SHOP, "order_id"),
    {_SHOP: UUID_, "order_id": TEXT, "matures_at": TICKS},
    swept=("matures_at",),
)
LOTS: Final = Collection(
    "lots",
    # Points that go over to another wallet stay the lot they were.
    (_SHOP, "customer_id", "lot_id"),
    {
        _SHOP: UUID_,
        "customer_id": UUID_,
        "lot_id": UUID_,
        "points": WHOLE,
        "left": WHOLE,
        "opened_at": TICKS,
        "expires_at": or_null(TICKS),
        "idle_days": WHOLE,
        "order_id": TEXT,
        "spent_by": TICKS,
    },
    indexes=((_SHOP, "customer_id", "spent_by", "opened_at", "lot_id"),),
)
AGEING: Final = Collection(
    "ageing",
    (_SHOP, "customer_id"),
    {_SHOP: UUID_, "customer_id": UUID_, "look_at": TICKS, "looked_at": TICKS},
    swept=("look_at",),
)
COUNTS: Final = Collection(
    "earning_counts",
    (_SHOP, "customer_id", "rule", "day"),
    {
        _SHOP: UUID_,
        "customer_id": UUID_,
        "rule": TEXT,
        "day": TEXT,
        "times": WHOLE,
        "points": WHOLE,
    },
)
REWARDS: Final = Collection(
    "rewards",
    (_SHOP, "_id"),
    {
        _SHOP: UUID_,
        "version": WHOLE,
        "terms": TEXT,
        "enabled": FLAG,
        "archived": FLAG,
        "taken": WHOLE,
        "created_at": TICKS,
        "updated_at": TICKS,
    },
)
REDEMPTIONS: Final = Collection(
    "reward_redemptions",
    (_SHOP, "_id"),
    {
        _SHOP: UUID_,
        "customer_id": UUID_,
        "shopify_customer_id": TEXT,
        "reward_id": UUID_,
        "reward_version": WHOLE,
        "title": TEXT,
        "benefit": OBJECT,
        "points": WHOLE,
        "paid_by": UUID_,
        "state": {"enum": [each.value for each in RedemptionState]},
        "created_at": TICKS,
        "ends_at": or_null(TICKS),
        "due_at": or_null(TICKS),
        "sealed_code": TEXT,
        "sealed_code_key": TEXT,
        "code_digest": TEXT,
        "returns_on_expiry": FLAG,
        "member_may_cancel": FLAG,
        "taken": FLAG,
        "took_stock": FLAG,
        "tries": WHOLE,
        "external_id": TEXT,
        "order_id": TEXT,
        "reason": TEXT,
        "for_expiry": FLAG,
    },
    indexes=(
        (_SHOP, "customer_id", "reward_id"),
        (_SHOP, "state", "_id"),
        (_SHOP, "code_digest"),
        (_SHOP, "order_id"),
        (_SHOP, "sealed_code_key", "_id"),
    ),
    swept=("due_at", "state"),
)
POOLED: Final = Collection(
    "pooled_members",
    (_SHOP, "customer_id"),
    {
        _SHOP: UUID_,
        "customer_id": UUID_,
        "pool_id": or_null(UUID_),
        "organization_id": or_null(UUID_),
        "version": WHOLE,
        "linked_at": TICKS,
    },
    swept=("pool_id",),  # who is in a pool is in as many shops
)
RESEALING: Final = Collection(
    "resealing", (_SHOP,), {_SHOP: UUID_, "after": UUID_, "due_at": TICKS}, swept=("due_at",)
)
SALE_NAMES: Final = Collection(
    "sale_names", (_SHOP, "name"), {_SHOP: UUID_, "name": TEXT, "order_id": TEXT}
)
TILL_LINES: Final = Collection(
    "pos_lines",
    (_SHOP, "till_id", "line_id"),
    {
        _SHOP: UUID_,
        "till_id": TEXT,
        "line_id": TEXT,
        "order_id": TEXT,
        "content": TEXT,
        "sale": TEXT,
        "location": TEXT,
        "at": TICKS,
    },
    indexes=((_SHOP, "order_id"),),
)
OF_POINTS: Final = (
    *OF_THE_MESH,
    PROGRAMS,
    BUYERS,
    GOODS,
    GOODS_COLLECTIONS,
    ORDERS,
    ENTRIES,
    UNSEALED,
    BLOCKS,
    CHAIN_SWEEP,
    WALLETS,
    LOTS,
    AGEING,
    MATURING,
    COUNTS,
    REWARDS,
    REDEMPTIONS,
    POOLED,
    RESEALING,
    SALE_NAMES,
    TILL_LINES,
)
