"""Which signal asks for what, from the first moment of a process on: none may end it by accident."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from gateway.db.panic import PanicFile

STOP = (signal.SIGTERM, signal.SIGINT)  # the first one drains, the second ends at once
PANIC, RENEW, RELOAD = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP


@contextmanager
def obeying(orders: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Do on each signal what is ordered, in the running loop; after that they do nothing."""
    loop = asyncio.get_running_loop()
    for number, act in orders.items():
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in orders:
            loop.remove_signal_handler(number)
            signal.signal(number, _nothing)


def while_starting(state: Path) -> bool:
    """Until there is a loop: a reload comes too early to mean anything, a panic is noted for the loop to find.

    Says whether SIGHUP can mean that a terminal has gone; not under nohup, which has it ignored.
    """

    def note(_number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            PanicFile(state).make(f"SIGUSR1 to process {os.getpid()}")

    at_terminal = signal.getsignal(RELOAD) is not signal.SIG_IGN and has_terminal()
    signal.signal(RELOAD, _nothing)
    signal.signal(RENEW, _nothing)
    signal.signal(PANIC, note)
    return at_terminal


def has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; a signal that is ignored would stay so in the programs this one starts."""
