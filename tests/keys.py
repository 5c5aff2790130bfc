"""Keys for tests: of shops, made up or those that a running auth gives out; and of the mesh."""

import secrets
from collections.abc import Mapping
from uuid import UUID

from adapters.crypto.derive import key_id
from adapters.crypto.keyring import Keyring
from adapters.nats.vouching import Vouching
from adapters.runtime.world import World
from domain.keys import KeysDestroyed
from ports.sealing import MerchantKey


def new_key(merchant_id: UUID) -> MerchantKey:
    data, index = secrets.token_bytes(32), secrets.token_bytes(32)
    return MerchantKey(merchant_id, key_id(data), data, index)


def rotated(key: MerchantKey) -> MerchantKey:
    """The same shop with a new data key."""
    secret = secrets.token_bytes(32)
    older = {**key.older, key.key_id: key.secret}
    return MerchantKey(key.merchant_id, key_id(secret), secret, key.index_secret, older)


def vouching_of(environment: Mapping[str, str]) -> Vouching:
    """What calls among processes with these settings are signed with."""
    return Vouching([environment["LOYALNEST_SHOPIFY_CLIENT_SECRET"].encode()])


async def key_of(world: World, merchant_id: UUID) -> MerchantKey:
    """What the services that seal for this shop use now."""
    return await Keyring(world.mesh, world.key_management(), "test").of(merchant_id)


class KeysAtHand:
    """``ports.sealing.ShopKeys`` that has a key for everybody, but for those it is told of."""

    def __init__(self) -> None:
        self._keys: dict[UUID, MerchantKey] = {}
        self.erased: set[UUID] = set()

    async def of(self, merchant_id: UUID, sealed: object = ()) -> MerchantKey:
        if merchant_id in self.erased:
            raise KeysDestroyed
        return self._keys.setdefault(merchant_id, new_key(merchant_id))
