"""How texts are compared in a search: letter case, accents and punctuation are forgiven."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text, folded: compatibility forms (NFKC), case and accents gone."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    folded = "".join(each for each in decomposed if not unicodedata.combining(each))
    return _WORD.findall(folded)


def folded(text: str) -> str:
    """The text as its words, one blank between them."""
    return " ".join(words_of(text))
