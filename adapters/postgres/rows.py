"""Many rows: as one parameter, for ``json_to_recordset``, and as they come back.

Binding one array for each column costs several times as much, here and in PostgreSQL
(docs/decisions/0005-sql.md). Amounts travel as text, so they stay exact.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Result

_encode: Final = msgspec.json.Encoder().encode


def as_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """The value of a parameter used as ``json_to_recordset(CAST(:rows AS json))``."""
    return _encode(list(rows)).decode()


def named(found: Result[Any]) -> Sequence[Any]:
    """The rows of an answer that has many, as named tuples. A row of SQLAlchemy's looks its column
    up whenever it is asked for one, which takes ten times as long."""
    return list(map(_named(tuple(found.keys())), found))


@lru_cache(1000)
def _named(columns: tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    row = namedtuple("row", columns)  # type: ignore[misc]  # the statement knows
    return row._make
