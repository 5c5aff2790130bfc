"""One at a time, in all processes together."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

Locks = Callable[[str], AbstractAsyncContextManager[None]]
"""``async with locks(name)``: of all who hold or wait for this name, wherever they run, one is
inside the block. It ends with the process that holds it, however that ends. It is no transaction:
calls to the outside world may be made inside. Raises Unavailable when it cannot be had in time."""
