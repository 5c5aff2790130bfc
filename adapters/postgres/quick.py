"""SQLAlchemy's connection with a shorter way for statements as ours are: text, with parameters by
name, in a transaction. What it does for each of them besides (looking at how it was compiled, a
greenlet, describing the columns anew) costs more than all that the driver does.

This reaches into SQLAlchemy (the lock pins it), and ``tests/adapters/test_quick.py`` holds it to
what the long way does.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine.cursor import _NO_RESULT_METADATA
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_MOST: Final = 1_000
"""Statements that are remembered; there are some hundred."""


class Found(IteratorResult[Any]):
    """What a statement gave; ``rowcount`` says how many rows it found or changed."""

    rowcount: int
    returns_rows: bool


class QuickConnection(AsyncConnection):
    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        connection = self._proxied
        values = {} if parameters is None else parameters
        is_plain = isinstance(statement, TextClause) and isinstance(values, Mapping)
        # Who listens to what SQLAlchemy executes hears of the long way only.
        if not is_plain or options or not connection.in_transaction() or _is_heard(connection):
            return await super().execute(statement, parameters, **options)
        sql, names = _compiled(statement.text)
        cursor: Any = connection.connection.cursor()
        try:
            await cursor._prepare_and_execute(sql, [values[name] for name in names])
        except BaseException as error:
            await greenlet_spawn(_fail, connection, sql, cursor, error)
        columns = cursor.description
        # Whoever asks for rows where there are none is told so.
        described: Any = _NO_RESULT_METADATA
        if columns is not None:
            described = _described(tuple([each[0] for each in columns]))
        found = Found(described, iter(cursor._rows))
        found.rowcount, found.returns_rows = cursor.rowcount, columns is not None
        if columns is None:
            found.close()
        return found


class QuickEngine(AsyncEngine):
    _connection_cls = QuickConnection


def _is_heard(connection: Connection) -> bool:
    return connection._has_events or connection.engine._has_events


def _fail(connection: Connection, sql: str, cursor: Any, error: BaseException) -> None:
    """Raise it as SQLAlchemy does, which also takes connections out of the pool that are lost, or
    left in the middle of something."""
    try:
        raise error  # noqa: TRY301 - it looks at what is being handled
    except BaseException as again:
        is_drivers = isinstance(again, connection.dialect.loaded_dbapi.Error)
        connection._handle_dbapi_exception(again, sql if is_drivers else None, None, cursor, None)


@lru_cache(_MOST)
def _compiled(statement: str) -> tuple[str, tuple[str, ...]]:
    """As the driver wants it, and the names of its parameters in order."""
    compiled = text(statement).compile(dialect=_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())


@lru_cache(_MOST)
def _described(columns: tuple[str, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData(columns)
