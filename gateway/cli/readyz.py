"""Asks a gateway's /readyz, which needs no token. A module of its own: only `panic` pays for the HTTP in it."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

ANSWER_S: Final = 1.0
MOST_BYTES: Final = 4 * 1024 * 1024


def in_panic(url: str) -> set[bool]:
    """Whether the gateway there is in panic, and its workers: one answer when they agree, none when it says nothing."""
    ready = _ready(url)
    workers = ready.get("workers", [])
    said = [ready, *workers] if isinstance(workers, list) else [ready]
    found = {one.get("panic") for one in said if isinstance(one, dict)}
    return {answer for answer in found if isinstance(answer, bool)}


def _ready(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        found = json.loads(connection.getresponse().read(MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}
