"""Whose requests the loads are, and which callers a canary at 50 % sends to the new side."""

from __future__ import annotations

from typing import Final

from gateway.rollout.bucket import BUCKETS, bucket

ROUTE: Final = "canary.get"
SHARE: Final = BUCKETS // 2


def cohort(count: int = 100) -> list[str]:
    """So many callers in the cohort."""
    every = (f"caller-{number}" for number in range(1, 1_000))
    return [name for name in every if bucket(ROUTE, name.encode()) < SHARE][:count]
