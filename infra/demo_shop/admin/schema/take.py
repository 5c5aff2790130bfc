"""Takes the schema from Shopify's introspection, without what only people read.

python -m infra.demo_shop.admin.schema.take FILE
"""

import gzip
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.demo_shop.admin.schema import FILE, Taken

_KEPT: Final = frozenset(
    (
        "args",
        "defaultValue",
        "deprecationReason",
        "directives",
        "enumValues",
        "fields",
        "inputFields",
        "interfaces",
        "isDeprecated",
        "isOneOf",
        "isRepeatable",
        "kind",
        "locations",
        "mutationType",
        "name",
        "ofType",
        "possibleTypes",
        "queryType",
        "specifiedByURL",
        "subscriptionType",
        "type",
        "types",
    )
)


class _Item(msgspec.Struct):
    """What is needed to see a type, or a field of it."""

    typeName: str  # noqa: N815 - Shopify's spelling
    offlineScopes: tuple[str, ...]  # noqa: N815 - likewise
    fieldName: str = ""  # noqa: N815 - likewise


class _Scopes(msgspec.Struct):
    items: list[_Item]


class _Data(msgspec.Struct, rename={"schema": "__schema"}):
    schema: dict[str, Any]


class _File(msgspec.Struct):
    data: _Data
    offline_scopes: _Scopes


def take(published: bytes) -> bytes:
    """What is kept of the gzipped introspection of one version. The same file gives the same
    bytes. Raises msgspec.ValidationError for anything else."""
    file = msgspec.json.decode(gzip.decompress(published), type=_File)
    scopes = {
        f"{each.typeName}.{each.fieldName}" if each.fieldName else each.typeName: each.offlineScopes
        for each in file.offline_scopes.items
        if each.offlineScopes
    }
    taken = Taken({"__schema": _bare(file.data.schema)}, scopes)
    return gzip.compress(msgspec.json.encode(taken), compresslevel=9, mtime=0)


def _bare(value: Any) -> Any:
    """Nulls go too: what is missing means the same."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, dict):
        return {
            name: _bare(each)
            for name, each in value.items()
            if name in _KEPT and each is not None and each is not False
        }
    return value


if __name__ == "__main__":
    made = take(Path(sys.argv[1]).read_bytes())
    Path(__file__).with_name(FILE).write_bytes(made)
    sys.stdout.write(f"{FILE}: {len(made):,} bytes\n")
