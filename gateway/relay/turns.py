"""A turn of the loop for everybody: who sends faster than all others is read on after they have had theirs.

uvloop reads on from one socket, up to 32 times, for as long as it fills the buffer; nobody else is served meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

AT_ONCE: Final = 256_000  # bytes of uvloop's buffer: when as many came, more wait


def let_others(transport: asyncio.Transport, is_paused: Callable[[], bool]) -> None:
    """Read no more in this turn; in the next one, unless `is_paused` says by then that nobody wants it."""
    if not is_paused() and not transport.is_closing():
        transport.pause_reading()
        asyncio.get_running_loop().call_soon(_read_on, transport, is_paused)


def _read_on(transport: asyncio.Transport, is_paused: Callable[[], bool]) -> None:
    if not is_paused() and not transport.is_closing():
        transport.resume_reading()
