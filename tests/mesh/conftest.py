"""The names by which tests of the mesh know the shared helpers."""

from tests.conftest import Run as Run
from tests.conftest import eventually as eventually
