"""What a password of an admin has to be like (NIST SP 800-63B-4, 3.1.1): long, and not given away
by who they are. Digits, capitals and signs are nobody's business, and no password expires."""

import unicodedata
from itertools import pairwise
from typing import Final

from domain.errors import Problem

SHORTEST: Final = 12
LONGEST: Final = 256
"""Characters. Longer ones would only be work for the hash."""
_TELLING: Final = 3
"""A part of an address shorter than this says nothing about its owner."""
_REPEATED: Final = 4
"""A password that is one piece of at most this many characters, over and over, is that piece."""


def prepared(password: str) -> str:
    """The form that is hashed: however a keyboard composes a letter, it is the same (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def password_problems(password: str, email: str, pointer: str = "/password") -> list[Problem]:
    """Everything that is wrong with a new password of whoever has this address."""
    text = prepared(password)
    problems = []
    if not SHORTEST <= len(text) <= LONGEST:
        problems.append(
            f"{SHORTEST} to {LONGEST} characters; a few words in a row are easy to keep."
        )
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        problems.append("Letters, digits, signs and spaces only.")
    own = prepared(email).partition("@")[0].strip()
    if len(own) >= _TELLING and own.casefold() in text.casefold():
        problems.append("It must not contain the name in your e-mail address.")
    if _is_one_piece(text) or _is_a_run(text):
        problems.append("A repetition or a row of neighbours is guessed first.")
    return [Problem(pointer, detail) for detail in problems]


def _is_one_piece(text: str) -> bool:
    """``aaaa…``, ``abcabc…``"""
    return any(
        text == (text[:length] * len(text))[: len(text)]
        for length in range(1, min(_REPEATED, len(text) - 1) + 1)
    )


def _is_a_run(text: str) -> bool:
    """``123456789012``, ``lkjihgfedcba``: each character follows the one before."""
    steps = {_step(a, b) for a, b in pairwise(text)}
    return steps in ({1}, {-1})


def _step(one: str, next_: str) -> int:
    if one.isascii() and next_.isascii() and one.isdigit() and next_.isdigit():
        distance = (int(next_) - int(one)) % 10
        return distance - 10 if distance == 9 else distance
    return ord(next_) - ord(one)
