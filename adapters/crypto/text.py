"""The written form of what is encrypted: a versioned prefix with a key id, then base64url."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from ports.sealing import CannotOpen

NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


def decoded(text: str, prefix: str) -> bytes:
    """Nonce and ciphertext in ``text``.

    Raises CannotOpen for another version or key, and for any spelling but the one that is written.
    """
    if not text.startswith(prefix):
        raise CannotOpen
    try:
        written = text[len(prefix) :].encode("ascii")
        box = urlsafe_b64decode(written)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise CannotOpen from None
    # Python's decoder skips foreign characters; one box must have one spelling only.
    if len(box) < NONCE_BYTES + _TAG_BYTES or urlsafe_b64encode(box) != written:
        raise CannotOpen
    return box
