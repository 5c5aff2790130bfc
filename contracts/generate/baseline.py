"""What was promised before: the documents as git has them."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

from contracts.generate.documents import PLACE, Documents


class NoBaseline(Exception):
    """A revision was named that is not there."""


def revisions(root: Path) -> list[str]:
    """The commits whose promises hold: the last commit, where this branch left the main one, and
    the last release. None outside a git checkout; a shallow one may have only the first."""
    asked = (
        ("rev-parse", "--verify", "HEAD"),
        ("merge-base", "HEAD", "origin/HEAD"),
        ("merge-base", "HEAD", "origin/main"),  # a checkout of CI knows no origin/HEAD
        ("rev-list", "--max-count=1", _last_release(root)),
    )
    found = (_git(root, *each) for each in asked)
    return list(dict.fromkeys(each.decode().strip() for each in found if each))


def promised(root: Path, revision: str) -> Documents:
    """The documents as ``revision`` has them; none when it has none yet.

    Raises NoBaseline when there is no such revision.
    """
    if _git(root, "rev-parse", "--verify", f"{revision}^{{commit}}") is None:
        raise NoBaseline(f"git knows no revision {revision}")
    archive = _git(root, "archive", "--format=tar", revision, PLACE)
    if archive is None:
        return {}
    found: dict[str, dict[str, object]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            file = files.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                found[member.name.removeprefix(f"{PLACE}/")] = json.load(file)
    return found


def _last_release(root: Path) -> str:
    tag = _git(root, "describe", "--tags", "--abbrev=0", "--match=v*")
    return tag.decode().strip() if tag else "no release yet"


def _git(root: Path, *arguments: str) -> bytes | None:
    """What git says; None when it is not there, this is no checkout, or it has no answer."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
