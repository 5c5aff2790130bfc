"""What the tests of the embedded stack share: a home, and the command run on it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port

SETTINGS = (
    "HOME",
    "HTTP_PORT",
    "OPS_PORT",
    "NATS_PORT",
    "POSTGRES_PORT",
    "VALKEY_PORT",
    "SHOPIFY_PORT",
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in (
        *SETTINGS,
        "NATS_SYNC",
        "SHOPIFY_CLIENT_ID",
        "SHOPIFY_CLIENT_SECRET",
        "SHOPIFY_API_BASE",
        "NATS_URL",
        "DEMO",
    ):
        monkeypatch.delenv(f"LOYALNEST_{name}", raising=False)


class Command:
    """The `loyalnest` command on one home, with stand-ins for the services."""

    def __init__(self, home):
        self.home = home
        self.http_port = free_port(set())
        self._started = []

    def environment(self, **more):
        settings = {"LOYALNEST_HOME": str(self.home), "LOYALNEST_HTTP_PORT": str(self.http_port)}
        return {**os.environ, **settings, **more}

    def _words(self, words):
        return [sys.executable, "-m", "tests.embedded.fake_up", *words]

    def __call__(self, *words, as_user=None, **settings):
        """Runs to its end."""
        return subprocess.run(
            self._words(words),
            env=self.environment(**settings),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **(as_user or {}),
        )

    def start(self, *words, **settings):
        """Leaves it running."""
        process = subprocess.Popen(
            self._words(words),
            env=self.environment(**settings),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def status(self):
        return json.loads(self("status", "--json").stdout)

    def when_healthy(self):
        return until(lambda: (s := self.status()).get("phase") == "healthy" and s)

    def processes(self):
        """Everything that belongs to this home and runs, the supervisor excepted."""
        others = (p for p in psutil.process_iter() if p.pid != os.getpid())
        return [process for process in others if belongs(process, str(self.home))]

    def when_gone(self):
        until(self.processes, lambda left: not left)

    def end(self):
        self("down")
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)
            process.stdout.close()


def belongs(process, mark):
    """Whether a process has this home in its arguments, its folder or its settings."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        seen = [*process.cmdline(), process.cwd()]
        with contextlib.suppress(psutil.AccessDenied):
            seen.append(process.environ().get("LOYALNEST_HOME", ""))
        return any(mark in text for text in seen)
    except psutil.Error:
        return False


def until(ask, holds=bool, patience=20.0):
    """Asks until the answer holds, and answers it."""
    deadline = time.monotonic() + patience
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, f"waited in vain; the last answer is {answer!r}"
        time.sleep(0.03)
    return answer


@pytest.fixture
def command(tmp_path):
    command = Command(tmp_path / "home")
    yield command
    command.end()
    # `down` answers when all is stopped and the home is free; the supervisor ends right after.
    command.when_gone()
