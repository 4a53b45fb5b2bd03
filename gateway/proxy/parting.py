"""How a client's connection is parted with: told what was wrong, after what was asked rightly, or within an answer.

It knows who is still to be answered and that what is unread must be read; it answers nobody who asked rightly.
"""

from __future__ import annotations

from typing import cast

from gateway.failure import Failure
from gateway.proxy.exchange import Exchange
from gateway.proxy.reading import Reading
from gateway.proxy.respond import failure_bytes
from gateway.telemetry import count, log


class Parting(Reading):
    """One client connection as far as it ends."""

    def break_off(self, failure: Failure, method: bytes = b"") -> None:
        """Read no more. What was asked rightly before is answered in turn; then, or at once, the client is told."""
        self._shut, self._in_head = True, False
        waiting = self._unanswered()
        if waiting and waiting[-1].more_body:  # the fault lies in the newest request's own body
            broken = waiting.pop()
            if not self._forget(broken):
                self._running = None
                broken.leave(failure)
                if broken.response_started:
                    self.finish()  # nothing of ours may stand within an answer
                    return
        if waiting:
            waiting[-1].keep_alive = False
        else:
            method = method or (self.parser.get_method() if self.url else b"")  # before a target it is a guess
            self.answer(failure, head_only=method == b"HEAD")

    def _forget(self, exchange: Exchange) -> bool:
        """Take back a request that nobody works on yet."""
        if self._held is exchange:
            self._held = None
            return True
        for pair in list(self.pipeline):
            if cast(Exchange, pair[0]) is exchange:
                self.pipeline.remove(pair)
                return True
        return False

    def answer(self, failure: Failure, *, head_only: bool = False) -> None:
        """Tell the client itself, in the gateway's words, and hang up."""
        count(f"refused.{failure.code}")
        if self._keeper.tells(failure):
            log("refused", code=failure.code, client=self._peer.client_ip)
        self._shut = True
        self.transport.write(failure_bytes(failure, head_only=head_only))
        self._hang_up()

    def _unanswered(self) -> list[Exchange]:
        """The requests that have no whole answer yet, the oldest first."""
        waiting = [cast(Exchange, cycle) for cycle, _ in reversed(self.pipeline)]
        first = self._running or self._held
        return waiting if first is None or first.response_complete else [first, *waiting]

    def _hang_up(self) -> None:
        """End the connection. To close it with bytes unread would reset it, and cost the client its answer: read on."""
        self._shut = True
        self._unread.forget()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.leave_by = self._keeper.now + self._limits.leaving_s

    def finish(self) -> None:
        """End the connection within an answer; its client may take what was written of it, as any other."""
        self._shut, self._running = True, None
        self.transport.close()
        self._look_at_reader()

    def _look_at_reader(self) -> None:
        """At the next tick, when all of this turn is written."""
        self._unread.forget()
        self.leave_by = self._keeper.now
