"""A line of the access log: what it tells of one request, and how that is written without a secret in it. Pure."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Final

from gateway.routing.template import Template
from gateway.shadow.redact import redact_target
from gateway.shadow.secrets import without_credentials

# What a line may hold of a client's words, as escaped: with them it stays below 4,096 bytes (PIPE_BUF), so that
# the lines of several workers do not mix in one pipe.
TARGET: Final = 2_000
AGENT: Final = 500
SHORT: Final = 128


@dataclass(frozen=True, slots=True)
class Line:
    """One request as the access log shows it.

    `at` is seconds since 1970, when it came. `first_byte_ms` is 0 when no answer began; `status` is then what
    it would have been (499 for a client that left); `sent` counts bytes of the body. `failure` is a code or "".
    """

    at: float
    request_id: str
    client_ip: str
    method: str
    target: bytes
    route: str
    stage: str
    side: str
    reason: str
    status: int
    sent: int
    first_byte_ms: float
    total_ms: float
    shadowed: bool = False
    failure: str = ""
    user_agent: bytes | None = None
    trace_id: str = ""
    template: Template | None = None
    secret_names: frozenset[str] = frozenset()  # the route's own, in its query


def written(line: Line) -> bytes:
    """The line as one JSON object in printable ASCII, with its end."""
    whole, part = divmod(line.at, 1)
    path = redact_target(line.target[:TARGET], line.template, line.secret_names)
    return (
        "{"
        f'"at": "{time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))}.{int(part * 1000):03d}Z"'
        f', "request_id": {_text(line.request_id, SHORT)}, "client_ip": {_text(line.client_ip, SHORT)}'
        f', "method": {_text(line.method, SHORT)}, "path": {_text(path, TARGET)}'
        f', "route": {_text(line.route, SHORT)}, "stage": "{line.stage}", "side": "{line.side}"'
        f', "reason": "{line.reason}", "status": {line.status:d}, "bytes": {line.sent:d}'
        f', "first_byte_ms": {line.first_byte_ms:.3f}, "total_ms": {line.total_ms:.3f}'
        f', "shadowed": {"true" if line.shadowed else "false"}, "failure": {_text(line.failure, SHORT)}'
        f', "user_agent": {_agent(line.user_agent)}, "trace_id": {_text(line.trace_id, SHORT)}'
        "}\n"
    ).encode("ascii")


def _agent(agent: bytes | None) -> str:
    return "null" if agent is None else _text(without_credentials(agent[:AGENT].decode("latin-1")), AGENT)


def _text(text: str, most: int) -> str:
    """A JSON string of at most so many characters between its quotes; cut ones end in an ellipsis."""
    shown = _quoted(text[: most + 1])
    if len(shown) <= most + 2:
        return shown
    fits, room = 0, most - 6  # the ellipsis is escaped, too
    for character in text:
        room -= len(_quoted(character)) - 2
        if room < 0:
            break
        fits += 1
    return _quoted(text[:fits] + "…")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=True).replace("\x7f", "\\u007f")
