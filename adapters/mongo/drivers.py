"""The drivers there are, by name. Apart, because settings are read where no driver is needed."""

from typing import Final

PYMONGO: Final = "pymongo"
MOTOR: Final = "motor"
