"""Codes that members get for points: unguessable, easy to read aloud, and told from others."""

import re
from typing import Final

from domain.referrals.codes import ALPHABET

ENTROPY_BYTES: Final = 13
"""104 random bits fill the 100 that a code holds."""
MOST_PREFIX: Final = 12
_GROUPS: Final = 4
_LETTERS: Final = 5
_PREFIX: Final = re.compile(rf"(?:[A-Z0-9][A-Z0-9-]{{0,{MOST_PREFIX - 2}}}-)?")
_OURS: Final = re.compile(rf"(?:.*-)?[{ALPHABET}]{{5}}(?:-[{ALPHABET}]{{5}}){{3}}")


def code_from(prefix: str, entropy: bytes) -> str:
    """``LOY-ABCDE-FGHJK-LMNPQ-RSTUV`` from the given random bytes, at least ENTROPY_BYTES of them.

    Raises ValueError for fewer: a short code could be guessed.
    """
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} random bytes are needed")
    bits = int.from_bytes(entropy[:ENTROPY_BYTES])
    letters = "".join(ALPHABET[bits >> 5 * place & 31] for place in range(_GROUPS * _LETTERS))
    groups = (letters[at : at + _LETTERS] for at in range(0, len(letters), _LETTERS))
    return prefix + "-".join(groups)


def gift_card_code(code: str) -> str:
    """A gift card's code holds letters and digits alone, 20 at most: those of a code without its
    prefix. It is what the card has at Shopify, and what its owner has to be shown."""
    return code.replace("-", "")[-_GROUPS * _LETTERS :]


def is_prefix(text: str) -> bool:
    """Whether codes may begin with it: nothing, or capital letters and digits up to a hyphen."""
    return _PREFIX.fullmatch(text) is not None


def maybe_ours(code: str) -> str:
    """The code of an order as we would have made it, empty for one that none of ours looks like.
    Shopify takes codes in any case."""
    known = code.strip().upper()
    return known if _OURS.fullmatch(known) else ""
