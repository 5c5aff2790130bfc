"""``ports.sealing.KeyMaker``, with the master key wherever it is; and how keys are put together."""

import secrets
from collections.abc import Mapping
from uuid import UUID

from adapters.crypto.derive import derived, key_id
from adapters.crypto.keyfile import KEY_BYTES
from ports.key_management import DATA, INDEX, ORGANIZATION, KeyContext, KeyManagement
from ports.sealing import MerchantKey, NewKey, NewKeys, WrappedKeys


class MerchantKeyMaker:
    def __init__(self, management: KeyManagement) -> None:
        self._management = management

    async def new(self, merchant_id: UUID) -> NewKeys:
        data, index = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
        return NewKeys(
            data=await self._wrapped(merchant_id, DATA, data),
            index=await self._wrapped(merchant_id, INDEX, index),
            key=MerchantKey(merchant_id, key_id(data), data, index),
        )

    async def new_data_key(self, merchant_id: UUID) -> NewKey:
        return await self._wrapped(merchant_id, DATA, secrets.token_bytes(KEY_BYTES))

    async def new_organization_key(self, organization_id: UUID) -> NewKey:
        return await self._wrapped(organization_id, ORGANIZATION, secrets.token_bytes(KEY_BYTES))

    async def adopt(self, merchant_id: UUID, data: str) -> NewKeys:
        key = await self.unwrap(merchant_id, data)
        return NewKeys(
            data=NewKey(key.key_id, data),
            index=await self._wrapped(merchant_id, INDEX, key.index_secret),
            key=key,
        )

    async def unwrap(self, merchant_id: UUID, data: str) -> MerchantKey:
        secret = await self._management.unwrap(data, KeyContext(merchant_id))
        return put_together(merchant_id, WrappedKeys(data), {(DATA, data): secret})

    async def _wrapped(self, merchant_id: UUID, use: str, key: bytes) -> NewKey:
        wrapped = await self._management.wrap(key, KeyContext(merchant_id, use))
        return NewKey(key_id(key), wrapped)


Unwrapped = Mapping[tuple[str, str], bytes]
"""Keys by their use and what they were wrapped in. The same text has no two uses, but somebody may
have put it into two places."""


def put_together(merchant_id: UUID, wrapped: WrappedKeys, unwrapped: Unwrapped) -> MerchantKey:
    """The keys of a merchant. Of older ones those are left out that are not in ``unwrapped``."""
    secret = unwrapped[DATA, wrapped.data]
    # Shops had one key only before there was one for indexes; theirs is made from it for ever.
    index = unwrapped[INDEX, wrapped.index] if wrapped.index else derived(secret, "blind index")
    older = (unwrapped[DATA, each] for each in wrapped.older if (DATA, each) in unwrapped)
    return MerchantKey(
        merchant_id, key_id(secret), secret, index, {key_id(each): each for each in older}
    )
