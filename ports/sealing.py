"""Sealing personal data for one merchant: past the edge only that shop's key can open it."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol
from uuid import UUID

CONTACT: Final = "contact"
"""Purpose of a sealed ``contracts.contact.Contact``."""
BIRTHDAY: Final = "birthday"
"""Purpose of a sealed birthday. Apart from the contact, which the shop's records replace whole."""
REWARD_CODE: Final = "reward_code"
"""Purpose of the sealed code that a member got for points."""
PRIVACY_REQUEST: Final = "privacy_request"
"""Purpose of the sealed original of a compliance webhook."""


class CannotOpen(Exception):
    """A sealed text that this key does not open: altered, cut off, another merchant's or another
    field's. Never says anything about the content."""

    def __init__(self) -> None:
        super().__init__("This sealed text cannot be opened with this key and purpose.")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class MerchantKey:
    """The keys of one merchant, unwrapped: 32 bytes each that never leave the process.

    ``secret`` seals, and what it has sealed names ``key_id``. ``older`` are those before it, by
    their ids: they open what is not sealed anew yet. ``index_secret`` makes blind indexes, which
    therefore stay the same when the others change.

    Compared by identity, so that it is cheap to find what was derived from it, and that too goes
    when this goes.
    """

    merchant_id: UUID
    key_id: str
    secret: bytes = field(repr=False)
    index_secret: bytes = field(repr=False)
    older: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def knows(self, sealed: str) -> bool:
        """Whether the key that ``sealed`` names is among these; nothing sealed needs none."""
        key_id = key_id_of(sealed)
        return not sealed or key_id == self.key_id or key_id in self.older


def key_id_of(sealed: str) -> str:
    """The id of the key that a sealed text (``v2.<key id>.…``) names; empty for other texts."""
    parts = sealed.split(".", 2)
    return parts[1] if len(parts) == 3 else ""


@dataclass(frozen=True, slots=True)
class WrappedKeys:
    """The keys of a merchant as they are stored and handed around, under the master key. ``index``
    is empty for those whose index key is made from their data key; all of it for those who have
    none any more."""

    data: str
    index: str = ""
    older: tuple[str, ...] = ()
    version: int = 0
    """Counts their changes."""


class NewKey(NamedTuple):
    key_id: str
    wrapped: str


@dataclass(frozen=True, slots=True)
class NewKeys:
    """The first keys of a merchant, wrapped and not."""

    data: NewKey
    index: NewKey
    key: MerchantKey


class KeyMaker(Protocol):
    """Makes the keys of merchants and organisations, and wraps them under the master key. Asks for
    that whoever has the master key, so not from inside a transaction. Raises Unavailable when that
    is away."""

    async def new(self, merchant_id: UUID) -> NewKeys: ...

    async def new_data_key(self, merchant_id: UUID) -> NewKey: ...

    async def new_organization_key(self, organization_id: UUID) -> NewKey: ...

    async def adopt(self, merchant_id: UUID, data: str) -> NewKeys:
        """What a merchant has whose index key is made from the wrapped key ``data``, with the two
        apart. Raises CannotOpen."""
        ...

    async def unwrap(self, merchant_id: UUID, data: str) -> MerchantKey:
        """The keys of a merchant who has this one only. Raises CannotOpen."""
        ...


class ShopKeys(Protocol):
    """The keys of all shops, unwrapped when they are needed for the first time."""

    async def of(self, merchant_id: UUID, sealed: Iterable[str] = ()) -> MerchantKey:
        """The keys of a shop; with texts that are to be opened, new enough to know their keys.

        Raises NotFound for a shop that auth does not know, KeysDestroyed for one that was erased,
        KeysShut for one whose keys do not unwrap with the master keys here, and Unavailable when
        auth or the key service is away and the keys are not known here.
        """
        ...


class Sealer(Protocol):
    """Seals small texts for a merchant and purpose, and makes them findable while sealed."""

    def seal(self, key: MerchantKey, plain: bytes, purpose: str, about: str = "") -> str:
        """``plain``, encrypted, authenticated: ``v2.<key id>.<base64url>``, or ``v1.…`` where it is
        ``about`` nothing. Never twice alike. ``about`` names whatever the text belongs to, such as
        a person: in the row of another it does not open."""
        ...

    def open(self, key: MerchantKey, sealed: str, purpose: str, about: str = "") -> bytes:
        """What was sealed. Raises CannotOpen for another merchant, purpose, key or thing that it is
        about, and for an altered text. From before texts were about something, ``v1.…`` opens
        whatever it is asked about."""
        ...

    def blind_index(self, key: MerchantKey, value: str) -> str:
        """32 hex digits that are the same for the same value of the same merchant, compared as
        ``normalised`` compares; empty for an empty value, so that nobody is found by it."""
        ...


def normalised(value: str) -> str:
    """The form in which two spellings of one e-mail address are equal: compatibility forms and
    letter case folded (Unicode NFKC and full case folding), outer blanks gone."""
    if value.isascii():
        return value.strip().lower()
    folded = unicodedata.normalize("NFKC", value).casefold()
    return unicodedata.normalize("NFKC", folded).strip()
