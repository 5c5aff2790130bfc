"""All documents of the contracts as texts, and where they are kept."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from contracts.generate.asyncapi import asyncapi
from contracts.generate.openapi import openapi
from contracts.generate.operations import operations, schema_file
from contracts.generate.schemas import Schema, Schemas
from contracts.http import ProblemDocument
from contracts.kit import Registry
from domain.errors import LoyaltyError

ROOT: Final = Path(__file__).resolve().parents[2]
PLACE: Final = "docs/contracts"

Documents = Mapping[str, Schema]
"""What the documents say, by their path below ``docs/contracts``."""


def documents(registry: Registry, errors: Iterable[type[LoyaltyError]]) -> Documents:
    """Everything that is generated from ``registry``; the same every time."""
    types: set[type] = set()
    for operation in registry.operations.values():
        types |= {operation.request, operation.response}
    types |= {event.body for event in registry.events.values()}
    schemas = Schemas(types | {ProblemDocument})
    found = {schema_file(cls): schemas.document(cls) for cls in types}
    found["openapi.json"] = openapi(registry, schemas)
    found["asyncapi.json"] = asyncapi(registry, schemas)
    found["operations.json"] = operations(registry, errors)
    return {path: found[path] for path in sorted(found)}


def text(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(found: Documents, folder: Path) -> int:
    """Bring ``folder`` to what is ``found``; returns how many files changed."""
    changed = 0
    for path, document in found.items():
        file = folder / path
        if _read(file) != text(document):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text(document), encoding="utf-8")
            changed += 1
    for path in stale(found, folder):
        (folder / path).unlink()
        changed += 1
    return changed


def drift(found: Documents, folder: Path) -> list[str]:
    """One line for every file that does not say what the code says."""
    lines = []
    for path, document in found.items():
        there = _read(folder / path)
        if there is None:
            lines.append(f"{PLACE}/{path} is missing")
        elif there != text(document):
            lines.append(f"{PLACE}/{path} differs from the code")
    lines += [f"{PLACE}/{path} describes what is no longer there" for path in stale(found, folder)]
    return lines


def stale(found: Documents, folder: Path) -> list[str]:
    there = (file.relative_to(folder).as_posix() for file in folder.rglob("*.json"))
    return sorted(set(there) - set(found))


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None
