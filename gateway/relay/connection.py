"""One HTTP/1.1 connection to an origin: it carries one request at a time and tells who asked what comes back.

Bytes that arrive while nothing is asked for end it: they must never become the next caller's answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from gateway.relay.answer import AnswerReader
from gateway.relay.last_words import LastWords, last_words
from gateway.relay.trouble import Trouble
from gateway.relay.turns import AT_ONCE, let_others

HIGH: Final = 256 * 1024  # bytes of an answer held for a slow reader before the origin is made to wait
NEVER: Final = float("inf")


class Listener(Protocol):
    """Who asked: a coroutine that waits (`exchange.py`), or the edge, which acts at once. Nothing here may raise."""

    def heard(self) -> None:
        """There is news in `connection.answer`: a head, body, the end, trouble."""

    def full(self) -> None:
        """The origin does not take what is written as fast as it comes."""

    def room(self) -> None:
        """The origin takes more."""


class _Nobody:
    """Listens while nothing is asked for."""

    def heard(self) -> None:
        """Nobody waits for it."""

    full = room = heard


NOBODY: Final = _Nobody()


class Connection(asyncio.Protocol):
    """Drive it from a pool: `begin`, then listen; `reusable` tells what to do with it then.

    Three times of the loop at which the pool fails it: the origin's answer goes on by `answer_by`; until it has
    begun, the origin takes what was written by `taken_by` and the request's own body goes on by `body_by`.
    `sent_whole` is set by who sends the body.
    """

    __slots__ = (
        "_last_words", "_listener", "_on_lost", "_paused", "answer", "answer_by", "asked", "body_by", "sent_whole",
        "taken_by", "transport", "uses", "write_paused",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self._on_lost = on_lost
        self._listener: Listener = NOBODY
        self._last_words: LastWords | None = None
        self.write_paused = self._paused = False
        self.answer = AnswerReader()
        self.asked = self.sent_whole = False
        self.answer_by = self.taken_by = self.body_by = NEVER
        self.transport: asyncio.Transport
        self.uses = 0

    def begin(self, listener: Listener, data: bytes, *, head_only: bool) -> None:
        """Send a request's head, with body or without; `head_only` when its answer has none whatever it says (HEAD)."""
        self._listener = listener
        self.answer.begin(head_only=head_only)
        self.asked = True
        self.sent_whole = False
        self.uses += 1
        self.transport.write(data)

    @property
    def reusable(self) -> bool:
        """Whether the next request may be sent on it."""
        answer = self.answer
        has_left = self.sent_whole and not self.write_paused  # or the next request would wait behind the rest
        return answer.complete and answer.keep and has_left and not self.transport.is_closing()

    def rest(self) -> None:
        """End the exchange; the connection is idle."""
        self.asked = False
        self._listener = NOBODY
        self.answer_by = self.taken_by = self.body_by = NEVER
        if self._paused:
            self.resume()

    def overdue(self, now: float) -> Trouble | None:
        """Who has kept the others waiting too long, if anybody has."""
        begun = self.answer.status != 0  # from then on whoever reads the answer is waited for, or sets answer_by
        if self.answer_by < now or (self.taken_by < now and not begun):
            return Trouble.TIMEOUT
        return Trouble.STALLED_BODY if self.body_by < now and not begun else None

    def fail(self, trouble: Trouble) -> None:
        """End the connection at once; whoever waits learns why."""
        if not self.answer.complete and self.answer.trouble is None:
            self.answer.trouble = trouble
        self.answer.keep = False
        self.transport.abort()
        self._listener.heard()

    def pause(self) -> None:
        """Read no more of the answer for now; the origin is made to wait."""
        if not self._paused and not self.answer.complete:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = transport  # type: ignore[assignment]  # a TCP or TLS transport is an asyncio.Transport
        self._last_words = last_words(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; an unfinished answer is cut."""
        if exc is None:
            self.answer.eof()
        else:
            self._hear_last_words()
            if not self.answer.complete and self.answer.trouble is None:
                self.answer.trouble = Trouble.RESET
        self.answer.keep = False
        if self._last_words is not None:
            self._last_words.close()
        listener = self._listener
        self._on_lost(self)
        listener.room()
        listener.heard()

    def _hear_last_words(self) -> None:
        """Read what came before the connection broke: an origin that refuses an upload answers, and reads no more."""
        said, answer = self._last_words, self.answer
        if not self.asked or said is None:
            return
        with suppress(OSError):  # there is no more
            while not answer.complete and answer.trouble is None and answer.held < HIGH:
                data = said.read()
                if not data:
                    return
                answer.feed(data)

    def eof_received(self) -> None:
        """The origin sends no more; whoever still sends it something must not wait until that is taken."""
        self.answer.eof()
        self.transport.abort()

    def pause_writing(self) -> None:
        """The socket is full."""
        self.write_paused = True
        self._listener.full()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self.write_paused = False
        self._listener.room()

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer, or bytes nobody asked for."""
        answer = self.answer
        if not self.asked or answer.complete:
            answer.keep = False
            self.transport.abort()
            return
        answer.feed(data)
        if answer.held > HIGH:
            self.pause()
        self._listener.heard()
        if len(data) >= AT_ONCE:
            let_others(self.transport, lambda: self._paused)
