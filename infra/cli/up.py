"""`loyalnest up`: the whole product on this machine."""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

from infra.embedded.child import keep_log_short
from infra.embedded.errors import AlreadyRunningError, EmbeddedError
from infra.embedded.home import Home, default_home
from infra.embedded.lock import holder
from infra.embedded.state import running

ITSELF: tuple[str, ...] = (sys.executable, "-m", "infra.cli.main")
PR_SET_PDEATHSIG = 1
DETACH_PATIENCE = 120.0  # seconds; the supervisor itself gives up sooner and says why


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--detach", action="store_true", help="return when healthy, and print one JSON object"
    )
    parser.add_argument("--processes", action="store_true", help="one process for each service")
    parser.add_argument("--no-demo", action="store_true", help="leave an empty home empty")
    parser.add_argument(
        "--with-parent", action="store_true", help="stop when the process that started this ends"
    )


def run(known: argparse.Namespace) -> int:
    """Runs in the foreground until Ctrl-C, or in the background until `down`."""
    home = Home(default_home())
    return detach(home, known) if known.detach else stay(home, known)


def stay(home: Home, known: argparse.Namespace) -> int:
    """Runs here."""
    from infra.embedded.supervisor import Supervisor

    if known.with_parent:
        stop_with_parent()
    started = time.monotonic()

    def healthy(addresses: Mapping[str, str]) -> None:
        say(welcome(addresses, time.monotonic() - started))

    supervisor = Supervisor(
        home.path, processes=known.processes, demo=not known.no_demo, say=say, healthy=healthy
    )
    asyncio.run(supervisor.run())
    return 0


def say(line: str) -> None:
    """Tells the terminal, at once even when it is a file."""
    print(line, flush=True)


def welcome(addresses: Mapping[str, str], seconds: float) -> str:
    """What somebody who has just started it wants to know."""
    ops = addresses.get("ops", "one for each process, see `status`")
    return "\n".join(
        [
            f"LoyalNest is up ({seconds:.1f} s).",
            "",
            f"  page      {addresses['page']}",
            f"  API       {addresses['api']}",
            f"  webhooks  {addresses['webhooks']}/{{topic}}",
            f"  metrics   {ops}{'/metrics' if 'ops' in addresses else ''}",
            *([f"  Shopify   {addresses['shopify']}/"] if "shopify" in addresses else []),
            f"  home      {addresses['home']}",
            "",
            "  a token   ./dev.sh loyalnest token",
            "  stop      Ctrl-C here, or ./dev.sh down",
            "",
        ]
    )


def detach(home: Home, known: argparse.Namespace) -> int:
    """Starts `up` in the background and waits until it is healthy."""
    home.create()
    if pid := holder(home):
        raise AlreadyRunningError(
            f"LoyalNest already runs in {home.path} (pid {pid}); "
            "`down` stops it, LOYALNEST_HOME chooses another folder."
        )
    options = [f for f in ("processes", "no_demo") if getattr(known, f)]
    command = [*ITSELF, "up"]
    command += [f"--{option.replace('_', '-')}" for option in options]
    log, trouble = home.logs / "up.log", home.logs / "up.error.log"
    keep_log_short(log)
    environment = {**os.environ, "LOYALNEST_HOME": str(home.path)}
    with log.open("ab") as output, trouble.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACH_PATIENCE
    while process.poll() is None:
        state = running(home)
        if state and state.get("phase") == "healthy":
            addresses = state["addresses"]
            shown = dict(addresses) if isinstance(addresses, dict) else {}
            print(json.dumps({**shown, "pid": process.pid, "demo": state["demo"]}))
            return 0
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise EmbeddedError(f"Not healthy after {DETACH_PATIENCE:.0f} s; see {log}.")
        time.sleep(0.03)
    sys.stderr.write(trouble.read_text() or f"loyalnest: It ended at once; see {log}.\n")
    return 1


def stop_with_parent() -> None:
    """Asks the system for SIGTERM when the parent dies, however it dies (Linux)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            raise EmbeddedError("The process that started this one has already ended.")
