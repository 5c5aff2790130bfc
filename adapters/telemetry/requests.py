"""The id of the web request that is worked on now: in its answer, in log lines, in its trace, and
in the calls that it leads to."""

from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Empty for work that no web request asked for."""
    return REQUEST_ID.get()
