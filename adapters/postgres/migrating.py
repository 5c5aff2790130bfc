"""Migrations: Alembic says which, and writes them down as SQL that our own connection runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from adapters.postgres.connection import Connection, text

_IS_THERE: Final = text("SELECT to_regclass(CAST(:name AS text)) IS NOT NULL")


async def bring_up_to_date(
    connection: Connection, directory: Path, version_table: str, views: Iterable[str] = ()
) -> None:
    """``views`` are made anew afterwards: they would keep columns from being changed."""
    version = None
    if (await connection.execute(_IS_THERE, {"name": version_table})).scalar_one():
        found = await connection.execute(text(f"SELECT version_num FROM {version_table}"))
        version = found.scalar_one_or_none()
    script = ScriptDirectory(str(directory), version_locations=[str(directory)])
    if version == script.get_current_head():
        return
    for view in views:
        await connection.run(f"DROP VIEW IF EXISTS {view}")
    for statement in _written(script, version, version_table):
        await connection.run(statement)


class _Statements:
    """What Alembic takes for a file, and writes to a statement at a time."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def write(self, statement: str) -> None:
        if any(line and not line.startswith("--") for line in statement.splitlines()):
            self.all.append(statement)  # which revision it is comes as a comment by itself

    def flush(self) -> None:
        """There is nothing that waits."""


def _written(script: ScriptDirectory, version: str | None, version_table: str) -> Iterable[str]:
    """What leads from ``version`` to the newest."""
    statements = _Statements()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},  # or % would be doubled
        opts={
            "as_sql": True,
            "output_buffer": statements,
            "starting_rev": version,
            "version_table": version_table,
            "fn": lambda revision, _: script._upgrade_revs("head", revision),
        },
    )
    with Operations.context(context):
        context.run_migrations()
    return statements.all
