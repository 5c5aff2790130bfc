"""``ports.sealing.ShopKeys``: auth is asked and the keys are unwrapped once, then remembered.

That they changed is told by an event in the same moment. Besides, auth is asked again and again
whose keys have changed, so that nothing is missed that passed while the connection was away.
Whoever changes keys asks auth; so while auth is away nobody does, and what is known holds for a
while.

A shop whose keys do not unwrap is tried again by itself, less and less often, and logged once:
those who want its keys meanwhile, some of them every second, are told so without another try.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from nats.aio.client import Client

from adapters.crypto.merchant_keys import Unwrapped, put_together
from adapters.nats.live import watch
from adapters.telemetry.metrics import KEYS_SHUT
from contracts.auth import VALIDATE_MERCHANT, Merchant, ValidateMerchant
from contracts.caller import service_caller
from contracts.keys import (
    LIST_KEY_CHANGES,
    MERCHANT_KEY_DESTROYED,
    MERCHANT_KEY_ROTATED,
    ListKeyChanges,
)
from domain.errors import DeadlineExceeded, LoyaltyError, NotFound, Unavailable
from domain.keys import KeysDestroyed, KeysShut
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
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 300.0
_TRIED_AT_ONCE: Final = 20


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


@dataclass(slots=True)
class _Shut:
    """The keys of a shop, as they were in ``version``, do not unwrap."""

    version: int
    pause: float
    again_at: float


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
        self._gauge = KEYS_SHUT.labels(service)
        self._monotonic = monotonic
        self._known: dict[UUID, _Known] = {}
        self._asking: dict[UUID, asyncio.Task[MerchantKey]] = {}
        self._shut: dict[UUID, _Shut] = {}
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
        self._try_soon(merchant_id)
        known = self._known.get(merchant_id)
        if known is not None:
            known.changed = True

    def forget(self, merchant_id: UUID) -> None:
        """Keys of a shop were destroyed."""
        self._known.pop(merchant_id, None)
        self._try_soon(merchant_id)

    async def learn(self) -> None:
        """Ask auth what has changed, and try again what did not unwrap; to be run every
        ``CHECK_SECONDS``. Raises Unavailable."""
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
            shut = self._shut.get(change.merchant_id)
            if shut is not None and shut.version < change.version:
                self._try_soon(change.merchant_id)
        self._as_of = found.as_of
        self._checked_at = asked_at
        await self._try_again()

    async def _try_again(self) -> None:
        """Some shops whose time it is: nobody else may ask for them, and that they are open again
        has to be known."""
        due = [each for each, shut in self._shut.items() if shut.again_at <= self._monotonic()]
        for merchant_id in due[:_TRIED_AT_ONCE]:
            with suppress(LoyaltyError):
                await self._ask_once(merchant_id)

    def _try_soon(self, merchant_id: UUID) -> None:
        if merchant_id in self._shut:
            self._shut[merchant_id].again_at = float("-inf")

    def _is_fresh(self, known: _Known) -> bool:
        return self._monotonic() - max(known.asked_at, self._checked_at) < STALE_SECONDS

    async def _ask_once(self, merchant_id: UUID) -> MerchantKey:
        """Of those who want to know at the same time one asks, for all of them, and goes on when
        they have given up."""
        task = self._asking.get(merchant_id)
        if task is None:
            shut = self._shut.get(merchant_id)
            if shut is not None and self._monotonic() < shut.again_at:
                raise KeysShut
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
        except NotFound:
            self._opened(merchant_id)  # nothing is left to open
            raise
        except (Unavailable, DeadlineExceeded) as error:
            return self._still_known(merchant_id, known, error)
        try:
            key = await self._keep(shop, asked_at)
        except CannotOpen:
            self._shut_out(merchant_id, shop.keys_version)
            raise KeysShut from None
        except KeysDestroyed:
            self._opened(merchant_id)
            raise
        except Unavailable as error:
            return self._still_known(merchant_id, known, error)
        self._opened(merchant_id)
        return key

    def _still_known(
        self, merchant_id: UUID, known: _Known | None, away: LoyaltyError
    ) -> MerchantKey:
        """What was ``known`` when it was asked, unless it was forgotten since, for a reason."""
        if known is not None and self._known.get(merchant_id) is known and self._is_fresh(known):
            return known.key
        raise Unavailable(away.detail) from None

    def _shut_out(self, merchant_id: UUID, version: int) -> None:
        shut = self._shut.get(merchant_id)
        if shut is None:
            log.error("the keys of shop %s do not unwrap with the master keys here", merchant_id)
        pause = _FIRST_PAUSE if shut is None else min(_LONGEST_PAUSE, shut.pause * 2)
        self._shut[merchant_id] = _Shut(version, pause, self._monotonic() + pause)
        self._gauge.set(len(self._shut))

    def _opened(self, merchant_id: UUID) -> None:
        if self._shut.pop(merchant_id, None) is not None:
            log.warning("the keys of shop %s are no trouble any more", merchant_id)
            self._gauge.set(len(self._shut))

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
