"""Many rows as one parameter, for ``json_to_recordset``.

Binding one array for each column costs several times as much, here and in PostgreSQL
(docs/decisions/0005-sql.md). Amounts travel as text, so they stay exact.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode


def as_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """The value of a parameter used as ``json_to_recordset(CAST(:rows AS json))``."""
    return _encode(list(rows)).decode()
