"""What our SQL goes through: statements with parameters by name, in a transaction, on asyncpg."""

import re
from collections import OrderedDict, namedtuple
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NoReturn, TypeAlias

import asyncpg
import msgspec
from asyncpg.prepared_stmt import PreparedStatement

Row: TypeAlias = Any
"""A named tuple; the statement knows of what. asyncpg's own rows are cheaper to get, and six times
as dear to read by name (docs/decisions/0044-asyncpg.md)."""

_NAME: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_ESCAPED: Final = re.compile(r"\\(?=:)")
_NOTHING: Final[Mapping[str, Any]] = {}
_MOST_KNOWN: Final = 200
"""Statements that a connection keeps prepared; PostgreSQL has a plan in memory for each."""
_HELLO_SECONDS: Final = 5
_GOODBYE_SECONDS: Final = 2
_FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_OF_NO_MORE_USE: Final = (
    asyncpg.ReadOnlySQLTransactionError,  # another server is the one that is written to
    asyncpg.InvalidCachedStatementError,  # a table has changed since statements were prepared
)
"""Answers of PostgreSQL after which another transaction on the same connection would get them,
too."""


class DatabaseError(Exception):
    """A statement failed; ``__cause__`` is the driver's error. This text quotes neither rows nor
    parameters, which that of the driver may."""


class CannotBegin(DatabaseError):
    """There is no connection, or PostgreSQL does not begin a transaction for this scope."""


class NotOneRow(LookupError):
    """There are more rows or fewer than whoever asked can have."""


class Statement:
    """SQL as it was written, as PostgreSQL wants it, and the names of its parameters in order."""

    __slots__ = ("names", "numbered", "text")

    def __init__(self, sql: str) -> None:
        numbers: dict[str, str] = {}

        def number(name: re.Match[str]) -> str:
            return numbers.setdefault(name[1], f"${len(numbers) + 1}")

        self.text = sql
        self.numbered = _ESCAPED.sub("", _NAME.sub(number, sql))
        self.names = tuple(numbers)


def text(sql: str) -> Statement:
    r"""``:name`` is a parameter, in comments and strings, too; ``\:`` is a colon. Casts are written
    CAST(… AS …)."""
    return Statement(sql)


class Found:
    """What came of a statement. ``rowcount`` is how many rows it gave or changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Row], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def all(self) -> list[Row]:
        return self._rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def one_or_none(self) -> Row | None:
        """Raises NotOneRow when there are several."""
        rows = self._rows
        if len(rows) > 1:
            raise NotOneRow(f"{len(rows)} rows")
        return rows[0] if rows else None

    def one(self) -> Row:
        """Raises NotOneRow when there is none, or several."""
        row = self.one_or_none()
        if row is None:
            raise NotOneRow("no row")
        return row

    def scalars(self) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in self._rows]

    def scalar_one(self) -> Any:
        """The first value of the only row. Raises NotOneRow when there is none, or several."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """None without a row. Raises NotOneRow when there are several."""
        row = self.one_or_none()
        return None if row is None else row[0]


class Line:
    """A connection to PostgreSQL, and the statements it knows. For one transaction at a time."""

    def __init__(self, driver: "asyncpg.Connection[Any]") -> None:
        self._driver = driver
        self._known: OrderedDict[str, Prepared] = OrderedDict()
        self._is_spoiled = False

    @property
    def is_idle(self) -> bool:
        """Whether the next transaction may have it: it is there, and not in the middle of
        something."""
        driver = self._driver
        return not (self._is_spoiled or driver.is_closed() or driver.is_in_transaction())

    async def begin(self, scope: str) -> None:
        """``scope`` are statements that are sent together with BEGIN, so that they are no round
        trip. Raises CannotBegin."""
        try:
            await self.run(f"BEGIN;{scope}")
        except DatabaseError as error:
            await self.undo("ROLLBACK")
            raise CannotBegin(*error.args) from error.__cause__

    async def commit(self) -> None:
        """Raises DatabaseError, also when a statement had failed and whoever sent it went on."""
        if await self.run("COMMIT") != "COMMIT":
            raise DatabaseError("A statement had failed, and so nothing was committed.")

    async def undo(self, how: str) -> None:
        """``how`` takes back what has failed. A line on which that fails, too, is not idle."""
        if not (self._is_spoiled or self._driver.is_closed()):
            with suppress(DatabaseError):
                await self.run(how)

    async def run(self, script: str) -> str:
        """Statements without parameters, in one round trip; says what the last one did. Raises
        DatabaseError."""
        try:
            return await self._driver.execute(script)
        except BaseException as error:
            self.fail(error, script)

    async def known(self, sql: str) -> "Prepared":
        """A statement that will come again. Raises DatabaseError."""
        prepared = self._known.get(sql)
        if prepared is None:
            prepared = self._known[sql] = await self.prepare(sql)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(sql)
        return prepared

    async def prepare(self, sql: str) -> "Prepared":
        """Raises DatabaseError."""
        try:
            return Prepared(self, sql, await self._driver.prepare(sql))
        except BaseException as error:
            self.fail(error, sql)

    async def close(self) -> None:
        """Cancels what still runs. Takes two seconds at most."""
        with suppress(*_FAILURES):
            await self._driver.close(timeout=_GOODBYE_SECONDS)

    def fail(self, error: BaseException, sql: str) -> NoReturn:
        """Raise what the driver has raised, in our words where it is an error of the database."""
        # Whatever is not PostgreSQL's own answer has left it in the middle of something.
        if not isinstance(error, asyncpg.PostgresError) or isinstance(error, _OF_NO_MORE_USE):
            self._is_spoiled = True
        if isinstance(error, _FAILURES):
            raise DatabaseError(f"{_told(error)} in {' '.join(sql.split())}") from error
        raise error


async def dial(url: str, database: str, settings: Mapping[str, str], patience: float) -> Line:
    """``settings`` are those of the session; a statement may take ``patience`` seconds. Raises
    CannotBegin."""
    try:
        driver = await asyncpg.connect(
            url,
            database=database,
            timeout=_HELLO_SECONDS,
            command_timeout=patience,
            server_settings=dict(settings),
        )
        try:
            for kind, version in (("json", b""), ("jsonb", b"\x01")):
                await _read_json(driver, kind, version)
        except BaseException:
            driver.terminate()
            raise
    except _FAILURES as error:
        raise CannotBegin(_told(error)) from error
    return Line(driver)


async def _read_json(driver: "asyncpg.Connection[Any]", kind: str, version: bytes) -> None:
    """JSON is sent as text and comes back as values. ``version`` is what begins it on the wire."""
    await driver.set_type_codec(
        kind,
        schema="pg_catalog",
        format="binary",
        encoder=lambda text: version + text.encode(),
        decoder=lambda sent: msgspec.json.decode(sent[len(version) :]),
    )


class Prepared:
    """A statement that a line knows."""

    def __init__(self, line: Line, sql: str, statement: "PreparedStatement[Any]") -> None:
        self._line = line
        self._sql = sql
        self._statement = statement
        columns = [each.name for each in statement.get_attributes()]
        self._make = _row_of(columns) if columns else None

    async def execute(self, values: Iterable[Any]) -> Found:
        """Raises DatabaseError."""
        try:
            records = await self._statement.fetch(*values)
        except BaseException as error:
            self._line.fail(error, self._sql)
        if self._make is not None:
            rows = list(map(self._make, records))
            return Found(rows, len(rows))
        done = self._statement.get_statusmsg() or ""  # such as UPDATE 3
        count = done.rpartition(" ")[2]
        return Found([], int(count) if count.isdecimal() else 0)


class Connection:
    """What a transaction says to PostgreSQL, until it ends."""

    __slots__ = ("_cursors", "_is_over", "_line")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._cursors = 0
        self._is_over = False

    def end(self) -> None:
        """Whoever keeps it cannot say anything in the next transaction, which sees other shops."""
        self._is_over = True

    async def execute(self, statement: Statement, values: Mapping[str, Any] = _NOTHING) -> Found:
        """Raises DatabaseError."""
        prepared = await self._open().known(statement.numbered)
        return await prepared.execute([values[name] for name in statement.names])

    async def run(self, script: str) -> None:
        """Statements without parameters, in one round trip. Raises DatabaseError."""
        await self._open().run(script)

    async def stream(
        self, statement: Statement, values: Mapping[str, Any], at_once: int
    ) -> AsyncIterator[Row]:
        """The rows from a cursor, fetched ``at_once``. Pages would each be found and sorted anew.
        Raises DatabaseError."""
        line = self._open()
        self._cursors += 1
        name = f"rows_{self._cursors}"
        declare = await line.prepare(f"DECLARE {name} NO SCROLL CURSOR FOR {statement.numbered}")
        await declare.execute([values[each] for each in statement.names])
        fetch = await line.prepare(f"FETCH {at_once} FROM {name}")
        while rows := (await fetch.execute(())).all():
            for row in rows:
                yield row
            self._open()  # whoever asks for more may come too late
        await line.run(f"CLOSE {name}")

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """An error undoes what was done in this block, and no more. Raises DatabaseError."""
        line = self._open()
        await line.run("SAVEPOINT here")
        try:
            yield
        except BaseException:
            await line.undo("ROLLBACK TO here; RELEASE here")
            raise
        await line.run("RELEASE here")

    def _open(self) -> Line:
        if self._is_over:
            raise DatabaseError("The transaction has ended.")
        return self._line


def _row_of(columns: Sequence[str]) -> Callable[[Iterable[Any]], Row]:
    row: Any = namedtuple("row", columns, rename=True)  # type: ignore[misc]  # see Row
    make: Callable[[Iterable[Any]], Row] = row._make
    return make


def _told(error: BaseException) -> str:
    """Without what it quotes: PostgreSQL does that in details, and where data is wrong."""
    name = type(error).__name__
    if not isinstance(error, asyncpg.PostgresError) or (error.sqlstate or "22").startswith("22"):
        return name
    return f"{name}: {error.args[0]}"
