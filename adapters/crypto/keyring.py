"""``ports.sealing.ShopKeys``: auth is asked and the keys are unwrapped once, then remembered.

That they changed is told by an event in the same moment. Besides, auth is asked again and again
whose keys have changed, so that nothing is missed that passed while the connection was away.
Whoever changes keys asks auth; so while auth is away nobody does, and what is known holds for a
while.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from nats.aio.client import Client

from adapters.crypto.merchant_keys import Unwrapped, put_together
from adapters.nats.live import watch
from contracts.auth import VALIDATE_MERCHANT, Merchant, ValidateMerchant
from contracts.caller import service_caller
from contracts.keys import (
    LIST_KEY_CHANGES,
    MERCHANT_KEY_DESTROYED,
    MERCHANT_KEY_ROTATED,
    ListKeyChanges,
)
from domain.errors import DeadlineExceeded, Unavailable
from domain.keys import KeysDestroyed
from ports.key_management import DATA, INDEX, KeyContext, KeyManagement
from ports.mesh import Mesh
from ports.sealing import CannotOpen, MerchantKey, WrappedKeys, key_id_of

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 0.8
"""How often auth is asked, so that a lost event costs less than a second."""
STALE_SECONDS: Final = 3600.0
"""How long keys hold while auth does not answer."""
_DEADLINE: Final = 2.0
_MOST: Final = 10_000
_MOST_UNKNOWN: Final = 100


@dataclass(slots=True)
class _Known:
    key: MerchantKey
    wrapped: WrappedKeys
    unwrapped: Unwrapped = field(repr=False)
    asked_at: float
    changed: bool = False
    """There are others by now."""
    unknown: set[str] = field(default_factory=set)
    """Ids that auth has no key for."""


class Keyring:
    """One for a service in a process. ``service`` is whom auth is asked as."""

    def __init__(
        self,
        mesh: Mesh,
        management: KeyManagement,
        service: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mesh = mesh
        self._management = management
        self._self = service_caller(service)
        self._monotonic = monotonic
        self._known: dict[UUID, _Known] = {}
        self._asking: dict[UUID, asyncio.Task[MerchantKey]] = {}
        self._as_of: datetime | None = None
        self._checked_at = float("-inf")

    async def of(self, merchant_id: UUID, sealed: Iterable[str] = ()) -> MerchantKey:
        known = self._known.get(merchant_id)
        if known is not None and not known.changed and self._is_fresh(known):
            missing = {key_id_of(each) for each in sealed if not known.key.knows(each)}
            if missing <= known.unknown:
                return known.key
        else:
            missing = set()
        key = await self._ask_once(merchant_id)
        after = self._known.get(merchant_id)
        if after is not None and missing and len(after.unknown) < _MOST_UNKNOWN:
            # Asking again for these would not help: they name a key that is no more, or never was.
            after.unknown |= {each for each in missing if each not in key.older} - {key.key_id}
        return key

    async def listen(self, client: Client) -> None:
        """From now on hear of changes as they happen."""
        await watch(client, (MERCHANT_KEY_ROTATED,), self.outdate)
        await watch(client, (MERCHANT_KEY_DESTROYED,), self.forget)

    def outdate(self, merchant_id: UUID) -> None:
        """A shop has other keys now. Those that are known go on to hold while nobody can be asked
        for the others."""
        known = self._known.get(merchant_id)
        if known is not None:
            known.changed = True

    def forget(self, merchant_id: UUID) -> None:
        """Keys of a shop were destroyed."""
        self._known.pop(merchant_id, None)

    async def learn(self) -> None:
        """Ask auth what has changed; to be run every ``CHECK_SECONDS``. Raises Unavailable."""
        asked_at = self._monotonic()
        try:
            found = await self._mesh.call(
                LIST_KEY_CHANGES, ListKeyChanges(since=self._as_of), self._self, deadline=_DEADLINE
            )
        except DeadlineExceeded as error:
            raise Unavailable from error
        for change in found.changes:
            known = self._known.get(change.merchant_id)
            if known is not None and known.wrapped.version < change.version:
                if change.destroyed:
                    self.forget(change.merchant_id)
                else:
                    self.outdate(change.merchant_id)
        self._as_of = found.as_of
        self._checked_at = asked_at

    def _is_fresh(self, known: _Known) -> bool:
        return self._monotonic() - max(known.asked_at, self._checked_at) < STALE_SECONDS

    async def _ask_once(self, merchant_id: UUID) -> MerchantKey:
        """Of those who want to know at the same time one asks, for all of them, and goes on when
        they have given up."""
        task = self._asking.get(merchant_id)
        if task is None:
            task = asyncio.create_task(self._ask(merchant_id), name="asking for keys")
            self._asking[merchant_id] = task
            task.add_done_callback(lambda done: self._asked(merchant_id, done))
        return await asyncio.shield(task)

    def _asked(self, merchant_id: UUID, task: asyncio.Task[MerchantKey]) -> None:
        self._asking.pop(merchant_id, None)
        if not task.cancelled():
            task.exception()  # those who waited were told; there may be none left

    async def _ask(self, merchant_id: UUID) -> MerchantKey:
        known = self._known.get(merchant_id)
        asked_at = self._monotonic()
        request = ValidateMerchant(merchant_id=merchant_id)
        try:
            shop = await self._mesh.call(VALIDATE_MERCHANT, request, self._self, deadline=_DEADLINE)
            return await self._keep(shop, asked_at)
        except CannotOpen:
            log.error("the keys of shop %s do not unwrap with the master keys here", merchant_id)  # noqa: TRY400 - says all there is
            raise Unavailable("The keys of this shop cannot be unwrapped.") from None
        except (Unavailable, DeadlineExceeded) as error:
            # Not what was known when it was asked: that may have been forgotten for a reason.
            if (
                known is not None
                and self._known.get(merchant_id) is known
                and self._is_fresh(known)
            ):
                return known.key
            raise Unavailable(error.detail) from None

    async def _keep(self, shop: Merchant, asked_at: float) -> MerchantKey:
        merchant_id = shop.merchant_id
        wrapped = WrappedKeys(shop.wrapped_key, shop.index_key, shop.older_keys, shop.keys_version)
        if not wrapped.data:
            self.forget(merchant_id)
            raise KeysDestroyed
        known = self._known.get(merchant_id)
        unwrapped = await self._unwrapped(merchant_id, wrapped, known.unwrapped if known else {})
        if (
            known is not None
            and known.unwrapped == unwrapped
            and known.wrapped.data == wrapped.data
        ):
            key = known.key  # and all that was derived from it
        else:
            key = put_together(merchant_id, wrapped, unwrapped)
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]  # the one known for longest
        self._known[merchant_id] = _Known(key, wrapped, unwrapped, asked_at)
        return key

    async def _unwrapped(
        self, merchant_id: UUID, wrapped: WrappedKeys, at_hand: Unwrapped
    ) -> dict[tuple[str, str], bytes]:
        """The keys by what they were wrapped in. Raises CannotOpen when one that is needed now does
        not unwrap; older ones are left out then."""
        needed = [(DATA, wrapped.data), *((DATA, each) for each in wrapped.older)]
        if wrapped.index:
            needed.append((INDEX, wrapped.index))
        missing = [each for each in needed if each not in at_hand]
        found = await asyncio.gather(
            *(self._management.unwrap(text, KeyContext(merchant_id, use)) for use, text in missing),
            return_exceptions=True,
        )
        unwrapped = {each: at_hand[each] for each in needed if each in at_hand}
        for each, secret in zip(missing, found, strict=True):
            if isinstance(secret, CannotOpen) and each[0] == DATA and each[1] != wrapped.data:
                log.error("an older key of shop %s cannot be unwrapped", merchant_id)
            elif isinstance(secret, BaseException):
                raise secret
            else:
                unwrapped[each] = secret
        return unwrapped
