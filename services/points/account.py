"""What a member or a member of staff asks of a wallet: its balance, its history, a correction."""

from uuid import UUID

from contracts.caller import Audience, Caller
from contracts.points import (
    Adjust,
    Adjusted,
    Balance,
    BalanceOf,
    Balances,
    BalancesOf,
    Entry,
    History,
    HistoryOf,
    MemberRef,
)
from contracts.shop import member_id
from domain.errors import InvalidRequest, NotFound, Problem
from domain.points.pooling import other_shop
from domain.points.wallet import adjustment
from ports.earning import BuyerKey
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.pooling import SharedLedger
from ports.unit import Unit, Units
from services.points.balances import balance_of
from services.points.next_expiry import next_expiries
from services.points.pooling import Sharing
from services.points.posting import post

_MOST = 250
_OF_ALL_STORES = frozenset((Audience.CUSTOMER, Audience.SERVICE))


class Accounts:
    def __init__(self, units: Units[SharedLedger], sharing: Sharing) -> None:
        self._units = units
        self._sharing = sharing

    async def balance(self, caller: Caller, request: BalanceOf) -> Balance:
        if request.at is not None:
            problem = Problem("/at", "What was is not known where this ledger is kept.")
            raise InvalidRequest(problems=[problem])
        key = wallet_of(caller, request)
        found = await self._sharing.balance(key)
        if found is None:
            raise NotFound("This shop has no such member with points.")
        return found

    async def balances(self, caller: Caller, request: BalancesOf) -> Balances:
        if len(request.customer_ids) > _MOST:
            problem = Problem("/customer_ids", f"At most {_MOST} members at once.")
            raise InvalidRequest(problems=[problem])
        asked = request.customer_ids
        if caller.audience is Audience.CUSTOMER:
            # A customer's token means its own wallet; those of others do not exist for it.
            asked = tuple(each for each in asked if each == caller.customer_id)
        async with self._units() as unit:
            found = await unit.stores.wallets(caller.tenant, asked)
            soon = await next_expiries(unit, caller.tenant, asked)
        return Balances(
            balances=tuple(
                balance_of(customer_id, wallet, soon.get(customer_id))
                for customer_id, wallet in found.items()
            )
        )

    async def history(self, caller: Caller, request: HistoryOf) -> History:
        key = wallet_of(caller, request)
        before = _cursor(caller, request)
        most = request.limit + 1
        if request.all_stores:
            found = await self._sharing.history(key, before, most)
        else:
            async with self._units() as unit:
                own = await unit.stores.history(key, before, most)
            found = [(key.merchant_id, each) for each in own]
        page = found[: request.limit]
        return History(
            entries=tuple(
                Entry(
                    entry_id=each.entry_id,
                    kind=each.draft.kind,
                    points=each.draft.points,
                    pending=each.draft.pending,
                    reason=each.draft.reason,
                    source=each.draft.source,
                    source_ref=each.draft.source_ref,
                    created_at=each.at,
                    store=store,
                    other_store=other_shop(each.draft),
                )
                for store, each in page
            ),
            next_cursor=str(page[-1][1].entry_id) if len(found) > len(page) else None,
        )


async def adjust(unit: Unit[Ledger], caller: Caller, request: Adjust) -> Adjusted:
    """Give or take points by hand, for a reason the member will read. To somebody the shop has: one
    with a wallet, or whom core has told of. Services know whom they mean."""
    reason = request.reason.strip()
    if not 0 < len(reason) <= 200:
        raise InvalidRequest(problems=[Problem("/reason", "1 to 200 characters are needed.")])
    key = WalletKey(caller.tenant, request.customer_id)
    if caller.audience is not Audience.SERVICE and await unit.stores.wallet(key) is None:
        member = BuyerKey(key.merchant_id, key.customer_id)
        if member not in await unit.stores.buyers([member]):
            raise NotFound("This shop has no such member.")
    wallet = (await unit.stores.lock_wallets([key]))[key]
    entry_id = unit.new_id()
    draft = adjustment(wallet, request.points, reason, str(entry_id))
    (posted,) = await post(unit, [NewEntry(entry_id, key, draft, unit.now())])
    soon = await next_expiries(unit, key.merchant_id, [key.customer_id])
    balance = balance_of(key.customer_id, posted.wallet, soon.get(key.customer_id))
    return Adjusted(entry_id=entry_id, balance=balance)


def wallet_of(caller: Caller, request: MemberRef) -> WalletKey:
    """Whose wallet is meant. A customer's token means its own, whatever the request says."""
    tenant = caller.tenant
    if caller.audience is Audience.CUSTOMER:
        if caller.customer_id is None:
            raise NotFound
        return WalletKey(tenant, caller.customer_id)
    ours, shopifys = request.customer_id, request.shopify_customer_id
    if ours is not None and shopifys is None:
        return WalletKey(tenant, ours)
    if shopifys is not None and ours is None:
        return WalletKey(tenant, member_id(tenant, shopifys))
    detail = "Name the member by one of customer_id and shopify_customer_id."
    raise InvalidRequest(problems=[Problem("/customer_id", detail)])


def _cursor(caller: Caller, request: HistoryOf) -> UUID | None:
    problems = []
    if request.all_stores and caller.audience not in _OF_ALL_STORES:
        detail = "Only members see what happened in other stores; a store's staff sees its own."
        problems.append(Problem("/all_stores", detail))
    before = None
    if not 1 <= request.limit <= _MOST:
        problems.append(Problem("/limit", f"1 to {_MOST} entries."))
    if request.cursor is not None:
        try:
            before = UUID(request.cursor)
        except ValueError:
            problems.append(Problem("/cursor", "This is no cursor of ours."))
    if problems:
        raise InvalidRequest(problems=problems)
    return before
