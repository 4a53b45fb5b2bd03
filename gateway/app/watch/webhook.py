"""Tells somebody else of a rollback: one bounded POST to the address in the settings, signed when there is a key.

Nothing in a request or in the evidence chooses where it goes, and no redirect is followed.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from gateway.admin.rollouts import rollback_json
from gateway.db.rollbacks import Rollback
from gateway.message import Header, OutboundRequest, Side
from gateway.upstream.http import HttpTransport
from gateway.upstream.observe import observe

CALL_S: Final = 5.0
CONNECT_S: Final = 3.0
MOST_READ: Final = 4_096  # bytes of an answer that nobody looks at


class Webhook:
    """The address in the settings; `key` signs what is sent there."""

    def __init__(self, url: str, key: bytes | None) -> None:
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._scheme, self._host = parts.scheme, parts.netloc.encode("ascii")
        self._target = (parts.path or "/").encode("ascii") + (
            b"?" + parts.query.encode("ascii") if parts.query else b""
        )
        self._key = key

    async def call(self, rollback: Rollback) -> bool:
        """Tell of a rollback; whether it was taken (2xx)."""
        said = {"event": "auto_rollback", "route": rollback.route, **rollback_json(rollback)}
        body = json.dumps(said).encode()
        headers: tuple[Header, ...] = (
            (b"host", self._host),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"user-agent", b"strangler"),
            (b"x-strangler-delivery", str(rollback.id).encode()),
        )
        if self._key is not None:
            headers += (
                (b"x-strangler-signature", b"sha256=" + hmac.new(self._key, body, sha256).hexdigest().encode()),
            )
        request = OutboundRequest("POST", self._target, headers, body, self._scheme, "")
        transport = HttpTransport(self._origin, side=Side.NEW, connect_timeout_s=CONNECT_S, max_connections=1)
        try:
            answer = await observe(Side.NEW, transport, request, timeout_s=CALL_S, cap=MOST_READ)
        finally:
            await transport.aclose()
        return answer.status is not None and 200 <= answer.status < 300
