"""The image holds what the lock says, starts a program that exists, and tells how it is."""

import http.server
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from adapters.runtime.settings import PREFIX, Settings
from infra.image.locked import NotLockedError, part
from services import SERVICES
from tests.infra.deployment import DOCKERFILE, ROOT, instructions, last_stage

FINAL = last_stage(DOCKERFILE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = (ROOT / "locks" / "runtime.lock").read_text()


def said(instruction: str) -> str:
    (rest,) = (rest for word, rest in FINAL if word == instruction)
    return rest


def test_it_starts_a_program_of_the_project() -> None:
    (program,) = json.loads(said("ENTRYPOINT"))
    assert program in PROJECT["project"]["scripts"]
    command, *names = json.loads(said("CMD"))
    assert command == "serve"
    assert set(names) <= {"all", *SERVICES}


def test_its_settings_exist() -> None:
    given = re.findall(r"(LOYALNEST_\w+)=", said("ENV"))
    assert given
    for name in given:
        assert name.removeprefix(PREFIX).lower() in Settings.__dataclass_fields__


def test_it_brings_every_package_and_nothing_private() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    shown = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages < shown
    assert shown - packages == {"locks", "pyproject.toml"}
    assert "infra/compose" in ignored  # where the secrets are made


def test_what_it_copies_exists() -> None:
    for word, rest in instructions(DOCKERFILE):
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source


def locked(flag: str) -> list[str]:
    text = " ".join(rest for word, rest in instructions(DOCKERFILE) if word == "RUN")
    (names,) = re.findall(rf"{flag} ([a-z -]+?)\s*>", text)
    return str(names).split()


def test_everything_in_it_is_locked_by_hashes() -> None:
    without = locked("--without")
    found = part(RUNTIME, without=without)
    names = re.findall(r"^([\w.-]+)==", found, re.MULTILINE)
    assert set(re.findall(r"^([\w.-]+)==", RUNTIME, re.MULTILINE)) - set(names) == set(without)
    for entry in re.split(r"^(?=\S)", found, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry
    only = locked("--only")
    built = part((ROOT / "locks" / "dev.lock").read_text(), only=only)
    assert re.findall(r"^([\w.-]+)==", built, re.MULTILINE) == only


def test_a_name_that_is_not_locked_stops_the_build() -> None:
    with pytest.raises(NotLockedError, match="nonsense"):
        part(RUNTIME, without=["nonsense"])


def test_serving_needs_nothing_but_what_the_image_holds() -> None:
    """Here are also the tools for development and the servers' wheels; the image has neither."""
    code = f"""
import sys
before = set(sys.modules)  # what the environment itself loads
import importlib, json
import infra.cli.serve, infra.cli.join, adapters.runtime.host
import opentelemetry.exporter.otlp.proto.http.trace_exporter
for name in {SERVICES!r}:
    importlib.import_module(f"services.{{name}}.wiring")
print(json.dumps([name for name in sys.modules.keys() - before if "." not in name]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    packages = packages_distributions()
    held = set(
        re.findall(r"^([\w.-]+)==", part(RUNTIME, without=locked("--without")), re.MULTILINE)
    )
    for module in json.loads(result.stdout):
        sources = {re.sub(r"[-_.]+", "-", name).lower() for name in packages.get(module, ())}
        assert not sources or sources & (held | {"loyalnest"}), f"{module} comes from {sources}"


class Ops(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/ready" else 404)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def ops() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Ops) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def check(port: int) -> int:
    flags = json.loads(said("HEALTHCHECK").rpartition("CMD ")[2])[1:-1]
    script = str(ROOT / "infra" / "image" / "healthcheck.py")
    return subprocess.run(
        [sys.executable, *flags, script], env={"LOYALNEST_OPS_PORT": str(port)}, check=False
    ).returncode


def test_the_health_check_says_what_the_ops_port_says(
    ops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(ops) == 0
    monkeypatch.setattr(Ops, "status", 503)
    assert check(ops) == 1


def test_nobody_listening_is_not_healthy() -> None:
    assert check(1) == 1
