"""Prometheus reads every process, and its alerts ask for metrics that exist."""

import asyncio
import re
from collections.abc import Mapping

import pytest
from litestar.testing import AsyncTestClient
from prometheus_client import Counter, Gauge, Histogram

import domain.errors
from adapters.runtime.ops import ops_app
from adapters.telemetry import metrics
from services import SERVICES
from tests.infra.deployment import COMPOSE_DIR, ROOT, containers, read_yaml

RULES = [
    rule
    for group in read_yaml(COMPOSE_DIR / "prometheus" / "alerts.yml")["groups"]
    for rule in group["rules"]
]


def series() -> dict[str, set[str]]:
    """Every series of a process, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        (described,) = metric.describe()
        labels = set(metric._labelnames)
        match metric:
            case Counter():
                found[f"{described.name}_total"] = labels
            case Histogram():
                found |= {f"{described.name}_{end}": labels for end in ("count", "sum")}
                found[f"{described.name}_bucket"] = labels | {"le"}
            case _:
                found[described.name] = labels
    return found


def test_every_service_is_read_on_its_ops_port() -> None:
    jobs = {
        job["job_name"]: [target for each in job["static_configs"] for target in each["targets"]]
        for job in read_yaml(COMPOSE_DIR / "prometheus" / "prometheus.yml")["scrape_configs"]
    }
    known = containers()
    assert jobs["loyalnest"] == [
        f"{name}:{known[name]['environment']['LOYALNEST_OPS_PORT']}" for name in SERVICES
    ]
    collector = read_yaml(COMPOSE_DIR / "otel" / "collector.yaml")
    (reader,) = collector["service"]["telemetry"]["metrics"]["readers"]
    assert jobs["otel"] == [f"otel:{reader['pull']['exporter']['prometheus']['port']}"]


def test_pipelines_of_the_collector_name_what_is_declared() -> None:
    whole = read_yaml(COMPOSE_DIR / "otel" / "collector.yaml")
    more = read_yaml(COMPOSE_DIR / "otel" / "backend.yaml")
    for kind in ("receivers", "processors", "exporters"):
        declared = {*whole.get(kind, {}), *more.get(kind, {})}
        for config in (whole, more):
            used = config["service"]["pipelines"]["traces"].get(kind, [])
            assert set(used) <= declared
    assert set(whole["service"]["extensions"]) == set(whole["extensions"])


def test_alerts_ask_for_series_and_labels_that_exist() -> None:
    known = series()
    assert RULES
    for rule in RULES:
        asked = re.findall(r"\b(loyalnest_\w+)(?:\{([^}]*(?:\{topic\}[^}]*)?)\})?", rule["expr"])
        for name, matchers in asked:
            assert name in known, f"{rule['alert']}: {name}"
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\"", matchers))
            assert labels <= known[name], f"{rule['alert']}: {labels}"
        grouped = {
            label.strip()
            for inside in re.findall(r"\bby \(([^)]*)\)", rule["expr"])
            for label in inside.split(",")
        }
        assert all(grouped <= known[name] for name, _ in asked), rule["alert"]
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert shown <= grouped | {"container"}, rule["alert"]


def test_alerts_name_outcomes_that_exist() -> None:
    codes = {
        each.code
        for each in vars(domain.errors).values()
        if isinstance(each, type) and issubclass(each, domain.errors.LoyaltyError)
    }
    for rule in RULES:
        for outcomes in re.findall(r'outcome=~?"([^"]+)"', rule["expr"]):
            for outcome in outcomes.split("|"):
                assert outcome in codes | {"dead"}, rule["alert"]


def test_every_alert_is_explained_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    chapter = runbook.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    explained = re.findall(r"^### (\w+)$", chapter, re.MULTILINE)
    assert [rule["alert"] for rule in RULES] == explained


async def test_readiness_is_a_metric_and_a_hanging_check_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.runtime.ops._PATIENCE", 0.1)
    states = {"points": "ok"}
    hangs = False

    async def report() -> Mapping[str, str]:
        if hangs:
            await asyncio.sleep(60)
        return states

    async def ready_metric() -> str:
        text = (await client.get("/metrics")).text
        (value,) = re.findall(r"^loyalnest_ready (\S+)$", text, re.MULTILINE)
        return str(value)

    async with AsyncTestClient(ops_app(report)) as client:
        assert await ready_metric() == "1.0"
        assert (await client.get("/ready")).status_code == 200
        states["points"] = "The storage is not available."
        assert await ready_metric() == "0.0"
        assert (await client.get("/ready")).status_code == 503
        states["points"] = "ok"
        hangs = True
        assert await ready_metric() == "0.0"
