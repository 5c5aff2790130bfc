"""Makes `.venv` from the hashed lock. Run by dev.sh with any Python >= 3.11: stdlib only."""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

LOCK = Path("locks", "dev.lock")


class InstallError(Exception):
    """Why there is no environment, in one line."""


def main(checkout: Path, stamp: str) -> int:
    """Brings `checkout/.venv` up to what `stamp` stands for; 0 when it is."""
    try:
        with one_at_a_time(checkout):
            stamp_file = checkout / ".venv" / ".stamp"
            if stamp_file.exists() and stamp_file.read_text().strip() == stamp.strip():
                return 0  # somebody else did it while we waited
            install(checkout)
            stamp_file.write_text(f"{stamp.strip()}\n")
    except InstallError as error:
        say(f"dev.sh: {error}")
        return 1
    except OSError as error:
        say(f"dev.sh: cannot write {error.filename or checkout}: {error.strerror}.")
        return 1
    except KeyboardInterrupt:
        say("dev.sh: stopped; the next run goes on from here.")
        return 1
    return 0


@contextlib.contextmanager
def one_at_a_time(checkout: Path) -> Iterator[None]:
    """Two terminals may start at once; the second waits, and then has nothing to do."""
    with (checkout / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is installing; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(checkout: Path) -> None:
    """Makes the environment, puts uv into it with pip, and the rest with uv."""
    started = time.monotonic()
    target = checkout / ".venv"
    python = target / "bin" / "python"
    say("Installing the tools and libraries into .venv (once; a minute at most) …")
    (target / ".stamp").unlink(missing_ok=True)
    if not works(python):
        make_venv(target)
    lock = checkout / LOCK
    if not (target / "bin" / "uv").exists() or not uv_is_locked(target, lock):
        pip_install(python, only(lock, "uv"))
    uv = target / "bin" / "uv"
    common = ["--quiet", "--python", str(python)]
    locked = ["pip", "install", *common, "--compile-bytecode", "--require-hashes", "-r", str(lock)]
    if run([str(uv), *locked]).returncode:
        # pip knows settings uv does not (a company's own index, its certificates).
        pip_install(python, lock.read_text())
    checkout_itself = ["--no-deps", "--no-build-isolation", "--editable", str(checkout)]
    result = run([str(uv), "pip", "install", *common, "--offline", *checkout_itself])
    if result.returncode:
        raise InstallError(f"the project itself does not install: {last_line(result)}")
    say(f"Installed in {time.monotonic() - started:.0f} s.")


def works(python: Path) -> bool:
    """Whether there is an environment whose Python still runs and has pip."""
    return python.exists() and not run([str(python), "-c", "import pip"]).returncode


def make_venv(target: Path) -> None:
    """A fresh environment with pip; says what is missing where the system has split it off."""
    try:
        # A child of its own: some systems stop the whole process when ensurepip is not there.
        builder = (
            "import sys, venv; venv.create(sys.argv[1], clear=True, symlinks=True, with_pip=True)"
        )
        result = run([sys.executable, "-I", "-c", builder, str(target)])
        missing = result.returncode != 0
        if missing:
            venv.create(target, clear=True, symlinks=True)  # tells a full disk from no ensurepip
    except OSError as error:
        raise InstallError(f"cannot make {target}: {error.strerror}.") from error
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise InstallError(
            f"{sys.executable} lacks venv/ensurepip; on Debian or Ubuntu: "
            f"apt install python{version}-venv, or point PYTHON at another Python."
        )


def uv_is_locked(target: Path, lock: Path) -> bool:
    """Whether the uv in the environment is the one the lock names."""
    result = run([str(target / "bin" / "uv"), "--version"])
    wanted = re.search(r"^uv==([^\s;]+)", lock.read_text(), re.MULTILINE)
    return wanted is not None and wanted[1] in result.stdout.split()


def only(lock: Path, name: str) -> str:
    """The lock's entry for one package, hashes included."""
    entry = re.search(rf"^{name}==.*?(?=^\S|\Z)", lock.read_text(), re.MULTILINE | re.DOTALL)
    if not entry:
        raise InstallError(f"{lock.name} does not name {name}.")
    return entry[0]


def pip_install(python: Path, requirements: str) -> None:
    """Installs hashed requirements with pip."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
        command = [str(python), "-m", "pip", "install", *quiet, "--require-hashes", "-r", file.name]
        result = run(command)
    if result.returncode:
        raise InstallError(explain(result))


def explain(result: subprocess.CompletedProcess[str]) -> str:
    """One line for what pip said on many."""
    text = result.stderr
    if "No space left" in text:
        return "the disk is full."
    if "HASHES" in text and "DO NOT MATCH" in text:
        return "a downloaded package is not the one the lock names (hash mismatch)."
    signs = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "Max retries", "Proxy")
    if any(sign in text for sign in (*signs, "Failed to establish", "from versions: none")):
        return "the package index cannot be reached; is there a network?"
    return f"installing failed: {last_line(result)}"


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """The last thing a failed command said."""
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {result.returncode}"


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command quietly, apart from whatever environment the caller has activated."""
    environment = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def say(line: str) -> None:
    """Tells the terminal; standard output stays for what the command itself answers."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
