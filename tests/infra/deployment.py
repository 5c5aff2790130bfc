"""The files that describe production, read as data."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE_DIR: Final = ROOT / "infra" / "compose"
DOCKERFILE: Final = ROOT / "infra" / "image" / "Dockerfile"

OURS: Final = "loyalnest:local"
"""The image of every service."""


def read_yaml(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict), path
    return found


def compose() -> dict[str, Any]:
    return read_yaml(COMPOSE_DIR / "compose.yaml")


def containers() -> dict[str, dict[str, Any]]:
    return dict(compose()["services"])


def services() -> dict[str, dict[str, Any]]:
    """The containers that run our image."""
    return {name: each for name, each in containers().items() if each.get("image") == OURS}


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, rest) of a Dockerfile, comments gone and continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (x.partition(" ") for x in lines) if word]


def last_stage(dockerfile: Path) -> list[tuple[str, str]]:
    found = instructions(dockerfile)
    start = max(position for position, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def words(value: object) -> list[str]:
    """Every string in a piece of YAML."""
    if isinstance(value, dict):
        return [word for each in value.values() for word in words(each)]
    if isinstance(value, list):
        return [word for each in value for word in words(each)]
    return [str(value)]
