"""What can go wrong between the pool and an origin: a closed list."""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """Returned before an answer has begun, raised as `Cut` within its body."""

    UNREACHABLE = "no connection could be made"
    CONNECT_TIMEOUT = "no connection was made in time"
    BUSY = "no connection became free in time"
    UNAVAILABLE = "no address is tried for now, because they all failed"
    RESET = "the origin closed the connection"
    TIMEOUT = "the origin sent nothing in time"
    STALLED_BODY = "the request's own body did not go on in time"
    BAD_ANSWER = "the origin sent something that is not HTTP/1.1, or not an answer to this request"


class Cut(Exception):  # noqa: N818 - it names what happened to the body
    """A body that ended before its end."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
