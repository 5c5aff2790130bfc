"""How names are compared: cut into short parts, of which two spellings of one name share most."""

import re
import unicodedata
from typing import Final

_LONGEST: Final = 100
"""Letters of a text that are looked at; names are shorter."""
_BEGIN: Final = "\x02"
_END: Final = "\x03"

# Letters that no decomposition of Unicode takes to the one they are typed as without their key,
# and apostrophes, which some write and some do not.
_TYPED_AS: Final = str.maketrans(
    {
        "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th",
        "'": None, "’": None, "ʼ": None, "`": None,
    }
)  # fmt: skip
# Written without blanks between the words, two or three to a name.
_HAN_AND_KANA: Final = (
    r"\u3005\u3006\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(f"([{_HAN_AND_KANA}]+)|([^{_HAN_AND_KANA}]+)")


def name_parts(*texts: str) -> list[str]:
    """The parts of a name given in one or more texts, those that tell most first.

    Each word gives its trigrams, as if it began after two blanks and ended before one. The letters
    of a trigram are sorted, so that letters in the wrong order cost little. Chinese and Japanese
    give their characters and each two neighbours. Case, accents and the order of the words do not
    matter. Empty for a text without letters and digits.
    """
    parts = {
        part
        for text in texts
        for word in _words(text)
        for unspaced, spaced in _RUN.findall(word)
        for part in (_characters(unspaced) if unspaced else _trigrams(spaced))
    }
    # Where a word begins or ends is common to many names; what is inside of it is not.
    return sorted(parts, key=lambda part: (part.count(_BEGIN) + part.count(_END), part))


def least_shared(parts: int) -> int:
    """How many of the parts of what is looked for a name has to have to be found: half of them."""
    return (parts + 1) // 2


def _words(text: str) -> list[str]:
    """The words of a text, folded: compatibility forms (NFKD), case and accents gone."""
    decomposed = unicodedata.normalize("NFKD", text[:_LONGEST]).casefold().translate(_TYPED_AS)
    folded = "".join(each for each in decomposed if not unicodedata.combining(each))
    return "".join(each if _belongs_to_a_word(each) else " " for each in folded).split()


def _belongs_to_a_word(letter: str) -> bool:
    # Many scripts write vowels as marks, which are no letters by themselves.
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


def _trigrams(word: str) -> set[str]:
    padded = f"{_BEGIN}{_BEGIN}{word}{_END}"
    return {"".join(sorted(padded[at : at + 3])) for at in range(len(padded) - 2)}


def _characters(word: str) -> set[str]:
    return set(word) | {word[at : at + 2] for at in range(len(word) - 1)}
