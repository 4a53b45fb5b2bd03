"""What the gateway says about a request (`strangler.run`), and what this side tells it back.

The words of both are in docs/reference/new-side.md; neither imports the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

EXTENSION: Final = "strangler.run"
DECLARATION: Final = {EXTENSION: {"version": 1}}  # in the lifespan state: this app follows the protocol
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 section 9.2.1

Tell = Callable[[dict[str, Any]], None]


def _nobody(_: dict[str, Any]) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Run:
    """One request as the gateway wants it done.

    `commits`: what it does is kept. `rehearses`: it is a write that is only tried, so nothing may leave this process.
    `budget_s` is how long the gateway waits, None as long as it takes; `listens` says whether anybody hears `tell`.
    """

    commits: bool = True
    rehearses: bool = False
    budget_s: float | None = None
    tell: Tell = _nobody

    @property
    def listens(self) -> bool:
        """Whether what is told is heard."""
        return self.tell is not _nobody


_running: ContextVar[Run | None] = ContextVar("strangler_run", default=None)


def running() -> Run | None:
    """The run this code works for, also in tasks and threads that its handler has started."""
    return _running.get()


def run_of(scope: Scope) -> Run:
    """What the scope says; anything unclear about the extension means that nothing is kept."""
    said = (scope.get("extensions") or {}).get(EXTENSION)
    if said is None:
        return Run()
    if not isinstance(said, Mapping):
        said = {}
    commits = said.get("commit") is True
    tell, budget_s = said.get("tell"), said.get("budget_s")
    return Run(
        commits,
        rehearses=not commits and scope.get("method") not in _SAFE,
        budget_s=float(budget_s) if isinstance(budget_s, int | float) else None,
        tell=tell if callable(tell) else _nobody,
    )


class Running:
    """The outermost layer of an app: whatever runs below it can ask what it runs for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = _running.set(run_of(scope))
        try:
            await self._app(scope, receive, send)
        finally:
            _running.reset(token)
