"""Sealing personal data for one merchant: past the edge only that shop's key can open it."""

import unicodedata
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

CONTACT: Final = "contact"
"""Purpose of a sealed ``contracts.contact.Contact``."""
PRIVACY_REQUEST: Final = "privacy_request"
"""Purpose of the sealed original of a compliance webhook."""


class CannotOpen(Exception):
    """A sealed text that this key does not open: altered, cut off, another merchant's or another
    field's. Never says anything about the content."""

    def __init__(self) -> None:
        super().__init__("This sealed text cannot be opened with this key and purpose.")


@dataclass(frozen=True, slots=True, eq=False)
class MerchantKey:
    """The data key of one merchant, unwrapped: 32 bytes that never leave the process.

    Compared by identity, so that it is cheap to find what was derived from it.
    """

    merchant_id: UUID
    key_id: str
    secret: bytes = field(repr=False)


class MerchantKeys(Protocol):
    """Makes and unwraps the data keys of merchants, under the master key."""

    def wrap_new(self, merchant_id: UUID) -> str:
        """A new random data key for ``merchant_id``, wrapped: safe to store and to hand around."""
        ...

    def unwrap(self, wrapped: str, merchant_id: UUID) -> MerchantKey:
        """The data key in ``wrapped``. While it is cached, the same text answers the same object.

        Raises CannotOpen for another merchant's key, another master key, or an altered text.
        """
        ...


class Sealer(Protocol):
    """Seals small texts for a merchant and purpose, and makes them findable while sealed."""

    def seal(self, key: MerchantKey, plain: bytes, purpose: str) -> str:
        """``plain``, encrypted, authenticated: ``v1.<key id>.<base64url>``. Never twice alike."""
        ...

    def open(self, key: MerchantKey, sealed: str, purpose: str) -> bytes:
        """What was sealed. Raises CannotOpen for another merchant, purpose or key, and for an
        altered text."""
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
