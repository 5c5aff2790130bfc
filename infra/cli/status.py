"""`loyalnest status`: what runs, where, since when."""

import argparse
import asyncio
import json
import time
from typing import Any

from infra.embedded.home import Home, default_home
from infra.embedded.services import is_ready
from infra.embedded.state import running


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(known: argparse.Namespace) -> int:
    """Prints the state; answers 0 when something runs, 1 when nothing does."""
    home = Home(default_home())
    # What the supervisor wrote with State.write; read back as plain JSON.
    state: dict[str, Any] | None = running(home)
    if state is None:
        print(
            json.dumps({"running": False, "home": str(home.path)})
            if known.json
            else f"Nothing runs in {home.path}."
        )
        return 1
    now = time.time()
    ready = asyncio.run(probe(state["processes"]))
    for process in state["processes"]:
        process["ready"] = ready.get(process["name"], process["pid"] is not None)
        process["uptime_s"] = round(now - process.pop("since"), 1)
    state["uptime_s"] = round(now - state.pop("since"), 1)
    if known.json:
        print(json.dumps({"running": True, **state}))
        return 0
    print(f"LoyalNest is {state['phase']} (pid {state['pid']}, {age(state['uptime_s'])}).")
    print(f"  page {state['addresses']['page']}   home {state['addresses']['home']}\n")
    for process in state["processes"]:
        name, pid = process["name"], process["pid"] or "–"
        again = f"   started again {process['restarts']} times" if process["restarts"] else ""
        mark = "ready" if process["ready"] else "NOT READY"
        print(
            f"  {name:<16} {mark:<10} port {process['port']:<6} pid {pid:<8} "
            f"{age(process['uptime_s'])}{again}"
        )
    return 0


async def probe(processes: list[dict[str, Any]]) -> dict[str, bool]:
    """Asks every service whether it is ready."""
    services = [process for process in processes if process["kind"] != "server"]
    answers = await asyncio.gather(*(is_ready(process["port"]) for process in services))
    return {process["name"]: answer for process, answer in zip(services, answers, strict=True)}


def age(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
