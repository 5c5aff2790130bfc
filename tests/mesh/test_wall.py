"""No table is forgotten: a service walls off what it has when it starts, or does not start."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from adapters.postgres import tenancy
from adapters.postgres.connection import DatabaseError, text
from adapters.postgres.database import MIGRATIONS, Database
from adapters.postgres.tenancy import (
    ACROSS_ROLE,
    ACROSS_SHOPS,
    MIGRATION,
    SHOP_ROLE,
    Scope,
    Unwalled,
    of_shops,
)
from domain.errors import Unavailable
from infra.embedded.binaries import postgres
from infra.embedded.servers import Servers
from tests.infra.deployment import COMPOSE_DIR

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    """Of a service without tables of its own."""
    one = Database(environment["LOYALNEST_POSTGRES_URL"], f"w{uuid4().hex[:8]}")
    await one.make()
    await one.migrate()
    yield one
    await one.close()


async def run(database: Database, scope: Scope, *statements: str) -> list[object]:
    """What the last statement finds."""
    found: list[object] = []
    async with database.transaction(scope) as connection:
        for statement in statements:
            rows = await connection.execute(text(statement))
            found = list(rows.scalars())
    return found


NOTES = "CREATE TABLE notes (merchant_id uuid NOT NULL, note text NOT NULL)"
TWO_NOTES = f"INSERT INTO notes VALUES ('{ONE}', 'one'), ('{OTHER}', 'other')"


async def test_a_new_table_is_walled_off_without_anybody_thinking_of_it(
    database: Database,
) -> None:
    await run(database, MIGRATION, NOTES)
    with pytest.raises(DatabaseError, match="permission denied"):
        await run(database, of_shops([ONE]), "SELECT note FROM notes")
    await database.migrate()
    with pytest.raises(DatabaseError, match="row-level security"):
        await run(database, of_shops([ONE]), TWO_NOTES)
    await run(database, ACROSS_SHOPS, TWO_NOTES)
    assert await run(database, of_shops([ONE]), "SELECT note FROM notes") == ["one"]


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY everybody ON notes USING (true)",
        f"CREATE POLICY its_shops ON notes TO {SHOP_ROLE} USING (true)",
    ],
)
async def test_a_hole_in_the_wall_is_mended_at_the_next_start(
    database: Database, harm: str
) -> None:
    await run(database, MIGRATION, NOTES, TWO_NOTES)
    await database.migrate()
    await run(database, MIGRATION, harm)
    assert len(await run(database, of_shops([ONE]), "SELECT note FROM notes")) == 2
    await database.migrate()
    assert await run(database, of_shops([ONE]), "SELECT note FROM notes") == ["one"]


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        ("CREATE TABLE plans (name text)", "The table plans has no merchant_id"),
        ("CREATE TABLE plans (name text) PARTITION BY LIST (name)", "plans has no merchant_id"),
        ("CREATE VIEW all_answers AS SELECT * FROM answers", "all_answers is no table"),
        ("CREATE MATERIALIZED VIEW copies AS SELECT * FROM answers", "copies is no table"),
        ("CREATE SCHEMA more; CREATE TABLE more.plans (name text)", "The table more.plans"),
    ],
)
async def test_what_cannot_be_walled_off_keeps_the_service_from_starting(
    database: Database, thing: str, why: str
) -> None:
    await run(database, MIGRATION, *thing.split(";"))
    with pytest.raises(Unwalled, match=why):
        await database.migrate()


async def test_a_table_may_be_without_shops_if_somebody_has_said_why(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenancy, "WITHOUT_SHOP", {database.service: {"plans": "of everybody"}})
    await run(database, MIGRATION, "CREATE TABLE plans (name text)")
    await database.migrate()
    await run(database, ACROSS_SHOPS, "INSERT INTO plans VALUES ('free')")
    with pytest.raises(DatabaseError, match="permission denied"):
        await run(database, of_shops([ONE]), "SELECT name FROM plans")


async def test_a_partition_is_walled_off_like_its_table(database: Database) -> None:
    await run(
        database,
        MIGRATION,
        f"{NOTES} PARTITION BY LIST (note)",
        "CREATE TABLE notes_one PARTITION OF notes FOR VALUES IN ('one')",
        "CREATE TABLE notes_other PARTITION OF notes FOR VALUES IN ('other')",
    )
    await database.migrate()
    await run(database, ACROSS_SHOPS, TWO_NOTES)
    for table, seen in (("notes", ["one"]), ("notes_one", ["one"]), ("notes_other", [])):
        assert await run(database, of_shops([ONE]), f"SELECT note FROM {table}") == seen


async def test_a_migration_sees_what_it_has_to_change(database: Database) -> None:
    await run(database, MIGRATION, NOTES)
    await database.migrate()
    await run(database, ACROSS_SHOPS, TWO_NOTES)
    change = "UPDATE notes SET note = upper(note) RETURNING note"
    assert await run(database, MIGRATION, change) == ["ONE", "OTHER"]
    # The owner of the tables, too, sees nothing without having said so.
    assert await run(database, Scope("SET LOCAL ROLE NONE;"), change) == []


async def test_what_is_searched_follows_its_table(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenancy, "SEARCHED", {database.service: {"notes"}})
    await run(database, MIGRATION, NOTES, TWO_NOTES)
    await database.migrate()
    await run(database, MIGRATION, "ALTER TABLE notes ADD COLUMN colour text DEFAULT 'red'")
    await database.migrate()
    look = "SELECT note || colour FROM notes_searched"
    assert await run(database, of_shops([ONE]), look) == ["onered"]
    assert await run(database, of_shops([]), look) == []


async def test_a_migration_may_take_away_what_is_searched(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def migration(number: int, statement: str) -> None:
        revision = f"""
from alembic import op
revision = "{number}"
down_revision = {str(number - 1) if number > 1 else None!r}
def upgrade() -> None:
    op.execute("{statement}")
"""
        (tmp_path / database.service / f"000{number}.py").write_text(revision)

    monkeypatch.setattr(tenancy, "SEARCHED", {database.service: {"notes"}})
    monkeypatch.setattr("adapters.postgres.database.MIGRATIONS", tmp_path)
    (tmp_path / "mesh").symlink_to(MIGRATIONS / "mesh")
    (tmp_path / database.service).mkdir()
    migration(1, NOTES)
    await database.migrate()
    migration(2, "ALTER TABLE notes DROP COLUMN note, ADD COLUMN colour text")
    await database.migrate()
    assert await run(database, of_shops([ONE]), "SELECT colour FROM notes_searched") == []


async def test_services_do_nothing_without_their_roles(tmp_path: Path) -> None:
    async with Servers(tmp_path, names=["postgres"]) as servers:
        url = servers.environment()["LOYALNEST_POSTGRES_URL"]
        password = (servers.home.secrets / "postgres-owner").read_text().strip()
        owner = await asyncpg.connect(
            f"postgresql://postgres:{password}@127.0.0.1:{servers['postgres'].port}/postgres"
        )
        database = Database(url, "walls")
        await database.make()
        await database.migrate()
        for might, not_any_more in (
            (f"GRANT {ACROSS_ROLE} TO {SHOP_ROLE}", f"REVOKE {ACROSS_ROLE} FROM {SHOP_ROLE}"),
            (f"ALTER ROLE {SHOP_ROLE} BYPASSRLS", f"ALTER ROLE {SHOP_ROLE} NOBYPASSRLS"),
        ):
            await owner.execute(might)
            with pytest.raises(Unwalled, match="may do too much"):
                await database.migrate()
            await owner.execute(not_any_more)
        await database.migrate()
        await database.close()
        await owner.execute(f"REVOKE {SHOP_ROLE} FROM loyalnest")
        with pytest.raises(Unavailable, match=f"cannot become {SHOP_ROLE}"):
            await Database(url, "walls").make()
        await owner.execute("DROP DATABASE loyalnest_walls")
        await owner.execute(f"DROP ROLE {SHOP_ROLE}; DROP ROLE {ACROSS_ROLE}")
        with pytest.raises(Unavailable, match=f"cannot become {SHOP_ROLE}"):
            await Database(url, "walls").make()
        await owner.close()
        # A folder of a version that knew nothing of roles gets them.
        await servers.stop("postgres")
        (servers.home.data / "postgres" / "loyalnest-roles").unlink()
        await servers.start("postgres")
        database = Database(url, "walls")
        await database.make()
        await database.migrate()
        await database.close()


async def test_compose_makes_the_same_user_and_roles(tmp_path: Path) -> None:
    async with Servers(tmp_path, names=["postgres"]) as servers:
        port = servers["postgres"].port
        password = (servers.home.secrets / "postgres-owner").read_text().strip()
        owner = await asyncpg.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres")
        await owner.execute(f"DROP ROLE {SHOP_ROLE}; DROP ROLE {ACROSS_ROLE}; DROP ROLE loyalnest")
        secret = tmp_path / "postgres_password"
        secret.write_text("of-compose")
        script = (COMPOSE_DIR / "postgres" / "10-role.sh").read_text()
        done = await asyncio.create_subprocess_exec(
            "sh", "-c", script.replace("/run/secrets/postgres_password", str(secret)),
            env={
                "PATH": f"{postgres('psql').parent}:{os.defpath}",
                "POSTGRES_USER": "postgres",
                "PGHOST": "127.0.0.1",
                "PGPORT": str(port),
                "PGPASSWORD": password,
            },
        )  # fmt: skip
        assert await done.wait() == 0
        found = await owner.fetch(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles"
            " WHERE rolname = 'loyalnest'"
        )
        await owner.close()
        assert [tuple(user) for user in found] == [(False, False, False, True)]
        database = Database(f"postgresql://loyalnest:of-compose@127.0.0.1:{port}", "walls")
        await database.make()
        await database.migrate()
        await run(database, ACROSS_SHOPS, "SELECT FROM answers")
        await database.close()
