"""The folder that holds everything the embedded stack knows: data, secrets, logs, run files."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from infra.embedded.errors import from_os_error

CHECKOUT = Path(__file__).resolve().parents[2]


def default_home() -> Path:
    """LOYALNEST_HOME, else `.loyalnest` in the checkout, else in the current folder."""
    if chosen := os.environ.get("LOYALNEST_HOME"):
        return Path(chosen).expanduser().absolute()
    in_checkout = (CHECKOUT / "pyproject.toml").exists()
    return (CHECKOUT if in_checkout else Path.cwd()) / ".loyalnest"


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are inside one home; nobody but the owner can enter it."""

    path: Path

    @property
    def data(self) -> Path:
        """One folder for each server's files."""
        return self.path / "data"

    @property
    def secrets(self) -> Path:
        """Keys and passwords, each made once."""
        return self.path / "secrets"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """What runs now; nothing here is needed once it has ended."""
        return self.path / "run"

    @property
    def lock(self) -> Path:
        """Held, with flock, by the process that owns the home."""
        return self.path / "lock"

    @property
    def ports(self) -> Path:
        """The ports of the last start, so that the next one keeps them."""
        return self.path / "ports.json"

    @property
    def state(self) -> Path:
        """What the supervisor says about itself."""
        return self.run / "state.json"

    @property
    def environment(self) -> Path:
        """The settings of the running stack, for commands that join it."""
        return self.run / "environment.json"

    @property
    def seed_pending(self) -> Path:
        """There until the demo shop has been put in completely."""
        return self.path / "seed-pending"

    def create(self) -> None:
        """Makes the folders; raises EmbeddedError where that is not possible."""
        try:
            for folder in (self.path, self.data, self.secrets, self.logs, self.run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise from_os_error(error, self.path) from error


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, all of it or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def write_json(path: Path, value: object) -> None:
    """Writes a private JSON file."""
    write_private(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """A JSON object, or an empty one where there is none or a crash cut it short."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast(dict[str, object], value) if isinstance(value, dict) else {}
