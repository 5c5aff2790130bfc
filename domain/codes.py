"""Codes that people copy from one place to another: random, and read whatever hand wrote them."""

from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
_GROUP: Final = 4
_LONGEST: Final = 64
"""Characters of a text that are looked at; codes are shorter."""


def code_of(random: bytes) -> str:
    """``XXXX-XXXX-…`` made of random bytes, five bits a letter."""
    number = int.from_bytes(random, "big")
    letters = [_ALPHABET[number >> shift & 31] for shift in range(0, len(random) * 8, 5)]
    return "-".join("".join(letters[at : at + _GROUP]) for at in range(0, len(letters), _GROUP))


def read_code(text: str, size: int) -> str:
    """The letters that are meant, as ``code_of`` has them of ``size`` bytes but without hyphens;
    empty for what is no such code."""
    letters = text[:_LONGEST].upper().translate(_MISREAD)
    return letters if len(letters) == size * 8 // 5 and set(letters) <= set(_ALPHABET) else ""
