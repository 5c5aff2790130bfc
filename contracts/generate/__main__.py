"""``python -m contracts.generate``: write ``docs/contracts``, or check that it still holds."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.generate.baseline import NoBaseline, promised, revisions
from contracts.generate.compare import breaking
from contracts.generate.documents import PLACE, ROOT, Documents, documents, drift, write
from contracts.registry import ERRORS, REGISTRY
from contracts.retired import RETIRED


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """0 when all is well, 1 with one line on standard error for each finding."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail on drift and breaking changes"
    )
    parser.add_argument(
        "--against",
        metavar="REVISION",
        action="append",
        default=[],
        help="compare with this git revision too",
    )
    options = parser.parse_args(arguments)
    found = documents(REGISTRY, ERRORS.values())
    if not options.check:
        changed = write(found, root / PLACE)
        sys.stdout.write(f"{len(found)} documents in {PLACE}, {changed} changed\n")
        return 0
    try:
        lines = _findings(found, root, options.against)
    except NoBaseline as error:
        lines = [str(error)]
    for line in lines:
        sys.stderr.write(f"contracts: {line}\n")
    return 1 if lines else 0


def _findings(found: Documents, root: Path, against: Sequence[str]) -> list[str]:
    lines = [f"{line}; ./dev.sh contracts writes it anew" for line in drift(found, root / PLACE)]
    broken: dict[str, None] = {}  # in order, each once: the revisions mostly promise the same
    for revision in dict.fromkeys((*revisions(root), *against)):
        if old := promised(root, revision):
            broken |= dict.fromkeys(breaking(old, found, RETIRED))
    return lines + [f"breaking: {line}" for line in broken]


if __name__ == "__main__":
    sys.exit(main())
