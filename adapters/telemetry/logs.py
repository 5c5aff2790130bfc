"""Logs as one JSON object a line, with the trace they belong to, and without personal data."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

from adapters.telemetry.requests import current_request_id
from adapters.telemetry.tracing import current_trace_id


class JsonFormatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._encode = msgspec.json.Encoder().encode

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace_id := current_trace_id():
            line["trace_id"] = trace_id
        if request_id := current_request_id():
            line["request_id"] = request_id
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = self._stack(record.exc_info[1])
        return self._encode(line).decode()

    @staticmethod
    def _stack(raised: BaseException) -> str:
        """Types and places only: the texts of foreign exceptions quote rows, that is, people."""
        error: BaseException | None = raised
        parts = []
        while error is not None:
            places = []
            step = error.__traceback__
            while step is not None:
                code = step.tb_frame.f_code
                places.append(f"{code.co_filename.rpartition('/')[2]}:{step.tb_lineno}")
                step = step.tb_next
            parts.append(f"{type(error).__name__} at {' > '.join(places[-8:])}")
            error = error.__cause__ or error.__context__
        return " caused by ".join(parts)


def configure(process: str, level: str) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries that talk about every request or every failed reconnect.
    for name in ("httpx", "httpcore", "nats", "granian", "_granian", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
