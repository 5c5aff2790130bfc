"""The embedded PostgreSQL server, tuned for many small databases on a small machine."""

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from infra.embedded import binaries
from infra.embedded.errors import EmbeddedError
from infra.embedded.home import write_private
from infra.embedded.identity import LAUNCH, Identity, for_postgres
from infra.embedded.server import Server, minimal_environment

USER = "loyalnest"
OWNER = "postgres"  # the superuser; nothing but the set-up uses it
ORPHAN_PATIENCE = 20.0  # seconds

# As which services work: row-level security shows one of them the shops it asks for, the other all.
# A service may turn into either, and is neither of itself (adapters/postgres/tenancy.py).
ROLES = f"""\
DO $$ BEGIN CREATE ROLE loyalnest_app; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE loyalnest_across; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT loyalnest_app, loyalnest_across TO {USER} WITH INHERIT FALSE, SET TRUE;
"""

CONFIGURATION = """\
# Written by every start; changes here are lost.
listen_addresses = '127.0.0.1'
port = {port}
# Loopback only. A socket's path would have to stay under 100 characters, and a home's need not.
unix_socket_directories = ''
max_connections = 200
password_encryption = scram-sha-256

shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
random_page_cost = 1.1
# Short statements on two cores: a parallel or compiled plan costs more than it saves.
jit = off
max_parallel_workers_per_gather = 0
io_method = sync

# What is committed is on the disk.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_buffers = 16MB
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min

autovacuum_max_workers = 2
autovacuum_naptime = 20s

timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
# A statement in a log may carry somebody's data.
log_min_error_statement = panic
log_checkpoints = off
"""

# `postgres` is the maintenance database; the services' own are made by whoever migrates them.
ACCESS = """\
# Written by every start; changes here are lost.
host all all 127.0.0.1/32 scram-sha-256
"""


class PostgresServer(Server):
    """PostgreSQL on loopback; services connect as a user that may make databases and no more.

    Not a superuser, because row-level security does not hold for those.
    """

    name = "postgres"
    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends connections, writes everything, exits

    @property
    def url(self) -> str:
        """Where clients connect; each appends the name of its database."""
        return f"postgresql://{USER}:{self.secrets.postgres_password}@127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        """The data directory."""
        return self.home.data / "postgres"

    def identity(self) -> Identity:
        """Anybody but root."""
        return for_postgres()

    async def start(self) -> None:
        """Starts it, waiting for what a killed server's last statements still hold."""
        deadline = time.monotonic() + ORPHAN_PATIENCE
        while True:
            try:
                await super().start()
                break
            except EmbeddedError:
                orphans = any("is still in use" in line for line in self.child.said())
                if not orphans or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        if not (made := self.folder / "loyalnest-roles").exists():
            await self._make_roles()
            made.touch()

    async def prepare(self) -> None:
        """Makes the data directory at the first start, and writes the configuration."""
        if not (self.folder / "PG_VERSION").exists():
            await self._initialise()
        write_private(self.folder / "postgresql.conf", CONFIGURATION.format(port=self.port))
        write_private(self.folder / "pg_hba.conf", ACCESS)
        self._hand_over(self.folder)

    def command(self) -> list[str]:
        """postgres with its data directory."""
        return [str(binaries.postgres("postgres")), "-D", str(self.folder)]

    async def ready(self) -> bool:
        """Whether the server wrote, into the file it keeps for that, that it takes connections."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        ours = bool(lines) and lines[0].strip() == str(self.child.pid)
        return ours and len(lines) > 7 and lines[7].strip() == "ready"

    async def _initialise(self) -> None:
        """Runs initdb beside the final place, so that a half-made one is never taken for whole.

        Synced to disk: everything that is committed later relies on these files.
        """
        fresh = self.folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self.home.run / "postgres-password"
        write_private(password, self.secrets.postgres_owner_password + "\n")
        self._hand_over(fresh)
        self._hand_over(password)
        await self._run(
            [
                str(binaries.postgres("initdb")),
                f"--pgdata={fresh}",
                f"--username={OWNER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                f"--sync-method={'syncfs' if sys.platform == 'linux' else 'fsync'}",
            ]
        )
        password.unlink()
        user = f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{self.secrets.postgres_password}';"
        single = [str(binaries.postgres("postgres")), "--single", "-D", str(fresh), OWNER]
        await self._run(single, user)
        fresh.rename(self.folder)

    async def _make_roles(self) -> None:
        """Makes the roles that are missing, also in the folder of an earlier version."""
        where = ["--host=127.0.0.1", f"--port={self.port}", f"--username={OWNER}", OWNER]
        psql = [str(binaries.postgres("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", *where]
        password = {"PGPASSWORD": self.secrets.postgres_owner_password}
        await self._run(psql, ROLES, password)

    async def _run(
        self, command: list[str], words: str = "", more: dict[str, str] | None = None
    ) -> None:
        """Runs one of PostgreSQL's programs as the user the server will have."""
        tie = [str(os.getpid()), str(int(signal.SIGKILL)), self.identity().launch]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-S", str(LAUNCH), *tie, *command],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=minimal_environment() | (more or {}),
        )
        output, _ = await process.communicate(words.encode())
        text = output.decode(errors="replace")
        if process.returncode or "ERROR:" in text:
            if "No space left on device" in text:
                raise EmbeddedError(f"The disk is full; {self.home.path} needs about 500 MB.")
            program = Path(command[0]).name
            notable = [line for line in text.splitlines() if "rror" in line or "FATAL" in line]
            reason = (notable or text.split("\n") or [""])[0].strip()
            raise EmbeddedError(f"PostgreSQL cannot be set up: {program} said: {reason}")

    def _hand_over(self, path: Path) -> None:
        """Gives files to the user the server runs as, where they are not that user's already."""
        owner = self.identity().owner
        inside = path.rglob("*") if path.is_dir() and path.stat().st_uid != owner else ()
        for file in [path, *inside]:
            if file.lstat().st_uid != owner:
                os.chown(file, owner, owner or -1, follow_symlinks=False)
        if path.is_dir():
            for name in ("postgresql.conf", "pg_hba.conf"):
                if (file := path / name).exists() and file.stat().st_uid != owner:
                    os.chown(file, owner, -1)
