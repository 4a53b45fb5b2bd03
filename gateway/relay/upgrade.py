"""Reads what an origin answers to an upgrade: a 101 and what came with it, or a plain answer. Pure.

A 101 counts when it is HTTP/1.1 and names the protocol that was asked for, in `Upgrade` and by `Connection: upgrade`.
"""

from __future__ import annotations

from typing import Final

import httptools

from gateway.relay.answer import HEAD_LIMIT, AnswerReader, Header, Interim
from gateway.relay.trouble import Trouble

SWITCHING: Final = 101


class UpgradeReader:
    """Feed it until `decided`: then there is `trouble`, or a plain `answer`, or the head of a 101.

    `rest` is what came after the head of a 101; bytes of a plain answer go on into `answer`.
    """

    __slots__ = (
        "_came", "_head", "_parser", "_protocol", "accepted", "answer", "headers", "interim", "reason", "rest",
        "trouble",
    )  # fmt: skip

    def __init__(self, protocol: bytes) -> None:
        self._protocol = protocol
        self._parser = httptools.HttpResponseParser(self)
        self._came = bytearray()
        self._head: list[Header] = []
        self.reason = b""
        self.headers: list[Header] = []
        self.interim: list[Interim] = []
        self.rest = b""
        self.accepted = False
        self.answer: AnswerReader | None = None
        self.trouble: Trouble | None = None

    @property
    def decided(self) -> bool:
        """Whether the origin's decision is known."""
        return self.accepted or self.trouble is not None or (self.answer is not None and self.answer.status != 0)

    @property
    def untouched(self) -> bool:
        """Whether nothing has come at all."""
        return not self._came and self.answer is None

    def feed(self, data: bytes) -> None:
        """Read bytes in the order they came."""
        if self.answer is not None:
            self.answer.feed(data)
            return
        self._came += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._accept(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self.answer is None:
                self.trouble = Trouble.BAD_ANSWER
        if self.answer is not None:
            self._read_plainly(self.answer)
        elif not self.accepted and len(self._came) > HEAD_LIMIT:
            self.trouble = Trouble.BAD_ANSWER

    def eof(self) -> None:
        """The origin sends no more."""
        if self.answer is not None:
            self.answer.eof()
        elif not self.decided:
            self.trouble = Trouble.RESET

    def _accept(self, rest: bytes) -> None:
        upgrades = [value.strip().lower() for name, value in self._head if name.lower() == b"upgrade"]
        if self.trouble is None and upgrades == [self._protocol] and self._parser.get_http_version() == "1.1":
            self.accepted = True
            self.headers, self.rest = self._head, rest
        else:
            self.trouble = Trouble.BAD_ANSWER

    def _read_plainly(self, answer: AnswerReader) -> None:
        """From the first byte on, so that there is one reader of answers, which judges every framing."""
        answer.feed(bytes(self._came))
        self._came.clear()
        self.reason, self.headers, self.interim = answer.reason, answer.headers, answer.interim
        self.trouble = answer.trouble if not answer.status else None

    # httptools' callbacks

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer."""
        self._head.append((name, value))

    def on_headers_complete(self) -> None:
        """The head of an answer is whole; one below 200 other than 101 comes before the answer."""
        status = self._parser.get_status_code()
        if status == SWITCHING:
            return
        if 100 <= status < 200:
            if status != 100:
                self.interim.append((status, self.reason, self._head))
            self._head, self.reason = [], b""
            return
        self.answer = AnswerReader()
        raise ValueError(status)  # httptools turns it into a parser error, which ends the parsing
