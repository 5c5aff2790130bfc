"""What a benchmark found, as one JSON object or as a small table."""

import os
import platform
from collections.abc import Iterable

import msgspec


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``ratio`` is figure / floor. Latencies are in milliseconds. ``notes`` are for people."""

    bench: str
    figure: float
    unit: str
    floor: float
    ratio: float
    better: str = "higher"  # or "lower"
    p50_ms: float | None = None
    p99_ms: float | None = None
    floor_p50_ms: float | None = None
    floor_p99_ms: float | None = None
    lost: int | None = None
    doubled: int | None = None
    wrong: int | None = None
    layout: str = ""
    bottleneck: str = ""
    details: dict[str, object] = {}
    notes: list[str] = []


def ratio(figure: float, floor: float) -> float:
    return figure / floor if floor else 0.0


def as_json(result: Result) -> str:
    rounded = msgspec.to_builtins(result)
    return msgspec.json.encode(_rounded(rounded)).decode()


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value


def as_table(result: Result) -> str:
    rows = [("figure", f"{_number(result.figure)} {result.unit}")]
    rows.append(("floor", f"{_number(result.floor)} {result.unit}"))
    rows.append(("ratio", f"{result.ratio:.2f} ({result.better} is better)"))
    if result.p50_ms is not None and result.p99_ms is not None:
        rows.append(("p50 / p99", _latency(result.p50_ms, result.p99_ms)))
    if result.floor_p50_ms is not None and result.floor_p99_ms is not None:
        rows.append(("floor p50 / p99", _latency(result.floor_p50_ms, result.floor_p99_ms)))
    counts = {"lost": result.lost, "doubled": result.doubled, "wrong": result.wrong}
    rows += [(name, str(count)) for name, count in counts.items() if count is not None]
    if result.layout:
        rows.append(("processes", result.layout))
    for name, value in result.details.items():
        rows.append((name, _number(value) if isinstance(value, float) else str(value)))
    if result.bottleneck:
        rows.append(("next bottleneck", result.bottleneck))
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    return "\n".join(
        [f"{result.bench} ({machine})", *_aligned(rows), *(f"  {each}" for each in result.notes)]
    )


def _aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    known = list(rows)
    width = max(len(name) for name, _ in known)
    return [f"  {name:<{width}}  {value}" for name, value in known]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _latency(p50: float, p99: float) -> str:
    return f"{p50:.1f} ms / {p99:.1f} ms"
