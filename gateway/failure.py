"""Every expected failure of the data plane: a closed list of (who, what), each with one status and one code.

A failure is returned, never raised, and turned into an answer in exactly one place (`proxy/respond.py`).
Its sentence names no address and no exception text, because the client reads it.
"""

from __future__ import annotations

from enum import Enum


class Failure(Enum):
    """code, HTTP status for the client, sentence for the client, seconds after which to try again (Retry-After)."""

    LEGACY_UNREACHABLE = ("legacy_unreachable", 502, "The backend could not be reached.")
    LEGACY_RESET = ("legacy_reset", 502, "The backend closed the connection before it answered.")
    LEGACY_BAD_ANSWER = ("legacy_bad_answer", 502, "The backend sent an answer that is not valid HTTP.")
    LEGACY_CONNECT_TIMEOUT = (
        "legacy_connect_timeout",
        504,
        "The backend did not accept a connection in time.",
    )
    LEGACY_TIMEOUT = ("legacy_timeout", 504, "The backend did not answer in time.")
    LEGACY_BUSY = ("legacy_busy", 503, "All connections to the backend are in use.", 1)
    LEGACY_UNAVAILABLE = ("legacy_unavailable", 503, "The backend has failed and is not asked for a moment.", 1)
    NEW_UNREACHABLE = ("new_unreachable", 502, "The new backend could not be reached.")
    NEW_RESET = ("new_reset", 502, "The new backend closed the connection before it answered.")
    NEW_BAD_ANSWER = ("new_bad_answer", 502, "The new backend sent an answer that is not valid HTTP.")
    NEW_CONNECT_TIMEOUT = ("new_connect_timeout", 504, "The new backend did not accept a connection in time.")
    NEW_TIMEOUT = ("new_timeout", 504, "The new backend did not answer in time.")
    NEW_BUSY = ("new_busy", 503, "All connections to the new backend are in use.", 1)
    NEW_UNAVAILABLE = ("new_unavailable", 503, "The new backend has failed and is not asked for a moment.", 1)
    NEW_CRASHED = ("new_crashed", 502, "The new backend failed before it answered.")
    NEW_MISSING = ("new_missing", 502, "The gateway has no new backend for this route.")
    LOOP = ("loop_detected", 508, "The request has already passed through this gateway.")
    BAD_REQUEST = ("bad_request", 400, "The request is not valid HTTP.")
    HEAD_TOO_LARGE = ("head_too_large", 431, "The request's head is too large.")
    HEAD_TOO_SLOW = ("head_too_slow", 408, "The request's head did not arrive in time.")
    TARGET_TOO_LONG = ("target_too_long", 414, "The request's target is too long.")
    TOO_MANY_CLIENTS = ("too_many_clients", 503, "The gateway has as many connections as it takes.", 1)
    TOO_MANY_FROM_CLIENT = ("too_many_from_client", 429, "This client has as many connections as it may have.", 1)
    TOO_MANY_REQUESTS = ("too_many_requests", 429, "This client asks more often than it may.", 1)
    REQUEST_BODY_TIMEOUT = ("request_body_timeout", 408, "The request body did not arrive in time.")
    CLIENT_GONE = ("client_gone", 499, "The client went away.")
    GATEWAY_BUG = ("gateway_error", 500, "The gateway failed.")

    def __init__(self, code: str, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        self.code = code
        self.status = status
        self.sentence = sentence
        self.retry_after_s = retry_after_s
