"""The seam between the gateway and a side: one request out, one answer or one failure back."""

from __future__ import annotations

from typing import Protocol

from gateway.failure import Failure
from gateway.message import OutboundRequest, Response, Side


class Transport(Protocol):
    """A way to reach one side. Two implementations: HTTP (`http.py`) and in-process (`inprocess.py`)."""

    async def send(self, request: OutboundRequest, *, timeout_s: float) -> Response | Failure:
        """Send the request and wait for the answer's head, at most `timeout_s` after the body is sent.

        An expected failure is returned. An exception raised by the request's own body stream passes through.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


def failure_of(side: Side, what: str) -> Failure:
    """The failure of a side by its short name, such as UNREACHABLE."""
    return Failure[f"{side.name}_{what}"]
