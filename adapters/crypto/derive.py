"""Keys and key ids derived from a key, each for one use (HKDF-SHA256, RFC 5869)."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived(secret: bytes, use: str, length: int = 32) -> bytes:
    """``length`` bytes that tell nothing about ``secret`` nor about what other uses derive."""
    return HKDF(SHA256(), length, salt=None, info=f"loyalnest {use}".encode()).derive(secret)


def key_id(secret: bytes) -> str:
    """16 hex digits that name a key in what it made."""
    return derived(secret, "key id", 8).hex()
