"""Prints a part of a lock file, hashes included: all entries but some, or only some."""

import argparse
import re
import sys
from collections.abc import Collection
from pathlib import Path

ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


class NotLockedError(Exception):
    """A named package is not in the lock; leaving it out or taking it would be a mistake."""


def part(lock: str, *, only: Collection[str] = (), without: Collection[str] = ()) -> str:
    """The entries of ``lock``. Raises NotLockedError for a name that it does not have."""
    entries = {match[1]: match[0] for match in ENTRY.finditer(lock)}
    if unknown := {*only, *without} - entries.keys():
        raise NotLockedError(f"not in the lock: {', '.join(sorted(unknown))}")
    wanted = set(only) or entries.keys() - set(without)
    return "".join(text for name, text in entries.items() if name in wanted)


def main() -> int:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description="Print a part of a lock file.")
    parser.add_argument("lock", type=Path)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--only", nargs="+", default=[])
    group.add_argument("--without", nargs="+", default=[])
    known = parser.parse_args()
    sys.stdout.write(part(known.lock.read_text(), only=known.only, without=known.without))
    return 0


if __name__ == "__main__":
    sys.exit(main())
