"""Tells where other people's code failed, and never in its words: an exception's text may hold a secret.

SQLAlchemy, for one, prints a statement's parameters; pydantic prints the input.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from traceback import walk_tb
from typing import Final

from gateway.telemetry import log

FRAMES: Final = 40  # the innermost; frameworks put dozens around them
EXCEPTIONS: Final = 8  # a chain of causes or a group may be long


def tell(bug: BaseException) -> None:
    """Log an exception of the new side: types and places, its own first, then those of its causes."""
    log("new_side_raised", level=logging.ERROR, raised=[_described(one) for one in _with_causes(bug)])


def _described(bug: BaseException) -> dict[str, object]:
    frames = [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in walk_tb(bug.__traceback__)]
    return {"error": f"{type(bug).__module__}.{type(bug).__qualname__}", "frames": frames[-FRAMES:]}


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
