"""A member spends points: the reservation, the answer with the code, and taking it back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts import rewards as said
from contracts.caller import Audience, Caller, service_caller
from contracts.core import GET_CUSTOMER_RFM, GetCustomerRFM
from contracts.paging import cursor_of, limit_problems
from contracts.points import Balance, MemberRef
from domain.errors import DeadlineExceeded, InvalidRequest, NotFound, Problem, Unavailable
from domain.points import redemption as steps
from domain.points.benefits import CODED, GiftCard, name_of
from domain.points.bonus import NOBODY_SPECIAL
from domain.points.codes import code_from, gift_card_code
from domain.points.redemption import (
    NewRedemption,
    NotCancellable,
    Redemption,
    RedemptionState,
)
from domain.points.rewards import RewardKind, Tally, WhyNot, bought, refusal, why_not
from domain.points.wallet import EMPTY, together
from domain.rbac import allows
from ports.digests import Digests
from ports.earning import BuyerKey
from ports.ledger import WalletKey
from ports.mesh import Mesh
from ports.rewards import Redeeming, RedemptionKey, RedemptionsAsked, RewardKey
from ports.sealing import REWARD_CODE, CannotOpen, MerchantKey, Sealer, ShopKeys
from ports.tenancy import OtherShops
from ports.unit import Unit, Units
from services.points.account import wallet_of
from services.points.balances import balance_of
from services.points.issuing import Fulfilment, carry_out, keep
from services.points.pooling import Sharing, bring_here, own_of
from services.points.posting import post
from services.points.rewards import currency_of, window_of

_NO_CODE: Final = "This shop has no such redemption."


@dataclass(frozen=True, slots=True)
class Account:
    """A member as we know them and as Shopify does."""

    customer_id: UUID
    shopify_customer_id: str


class Members:
    """Asks core who a member is by now."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def account(self, merchant_id: UUID, customer_id: UUID) -> Account:
        """Not from inside a transaction. Raises NotFound, Unavailable."""
        try:
            member = await self._mesh.call(
                GET_CUSTOMER_RFM,
                GetCustomerRFM(customer_id=customer_id),
                service_caller("points", merchant_id),
            )
        except DeadlineExceeded as error:
            raise Unavailable from error
        return Account(member.customer_id, member.shopify_customer_id)


@dataclass(slots=True)
class Prepared:
    """What has to be known before the transaction, and what came of it. ``shops`` share the
    member's balance, None as long as nobody has asked. ``begun`` is what Shopify is to be asked for
    now; by a repeat, nothing."""

    account: Account
    key: MerchantKey
    shops: frozenset[UUID] | None = None
    begun: Redemption | None = None


class Redeemer:
    """``entropy`` gives random bytes for a code that nobody can guess; ``moved`` is told how many
    points came from other stores."""

    def __init__(
        self,
        units: Units[Redeeming],
        members: Members,
        keys: ShopKeys,
        sealer: Sealer,
        digests: Digests,
        entropy: Callable[[], bytes],
        fulfilment: Fulfilment,
        sharing: Sharing,
        moved: Callable[[float], None],
    ) -> None:
        self._units = units
        self._members = members
        self._keys = keys
        self._sealer = sealer
        self._digests = digests
        self._entropy = entropy
        self._fulfilment = fulfilment
        self._sharing = sharing
        self._moved = moved

    async def points(self, caller: Caller, request: MemberRef) -> Balance:
        """A member's own; nothing yet is 0. Raises NotFound where staff asks for such a one."""
        key = wallet_of(caller, request)
        found = await self._sharing.balance(key)
        if found is None and caller.audience is not Audience.CUSTOMER:
            raise NotFound("This shop has no such member with points.")
        return found or balance_of(key.customer_id, EMPTY, None)

    async def prepare(self, caller: Caller, request: said.RedeemPoints) -> Prepared:
        """Raises NotFound for a member whom the shop does not have."""
        asked = wallet_of(caller, request)
        account = await self._members.account(asked.merchant_id, asked.customer_id)
        return Prepared(account, await self._keys.of(asked.merchant_id))

    async def others(self, caller: Caller, prepared: Prepared) -> frozenset[UUID]:
        """The shops that share the member's balance."""
        member = WalletKey(caller.tenant, prepared.account.customer_id)
        prepared.shops = await self._sharing.shops(member)
        return prepared.shops

    async def reserve(
        self,
        unit: Unit[Redeeming],
        caller: Caller,
        request: said.RedeemPoints,
        prepared: Prepared,
    ) -> said.Redemption:
        """The points leave the wallet, for what Shopify is asked to issue after the commit. What it
        lacks comes from the member's wallets in other stores first: OtherShops as long as it is not
        known which those are.

        Raises NotFound, InvalidRequest, INSUFFICIENT_POINTS, REWARD_UNAVAILABLE, LIMIT_REACHED.
        """
        tenant, account = caller.tenant, prepared.account
        stores, now = unit.stores, unit.now()
        member = WalletKey(tenant, account.customer_id)
        # First of all: whoever redeems for this member waits here, and then counts this one, too.
        # So does, where stores share a balance, whoever redeems in another of them.
        if prepared.shops is not None:
            pool = await stores.lock_pool(member)
        elif (alone := await stores.lock_alone(member)) is not None:
            pool = alone
        else:
            raise OtherShops
        key = RewardKey(tenant, request.reward_id)
        reward = await stores.reward(key)
        if reward is None:
            raise NotFound("This shop has no such reward.")
        currency = ""
        if reward.terms.kind is RewardKind.STORE_CREDIT:  # which nothing else names
            currency = await currency_of(unit, tenant)
        paid = bought(reward.terms, request.points, currency)
        tier = ""
        if reward.terms.tiers:
            buyer = BuyerKey(*member)
            tier = (await stores.buyers([buyer])).get(buyer, NOBODY_SPECIAL).tier
        tally = Tally()
        if reward.terms.per_member is not None or reward.terms.per_window is not None:
            windows = {reward.reward_id: window_of(reward.terms, now)}
            tally = (await stores.tally(member, windows))[reward.reward_id]
        spendable = together(pool.values()).spendable
        reason = why_not(reward, now, tier, tally, spendable, paid.points)
        if reason is not None:
            raise refusal(reason)
        brought = await bring_here(unit, own_of(pool, tenant), pool, paid.points)
        self._moved(brought)
        new = self._new(unit, prepared, reward.terms.code_prefix, isinstance(paid.benefit, _CODED))
        moved = steps.reserve(reward, paid, new, now)
        prepared.begun = steps.begin(moved.redemption, now)
        await stores.add_redemption(prepared.begun)
        await post(unit, keep(unit, moved.redemption, moved))
        if reward.terms.stock is not None and not await stores.take_stock(key):
            raise refusal(WhyNot.SOLD_OUT)
        return _shown(prepared.begun)

    def _new(
        self, unit: Unit[Redeeming], prepared: Prepared, prefix: str, coded: bool
    ) -> NewRedemption:
        redemption_id = unit.new_id()
        sealed, digest = "", ""
        if coded:
            code = code_from(prefix, self._entropy())
            digest = self._digests.of(code)
            about = str(redemption_id)
            sealed = self._sealer.seal(prepared.key, code.encode(), REWARD_CODE, about)
        account = prepared.account
        return NewRedemption(
            redemption_id, account.customer_id, account.shopify_customer_id, sealed, digest
        )

    async def finish(
        self, caller: Caller, answer: said.Redemption, prepared: Prepared
    ) -> said.Redemption:
        """Shopify is asked at once; what it has answered by then is what the member sees. A repeat
        shows what has become of it."""
        if prepared.begun is not None:
            return await self._open(caller, await self._fulfilment.begin(prepared.begun))
        return await self._current(caller, RedemptionKey(caller.tenant, answer.redemption_id))

    async def follow_up(self, caller: Caller, answer: said.Redemption) -> said.Redemption:
        """As ``finish``, for what is done later to one that there is."""
        key = RedemptionKey(caller.tenant, answer.redemption_id)
        await self._fulfilment.try_now(key)
        return await self._current(caller, key)

    async def cancel(
        self, unit: Unit[Redeeming], caller: Caller, request: said.RedemptionRef
    ) -> said.Redemption:
        """Raises NotFound, NotCancellable."""
        held = await self._held(unit, caller, request.redemption_id)
        by_member = caller.audience is Audience.CUSTOMER
        moved = steps.cancel(held, unit.now(), by_member=by_member)
        if moved is not None:
            await carry_out(unit, held, moved)
            held = moved.redemption
        return _shown(held)

    async def finish_cancelling(self, caller: Caller, answer: said.Redemption) -> said.Redemption:
        """Raises NotCancellable when Shopify says that it was used, or cannot be taken back."""
        found = await self.follow_up(caller, answer)
        if found.state in (RedemptionState.COMPLETED, RedemptionState.USED):
            raise NotCancellable("It was used, or is nothing that can be taken back.")
        return found

    async def ask_again(
        self, unit: Unit[Redeeming], caller: Caller, request: said.RedemptionRef
    ) -> said.Redemption:
        held = await self._held(unit, caller, request.redemption_id)
        moved = steps.ask_again(held, unit.now())
        if moved is not None:
            await carry_out(unit, held, moved)
            held = moved.redemption
        return _shown(held)

    async def one(self, caller: Caller, request: said.RedemptionRef) -> said.Redemption:
        return await self._current(caller, RedemptionKey(caller.tenant, request.redemption_id))

    async def page(self, caller: Caller, request: said.ListRedemptions) -> said.Redemptions:
        problems = limit_problems(request.limit)
        before = cursor_of(request.cursor, problems)
        if request.state and request.state not in set(RedemptionState):
            problems.append(Problem("/state", f"must be one of {', '.join(RedemptionState)}"))
        if problems:
            raise InvalidRequest(problems=problems)
        customer_id = None
        named = request.customer_id is not None or request.shopify_customer_id is not None
        if named or caller.audience is Audience.CUSTOMER:
            customer_id = wallet_of(caller, request).customer_id
        state = RedemptionState(request.state) if request.state else None
        asked = RedemptionsAsked(caller.tenant, customer_id, state, before, request.limit + 1)
        async with self._units() as unit:
            found = await unit.stores.redemptions(asked)
        page = found[: request.limit]
        return said.Redemptions(
            redemptions=tuple([await self._open(caller, each) for each in page]),
            next_cursor=str(page[-1].redemption_id) if len(found) > len(page) else None,
        )

    async def _current(self, caller: Caller, key: RedemptionKey) -> said.Redemption:
        async with self._units() as unit:
            found = await _seen(unit, caller, key)
        return await self._open(caller, found)

    async def _held(self, unit: Unit[Redeeming], caller: Caller, named: UUID) -> Redemption:
        key = RedemptionKey(caller.tenant, named)
        await _seen(unit, caller, key)
        held = await unit.stores.lock_redemption(key)
        if held is None:
            raise NotFound(_NO_CODE)
        return held

    async def _open(self, caller: Caller, found: Redemption) -> said.Redemption:
        """With its code, for those who may redeem."""
        may = caller.audience in _MAY or allows(
            frozenset(caller.permissions), said.REDEEM_POINTS.permission
        )
        if not (may and found.is_issued):
            return _shown(found)
        try:
            code = await self._fulfilment.code(found)
        except CannotOpen:
            return _shown(found)  # the others of a page can still be read
        is_card = isinstance(found.benefit, GiftCard)
        return _shown(found, gift_card_code(code) if is_card else code)


_CODED: Final = (*CODED, GiftCard)
_MAY: Final = (Audience.CUSTOMER, Audience.SERVICE)


async def _seen(unit: Unit[Redeeming], caller: Caller, key: RedemptionKey) -> Redemption:
    """A redemption that the caller may see; members see their own.

    Raises NotFound.
    """
    found = await unit.stores.redemption(key)
    if caller.audience is Audience.CUSTOMER and caller.customer_id is None:
        raise NotFound(_NO_CODE)
    if found is not None and caller.audience is Audience.CUSTOMER:
        # Asked as a page that begins with it, because the store knows who is one member.
        place = UUID(int=key.redemption_id.int + 1)
        asked = RedemptionsAsked(key.merchant_id, caller.customer_id, None, place, 1)
        own = await unit.stores.redemptions(asked)
        found = found if own and own[0].redemption_id == key.redemption_id else None
    if found is None:
        raise NotFound(_NO_CODE)
    return found


def _shown(found: Redemption, code: str = "") -> said.Redemption:
    return said.Redemption(
        redemption_id=found.redemption_id,
        customer_id=found.customer_id,
        reward_id=found.reward_id,
        reward_version=found.reward_version,
        title=found.title,
        benefit=name_of(found.benefit),
        points=found.points,
        state=found.state,
        created_at=found.created_at,
        ends_at=found.ends_at,
        code=code,
        order_id=found.order_id,
        reason=found.reason,
    )
