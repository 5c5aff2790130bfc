"""The files a page is made of, ready to be handed out."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Asset:
    """``etag`` is quoted as HTTP wants it and changes with the content, with nothing else."""

    content: bytes
    media_type: str
    etag: str


class Assets(Protocol):
    def find(self, name: str) -> Asset | None:
        """The file of that name, "page.css" or "icons/star.svg"; None if there is none."""
        ...
