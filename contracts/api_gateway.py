"""The gateway answers no operation of its own: it carries those of the others to the world."""

from typing import Final

from contracts.kit import Contracts

CONTRACTS: Final = Contracts()
