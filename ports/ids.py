"""New identifiers, as something given."""

from typing import Protocol
from uuid import UUID


class Ids(Protocol):
    def new(self) -> UUID:
        """A UUID of version 7: unique, and later ones sort after earlier ones."""
        ...

    def text(self) -> str:
        """Another one, as text; making the UUID first takes several times as long."""
        ...
