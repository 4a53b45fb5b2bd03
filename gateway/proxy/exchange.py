"""What a door knows of a request that is being answered."""

from __future__ import annotations

from typing import Protocol

from gateway.failure import Failure


class Exchange(Protocol):
    """A request that is being answered: by an ASGI app (`Cycle`) or by callbacks (`Relaying`)."""

    response_started: bool
    response_complete: bool
    more_body: bool
    keep_alive: bool

    def take(self, body: bytes) -> None: ...
    def end_body(self) -> None: ...
    def leave(self, failure: Failure) -> None: ...
