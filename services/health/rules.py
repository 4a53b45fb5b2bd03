"""What a healthy process says."""

from __future__ import annotations

from datetime import datetime


def report(now: datetime) -> dict[str, str]:
    """The health report; `now` is in UTC and printed as JavaScript's toISOString does."""
    return {"status": "ok", "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"}
