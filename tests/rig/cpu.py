"""How much processor time each process of the rig used, from /proc."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor seconds of each process with all its descendants so far, dead ones included."""
    children: dict[int, list[int]] = {}
    own: dict[int, float] = {}
    reaped: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it has just ended
        # The name in brackets may hold anything.
        fields = text.rpartition(")")[2].split()
        pid = int(stat.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        own[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
        reaped[pid] = (int(fields[13]) + int(fields[14])) / _TICKS

    def total(pid: int) -> float:
        mine = own.get(pid, 0.0) + reaped.get(pid, 0.0)
        return mine + sum(total(child) for child in children.get(pid, ()))

    return {name: total(pid) for name, pid in pids.items()}


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Processor seconds between two looks, the greatest first."""
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def memory_of(pid: int) -> tuple[int, int]:
    """(RSS, PSS) of one process in bytes."""
    found = {"Rss": 0, "Pss": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) * 1024
    return found["Rss"], found["Pss"]


def shares(spent: Mapping[str, float], names: Iterable[str] = ()) -> str:
    """Such as "postgres 41 %, points 22 %"."""
    whole = sum(spent.values()) or 1.0
    chosen = tuple(names) or tuple(spent)
    return ", ".join(f"{name} {spent[name] / whole:.0%}" for name in chosen)
