"""`up`, `down` and `status`: one owner, an orderly end, and nothing left behind by a crash."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import psutil

from infra.embedded.processes import start_mark
from services import SERVICES
from tests.embedded.conftest import until


def test_up_in_the_foreground_until_ctrl_c(command):
    up = command.start("up")
    status = command.when_healthy()
    names = {"nats", "postgres", "valkey", "all", "shopify"}
    assert {p["name"] for p in status["processes"]} == names
    assert all(p["ready"] and p["pid"] for p in status["processes"])
    until(lambda: command.status()["demo"] == "seeded")

    second = command("up")
    assert second.returncode == 1
    assert f"already runs in {command.home} (pid {up.pid}" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert command("up", "--detach").returncode == 1

    up.send_signal(signal.SIGINT)
    assert up.wait(20) == 0
    assert (command.home / "drained").exists()
    assert command.processes() == []
    said = up.stdout.read()
    assert f"http://127.0.0.1:{command.http_port}/" in said
    assert "Traceback" not in said


def test_detached_until_down(command):
    result = command("up", "--detach", "--no-demo")
    assert result.returncode == 0, result.stderr
    addresses = json.loads(result.stdout)
    assert urllib.request.urlopen(f"{addresses['api']}/ready").status == 200
    assert addresses["demo"] == "off"
    assert addresses["home"] == str(command.home)
    assert urllib.request.urlopen(f"{addresses['shopify']}/ready").status == 200
    secrets = [path.read_text().strip() for path in (command.home / "secrets").iterdir()]
    assert not any(secret in result.stdout for secret in secrets)

    assert command("down").stdout == "Stopped.\n"
    assert command.processes() == []
    assert command("status").returncode == 1
    assert "Nothing runs" in command("down").stdout


def test_without_the_demo_or_with_a_real_shopify_there_is_no_admin(command):
    for settings in (
        {"LOYALNEST_DEMO": "false"},
        {"LOYALNEST_SHOPIFY_API_BASE": "https://{shop}"},
    ):
        result = command("up", "--detach", "--no-demo", **settings)
        assert result.returncode == 0, result.stderr
        assert "shopify" not in json.loads(result.stdout)
        assert "shopify" not in {p["name"] for p in command.status()["processes"]}
        command("down")


def test_one_process_for_each_service(command):
    result = command("up", "--detach", "--processes", "--no-demo")
    assert result.returncode == 0, result.stderr
    services = [p for p in command.status()["processes"] if p["kind"] == "service"]
    assert [p["name"] for p in services] == list(SERVICES)
    assert len({p["port"] for p in services}) == len(SERVICES)
    assert all(p["ready"] for p in services)


def test_kill_9_of_the_supervisor_leaves_nothing_and_loses_nothing(command):
    command("up", "--detach", "--no-demo")
    before = command.status()
    os.kill(before["pid"], signal.SIGKILL)
    # At once, while the servers are still on their way out.
    again = command("up", "--detach", "--no-demo")
    assert again.returncode == 0, again.stderr
    after = command.status()
    ports = [[p["port"] for p in status["processes"]] for status in (before, after)]
    assert ports[0] == ports[1]

    os.kill(after["pid"], signal.SIGKILL)
    command.when_gone()


def test_what_dies_is_started_again(command):
    command("up", "--detach", "--no-demo")
    for name in ("all", "nats", "postgres", "valkey"):
        process = next(p for p in command.status()["processes"] if p["name"] == name)
        os.kill(process["pid"], signal.SIGKILL)

        def is_back(name=name, dead=process["pid"]):
            found = next(p for p in command.status()["processes"] if p["name"] == name)
            return found["pid"] not in (None, dead) and found["ready"] and found["restarts"] == 1

        until(is_back)
    assert (command.home / "logs" / "up.log").read_text().count("was ended by SIGKILL") == 4


def test_a_leftover_is_ended_and_a_recycled_number_is_not(command):
    """A process that outlived its supervisor, and a stranger that has the number of another."""
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    leftover, stranger = subprocess.Popen(words), subprocess.Popen(words)
    run = command.home / "run"
    run.mkdir(parents=True)
    for name, process, started in (
        ("old", leftover, start_mark(leftover.pid)),
        ("recycled", stranger, "another time"),
    ):
        note = {"pid": process.pid, "started": started, "stop_signal": int(signal.SIGTERM)}
        (run / f"{name}.pid.json").write_text(json.dumps(note))
    try:
        assert f"Ended old (pid {leftover.pid})" in ended(command)
        assert leftover.wait(5) == -signal.SIGTERM
        assert psutil.pid_exists(stranger.pid)
        assert stranger.poll() is None
    finally:
        for process in (leftover, stranger):
            process.kill()
            process.wait()


def ended(command):
    """What `up` says of an earlier run."""
    assert command("up", "--detach", "--no-demo").returncode == 0
    return (command.home / "logs" / "up.log").read_text()


def test_a_stale_lock_is_no_obstacle(command):
    command.home.mkdir()
    (command.home / "lock").write_text(f"{os.getpid()} 00:00:00\n")
    assert command("up", "--detach", "--no-demo").returncode == 0
