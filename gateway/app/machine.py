"""What a process asks of the machine it runs on: file descriptors for its connections, and quiet from the collector."""

from __future__ import annotations

import gc
import resource
from typing import Final

# A request leaves a few objects behind; the default of 700 would look at all of them hundreds of times a second.
YOUNG: Final = 50_000


def raise_descriptor_limit() -> None:
    """Take as many file descriptors as this process may: the usual soft limit of 1,024 is 500 clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_memory() -> None:
    """Keep the garbage collector from what was made at the start, which stays: each look at it stops all requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
