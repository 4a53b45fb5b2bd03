"""What a process asks of the machine and of Python: descriptors, quiet from the collector, turns among threads."""

from __future__ import annotations

import gc
import resource
import sys
from typing import Final

# A request leaves a few objects behind; the default of 700 would look at all of them hundreds of times a second.
YOUNG: Final = 50_000
TURN_S: Final = 0.0002  # Python's own 5 ms are as long as a request takes


OWN_DESCRIPTORS: Final = 64  # of the loop, the database, the admin plane, files


def raise_descriptor_limit() -> None:
    """Take as many file descriptors as this process may: the usual soft limit of 1,024 is 500 clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors() -> int | None:
    """How many file descriptors this process may have; None for any number."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def room_for_clients(wanted: int, *, descriptors: int | None, connections: int) -> int:
    """How many clients there may be at once: were all descriptors theirs, none would be left for the way to a side.

    A connection to a side takes two (`relay/last_words.py`). Where there are few, clients have half of them.
    """
    if descriptors is None:
        return wanted
    return min(wanted, max(descriptors - 2 * connections - OWN_DESCRIPTORS, descriptors // 2))


def settle_memory() -> None:
    """Keep the garbage collector from what was made at the start, which stays: each look at it stops all requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)


def share_python() -> None:
    """Have threads that compute give way to the loop, which serves clients, as soon as it has something to do."""
    sys.setswitchinterval(TURN_S)
