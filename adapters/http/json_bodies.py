"""What a JSON body may be like before anybody reads it."""

import re
from typing import Final

from contracts.http import NotJson
from domain.errors import InvalidRequest

DEEPEST: Final = 32
"""Levels of lists and objects in each other; ours have five at most."""

_BRACKETS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)
_JSON_TYPES: Final = (b"", b"application/json", b"application/x-www-form-urlencoded")
"""Besides ``…+json``. The last is what curl says of any body when it is told nothing."""


def check_type(content_type: bytes, encoding: bytes) -> None:
    """Raises NotJson for a body that says it is something else."""
    kind = content_type.partition(b";")[0].strip().lower()
    if (kind not in _JSON_TYPES and not kind.endswith(b"+json")) or encoding not in (
        b"",
        b"identity",
    ):
        raise NotJson


def check_depth(raw: bytes) -> None:
    """Raises InvalidRequest for a body whose brackets are nested deeper than anything we take."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return
    depth = 0
    for found in _BRACKETS.finditer(raw):
        first = found[0][0]
        if first in b"[{":
            depth += 1
            if depth > DEEPEST:
                raise InvalidRequest(f"The body is nested deeper than {DEEPEST} levels.")
        elif first in b"]}":
            depth -= 1
