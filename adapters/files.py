"""Files that come with a package, read once: what is asked for later cannot lead elsewhere."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from ports.assets import Asset

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "html": "text/html",
        "css": "text/css",
        "js": "text/javascript",
        "svg": "image/svg+xml",
    }
)
"""What is handed out; anything else in the folder is not."""


class PackageFiles:
    """``ports.assets.Assets`` over a folder of a package; its names are the only ones there are,
    so no name of a caller's is ever opened as a path."""

    def __init__(self, package: str, folder: str) -> None:
        self._assets = dict(_read(files(package) / folder))

    def find(self, name: str) -> Asset | None:
        return self._assets.get(name)


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Asset]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _read(each, f"{prefix}{each.name}/")
        elif media_type := MEDIA_TYPES.get(each.name.rpartition(".")[2]):
            content = each.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            yield prefix + each.name, Asset(content, media_type, etag)
