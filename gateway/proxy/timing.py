"""Server-Timing for testers: where the time before an answer's first byte went. Pure."""

from __future__ import annotations

from gateway.message import Side


def server_timing(gateway_s: float, side: Side, side_s: float) -> bytes:
    """The value of one more Server-Timing header, in milliseconds; those of the side itself stay as they are.

    `side_s` is the time between the request's way out and the head of the side's answer, `gateway_s` the rest.
    """
    return b"gateway;dur=%.2f, %b;dur=%.2f" % (gateway_s * 1000, side.value.encode(), side_s * 1000)
