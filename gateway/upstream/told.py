"""What an app in this process tells about its units of work, by `tell` of the extension `strangler.run`.

The messages are those of docs/reference/new-side.md. It decides one thing: whether nothing of a call can stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

EXTENSION: Final = "strangler.run"


class Unsafe(NamedTuple):
    """What a handler did that no rollback takes back, and where: file:line."""

    act: str
    where: str


async def _nothing() -> None:
    """There is nothing to let go of."""


async def _no_rows(_: Sequence[tuple[str, str]]) -> Sequence[Mapping[str, Any]]:
    return ()


@dataclass(slots=True)
class Rehearsed:
    """What a rolled-back unit had written: rows as the reference has them, and a look at them afterwards."""

    rows: Sequence[Mapping[str, Any]] = ()
    unseen: Sequence[str] = ()
    would_commit: bool = True
    look: Callable[[Sequence[tuple[str, str]]], Awaitable[Sequence[Mapping[str, Any]]]] = _no_rows
    release: Callable[[], Awaitable[None]] = _nothing
    freeze: Callable[[], Awaitable[None]] = _nothing


@dataclass(slots=True)
class Told:
    """One call's messages, as far as they have come.

    `on_unsafe` hears of the first act that no rollback takes back, also of a task that acts when the call is long over.
    """

    units: list[Rehearsed] = field(default_factory=list)
    abandoned: str = ""
    unsafe: Unsafe | None = None
    committing: bool = False
    failed: bool = False  # the app answers for a handler that has failed
    over: asyncio.Event = field(default_factory=asyncio.Event)  # nothing of the call runs any more
    on_unsafe: Callable[[Unsafe], None] | None = None
    _open: int = 0

    def tell(self, message: Mapping[str, Any]) -> None:
        """Take one message; one of a kind that is not known says nothing."""
        match message.get("type"):
            case "unit.begun":
                self._open += 1
            case "unit.rolled_back" | "unit.ended":
                self._open -= 1
            case "unit.committing":
                self.committing = True
            case "unit.failed":
                self.failed = True
            case "unit.abandoned":
                self.abandoned = str(message.get("why", "unknown"))
            case "unit.unsafe" if self.unsafe is None:
                self.unsafe = Unsafe(str(message.get("act", "")), str(message.get("where", "")))
                if self.on_unsafe is not None:
                    self.on_unsafe(self.unsafe)
            case "unit.rehearsed":
                self._open -= 1
                self.units.append(
                    Rehearsed(
                        message.get("rows", ()),
                        message.get("unseen", ()),
                        message.get("would_commit", True),
                        message.get("look", _no_rows),
                        message.get("release", _nothing),
                        message.get("freeze", _nothing),
                    )
                )

    @property
    def nothing_stays(self) -> bool:
        """Whether the call is over, every unit of it was rolled back, and none has begun to commit."""
        return self.over.is_set() and self._open <= 0 and not self.committing

    async def release(self) -> None:
        """Let go of what the units hold."""
        for unit in self.units:
            await unit.release()
