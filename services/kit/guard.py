"""Refuses what no rollback takes back, while a write is only rehearsed; the error names the handler's line.

Acts are watched where they happen (`watches.py`); here it is decided whether one may. The gateway is told before the
error is raised, so a handler that swallows it changes nothing.
"""

from __future__ import annotations

import asyncio.runners
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import lru_cache, partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import greenlet  # type: ignore[import-untyped] # its stubs are older than it is

from services.kit.run import running

_KIT: Final = f"{Path(__file__).parent}/"
_LIBRARIES: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_ROOT: Final = Path(__file__).parents[2]

_BELOW_THE_LOOP: Final = asyncio.runners.__file__

_permitted: ContextVar[bool] = ContextVar("strangler_permitted", default=False)
_sent_from: ContextVar[str] = ContextVar("strangler_sent_from", default="a library")  # to a thread


class Unsafe(RuntimeError):  # noqa: N818 - it says what the act is
    """A handler did what cannot be rolled back, while `commit` was false."""


@contextmanager
def permitted() -> Iterator[None]:
    """What the kit does itself: its own transaction, the keys that verify tokens."""
    token = _permitted.set(True)
    try:
        yield
    finally:
        _permitted.reset(token)


def is_guarded() -> bool:
    """Whether this code works for a rehearsal and is not the kit's own."""
    run = running()
    return run is not None and run.rehearses and not _permitted.get()


def refuse_if_guarded(act: str) -> None:
    """Refuse an act, such as "opens a connection", in a rehearsal; anywhere else it is nobody's business."""
    if is_guarded():
        raise told(act)


def told(act: str, where: str | None = None) -> Unsafe:
    """The error for an act, after the gateway was told about it."""
    run, where = running(), where or _handlers_line()
    if run is not None:
        run.tell({"type": "unit.unsafe", "act": act, "where": where})
    return Unsafe(f"{where} {act}, but this request must leave nothing behind (strangler.run: commit is false)")


def _handlers_line() -> str:
    """file:line of the innermost code that is neither a library's nor the kit's."""
    frame: FrameType | None = sys._getframe(1)
    for found in _frames(frame):
        if found.f_code.co_filename == _BELOW_THE_LOOP:
            break  # a library's own task: what stands below its loop is whoever runs this process
        if not _is_foreign(found.f_code.co_filename):
            return f"{_shown(found.f_code.co_filename)}:{found.f_lineno}"
    return _sent_from.get()


def carried(work: Callable[..., Any]) -> Callable[..., Any]:
    """Some work for a thread, in this context; a thread has no stack to look for the handler in."""
    bound = getattr(getattr(work, "func", None), "__self__", None)  # asyncio.to_thread has bound a context already
    context = bound if isinstance(bound, Context) else copy_context()
    context.run(_sent_from.set, _handlers_line())
    return work if context is bound else partial(context.run, work)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The stack from the inside out, on through the greenlets in which SQLAlchemy runs drivers."""
    let = greenlet.getcurrent()
    while True:
        while frame is not None:
            yield frame
            frame = frame.f_back
        if let.parent is None:
            return
        let = let.parent
        frame = let.gr_frame


@lru_cache(maxsize=4_096)
def _is_foreign(filename: str) -> bool:
    return filename.startswith(("<", _KIT, *_LIBRARIES))


def _shown(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else filename
