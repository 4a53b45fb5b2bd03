"""h11 as the strict reader of requests: what a server would make of one connection's bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import h11

from tests.fuzz.corpus import Seen

_HEAD_BYTES: Final = 512 * 1024  # the gateway's own limits are lower
# Node and the gateway read more spaces as one, and these protocols' names as HTTP; what goes on is written anew.
_LOOSE_LINE: Final = re.compile(rb"\A([A-Z-]+) +([!-~]+) +(?:HTTP|RTSP|ICE)/([0-9]\.[0-9]\r\n)")

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Read:
    """One request as far as it has been read; `whole` once its end has come."""

    method: bytes
    target: bytes
    headers: Headers
    version: bytes
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False

    @property
    def seen(self) -> Seen:
        return Seen(self.method, self.target, bytes(self.body))

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Reader:
    """Feed it one connection's bytes; `requests` grows, the last one may not be whole.

    `fault` is what h11 found wrong: nothing is read after it. `over`: the last request said that it is the last.
    `forgiving` passes over empty lines before a request, as RFC 9112 section 2.2 wants of servers, and over more
    spaces than one in its first line, as section 3 allows them.
    """

    def __init__(self, *, forgiving: bool) -> None:
        self._forgiving = forgiving
        self._h11 = _server()
        self._untouched = True  # no byte of the next request has come
        self._fed = 0
        self.whole_bytes = 0  # up to the end of the last whole request
        self.requests: list[Read] = []
        self.fault: str | None = None
        self.over = False

    @property
    def between(self) -> bool:
        """Whether no request is under way, not even its first byte."""
        return self.fault is None and self._untouched

    @property
    def wants_body(self) -> bool:
        """Whether the client waits for a 100 (Continue)."""
        return self._h11.they_are_waiting_for_100_continue

    def feed(self, data: bytes) -> None:
        """Read on."""
        self._fed += len(data)
        while data and self.fault is None and not self.over:
            if self._untouched and self._forgiving:
                data = _LOOSE_LINE.sub(rb"\1 \2 HTTP/\3", data.lstrip(b"\r\n"), count=1)
            self._untouched = self._untouched and not data
            try:
                data = self._read(data)
            except h11.RemoteProtocolError as error:
                self.fault = str(error)

    def _read(self, data: bytes) -> bytes:
        """Read as much as belongs to one request; what is left begins the next one."""
        self._h11.receive_data(data)
        while True:
            match self._h11.next_event():
                case h11.Request(method=method, target=target, headers=headers, http_version=version):
                    self.requests.append(Read(method, target, tuple(headers), version))
                case h11.Data(data=body):
                    self.requests[-1].body += body
                case h11.EndOfMessage():
                    self.requests[-1].whole = True
                    return self._next()
                case _:
                    return b""

    def _next(self) -> bytes:
        self.over = self._h11.their_state is h11.MUST_CLOSE
        rest = self._h11.trailing_data[0]
        self.whole_bytes = self._fed - len(rest)
        self._h11, self._untouched = _server(), True
        return rest


def _server() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)


def read_requests(sent: bytes) -> Reader:
    """Read what a client has sent on one connection."""
    reader = Reader(forgiving=True)
    reader.feed(sent)
    return reader
