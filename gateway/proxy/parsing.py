"""What httptools tells of a client's heads, kept within limits: whatever goes beyond them ends the parsing."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.failure import Failure
from gateway.proxy.doorkeeper import DoorLimits
from gateway.proxy.framing import ChunkGuard


class Parsing(HttpToolsProtocol):
    """The head that is being parsed: `url`, `headers`, and where in the request the parser is."""

    def __init__(self, *by_uvicorn: Any, limits: DoorLimits) -> None:
        super().__init__(*by_uvicorn)
        self._limits = limits
        self._in_head = self._large = False
        self._head_bytes = self._trailer_bytes = 0
        self.url = b""
        self._refused: Failure | None = None
        self._chunks = ChunkGuard()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._chunks.heads += 1
        self._head_bytes = self._trailer_bytes = 0
        self.url = b""
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self.url += url
        if len(self.url) > self._limits.target_bytes:
            self.refuse(Failure.TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer, which is dropped."""
        if self._in_head:
            self.headers.append((name, value))
        else:
            self._trailer_bytes += len(name) + len(value) + 4
            if self._trailer_bytes > self._limits.head_bytes:
                self.refuse(Failure.HEAD_TOO_LARGE)
            if name.lower() in (b"connection", b"proxy-connection"):  # the parser obeys, and hears nothing any more
                self.refuse(Failure.BAD_REQUEST)

    def refuse(self, failure: Failure) -> None:
        """End the parsing, within a callback."""
        self._refused = failure
        raise ValueError(failure.code)  # httptools turns it into a parser error

    def head_is_too_large(self) -> bool:
        """Whether the head is, whose last piece was large enough to bring more than the head."""
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + fields > self._limits.head_bytes
