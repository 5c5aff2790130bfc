"""The three servers: data outlives restarts and kill -9, secrets stay secret, ports stay put."""

import fcntl
import os
import stat
import threading
from pathlib import Path

import asyncpg
import nats
import psutil
import pytest
from redis.asyncio import Redis

from infra.embedded import identity, lock, postgres
from infra.embedded.errors import AlreadyRunningError
from infra.embedded.home import Home
from infra.embedded.lock import HomeLock, holder
from infra.embedded.ports import free_port
from infra.embedded.server import converse
from infra.embedded.servers import Servers
from tests.embedded.conftest import belongs


async def connect_postgres(settings):
    return await asyncpg.connect(settings["LOYALNEST_POSTGRES_URL"] + "/postgres")


async def connect_nats(settings):
    return await nats.connect(settings["LOYALNEST_NATS_URL"], allow_reconnect=False)


async def write(settings):
    """Leaves a mark in each server."""
    database = await connect_postgres(settings)
    await database.execute("CREATE DATABASE loyalnest_points")
    await database.close()
    points = await asyncpg.connect(settings["LOYALNEST_POSTGRES_URL"] + "/loyalnest_points")
    await points.execute("CREATE TABLE mark (value int); INSERT INTO mark VALUES (7)")
    await points.close()
    client = await connect_nats(settings)
    await client.jetstream().add_stream(name="MARKS", subjects=["marks"])
    await client.jetstream().publish("marks", b"7")
    await client.close()
    async with Redis.from_url(settings["LOYALNEST_VALKEY_URL"]) as valkey:
        await valkey.set("mark", 7)


async def read(settings):
    """What each server still knows."""
    points = await asyncpg.connect(settings["LOYALNEST_POSTGRES_URL"] + "/loyalnest_points")
    in_postgres = await points.fetchval("SELECT value FROM mark")
    await points.close()
    client = await connect_nats(settings)
    message = await client.jetstream().get_last_msg("MARKS", "marks")
    await client.close()
    async with Redis.from_url(settings["LOYALNEST_VALKEY_URL"]) as valkey:
        return in_postgres, message.data, await valkey.get("mark")


async def test_a_restart_keeps_data_secrets_and_ports(tmp_path):
    async with Servers(tmp_path) as servers:
        assert servers.fresh
        before = servers.environment()
        await write(before)
    async with Servers(tmp_path) as servers:
        assert not servers.fresh
        assert servers.environment() == before
        assert await read(before) == (7, b"7", b"7")


async def test_kill_9_of_each_server_loses_nothing(tmp_path):
    async with Servers(tmp_path) as servers:
        settings = servers.environment()
        await write(settings)
        for name in ("nats", "postgres", "valkey"):
            if name == "valkey":
                # Its file is synced by the operating system each second, not by each command;
                # a killed process loses nothing either way.
                async with Redis.from_url(settings["LOYALNEST_VALKEY_URL"]) as valkey:
                    assert (await valkey.info("persistence"))["aof_enabled"] == 1
            await servers.kill(name)
            await servers.start(name)
        assert await read(settings) == (7, b"7", b"7")


async def test_secrets_are_private_and_not_on_any_command_line(tmp_path):
    async with Servers(tmp_path / "home") as servers:
        settings = servers.environment()
        kept = [path for path in servers.home.secrets.iterdir() if path.is_file()]
        assert len(kept) == 7
        for path in [*kept, servers.home.run / "nats.conf", servers.home.run / "valkey.conf"]:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(servers.home.path.stat().st_mode) == 0o700
        words = [word for path in kept for word in path.read_text().split()]
        for process in psutil.process_iter():
            if belongs(process, str(tmp_path)) and process.pid != os.getpid():
                line = " ".join(process.cmdline())
                assert not any(word in line for word in words), line
        assert Path(settings["LOYALNEST_MASTER_KEY_FILE"]) in kept


async def test_everything_listens_on_loopback_only(tmp_path):
    async with Servers(tmp_path) as servers:
        for server in servers:
            tree = [psutil.Process(server.child.pid)]
            tree += tree[0].children(recursive=True)
            listening = {
                c.laddr for p in tree for c in p.net_connections() if c.status == psutil.CONN_LISTEN
            }
            assert {(a.ip, a.port) for a in listening} == {("127.0.0.1", server.port)}, server.name


async def test_wrong_passwords_are_refused(tmp_path):
    async with Servers(tmp_path) as servers:
        nats_port, postgres_port = servers["nats"].port, servers["postgres"].port
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://loyalnest:no@127.0.0.1:{postgres_port}/postgres")
        with pytest.raises(nats.errors.Error):
            await nats.connect(f"nats://loyalnest:no@127.0.0.1:{nats_port}", allow_reconnect=False)
        said = await converse(servers["valkey"].port, b"GET mark\r\n", lines=1)
        assert said.startswith(b"-NOAUTH")


async def test_services_connect_as_a_user_that_row_level_security_binds(tmp_path):
    async with Servers(tmp_path, names=["postgres"]) as servers:
        database = await connect_postgres(servers.environment())
        row = await database.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, current_setting('fsync'), "
            "current_setting('synchronous_commit') FROM pg_roles WHERE rolname = current_user"
        )
        await database.close()
        assert tuple(row) == (False, False, True, "on", "on")


async def test_two_copies_run_side_by_side(tmp_path):
    one, two = (Servers(tmp_path / name, names=["nats"]) for name in ("one", "two"))
    async with one, two:
        assert one["nats"].port != two["nats"].port
        await (await connect_nats(one.environment())).close()
        await (await connect_nats(two.environment())).close()


async def test_a_home_has_one_owner(tmp_path):
    async with Servers(tmp_path, names=["nats"]):
        with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}"):
            async with Servers(tmp_path, names=["nats"]):
                pass


def test_whoever_asks_who_has_a_home_keeps_nobody_out(tmp_path, monkeypatch):
    """For that instant, they have its lock."""
    monkeypatch.setattr(lock, "LOOKERS_PATIENCE", 10.0)
    home = Home(tmp_path)
    asking = home.lock.open("w")
    fcntl.flock(asking, fcntl.LOCK_SH)
    threading.Timer(0.1, asking.close).start()
    owner = HomeLock(home)
    owner.acquire()
    assert holder(home) == os.getpid()
    owner.release()
    assert holder(home) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another way to try")
async def test_root_without_user_namespaces_hands_postgres_to_an_ordinary_user(
    tmp_path, monkeypatch
):
    other = identity.Identity("uid:65534", 65534)
    if not identity.works(other):
        pytest.skip("this root may not change its user")
    tmp_path.chmod(0o700)  # only root can enter the folder above
    monkeypatch.setattr(postgres, "for_postgres", lambda: other)
    async with Servers(tmp_path / "home", names=["postgres"]) as servers:
        process = psutil.Process(servers["postgres"].child.pid)
        assert process.uids().effective == 65534
        await (await connect_postgres(servers.environment())).close()
    # A later start that may use a namespace takes the files back.
    monkeypatch.undo()
    async with Servers(tmp_path / "home", names=["postgres"]) as servers:
        await (await connect_postgres(servers.environment())).close()


async def test_a_setting_moves_a_port(tmp_path):
    port = free_port(set())
    async with Servers(tmp_path, wanted={"nats": port}, names=["nats"]) as servers:
        assert servers["nats"].port == port
