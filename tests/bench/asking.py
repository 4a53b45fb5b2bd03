"""One HTTP exchange at a time, for checks and flips. Bodies are small; errors are OSError or HTTPException."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are matched whatever their case."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Line:
    """A kept connection."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and read its whole answer."""
        self._connection.request(method, path, body, dict(headers or {}))
        with self._connection.getresponse() as response:
            return Answer(response.status, response.headers, response.read())


@contextmanager
def line(port: int) -> Iterator[Line]:
    """A connection to a port of the loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        yield Line(connection)
    finally:
        connection.close()
