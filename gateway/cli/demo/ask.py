"""One plain HTTP request to a server of this machine, for readiness and for the played frontend."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit


class Talk:
    """A connection that is kept between requests and opened again after a failure."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s)

    def ask(
        self, method: str, target: str, *, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes] | None:
        """Send one request; the status and the body, or None when there was no whole answer."""
        fields = dict(headers or {})
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            fields["content-type"] = "application/json"
        try:
            self._connection.request(method, target, content, fields)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            return None

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def answers(url: str, target: str, *, status: int = 200, headers: dict[str, str] | None = None) -> bool:
    """Whether a server answers this target with this status within a second."""
    talk = Talk(url, timeout_s=1.0)
    try:
        answer = talk.ask("GET", target, headers=headers)
    finally:
        talk.close()
    return answer is not None and answer[0] == status
