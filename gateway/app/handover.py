"""From one process to its successor: the listening sockets and the lock, with no moment in which nobody listens.

The successor is the same command line, started anew: new code and new settings take force, and one that cannot start
leaves everything as it was.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

from gateway.app.opening import CannotStart

VARIABLE: Final = "STRANGLER_HANDOVER"
START_S: Final = 120.0  # an app's start-up may take its time
LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Left:
    """A listening socket that is left to a successor."""

    handle: int
    address: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Handover:
    """What a process leaves: its sockets by name, the state folder's lock, a pipe that hears when all is ready."""

    listeners: Mapping[str, Left]
    lock: int | None
    ready: int

    def told(self) -> None:
        """Say to the predecessor that this process serves."""
        with suppress(OSError):  # it has died meanwhile
            os.write(self.ready, b"1")
        os.close(self.ready)


def received(environment: MutableMapping[str, str]) -> Handover | None:
    """What a predecessor has left, if there is one; the variable is not for programs that this one starts."""
    text = environment.pop(VARIABLE, "")
    if not text:
        return None
    try:
        said = json.loads(text)
        left = {name: Left(**said["listeners"][name]) for name in ("data", "admin")}
        found = Handover(left, said["lock"], said["ready"])
        for handle in _handles(found):
            os.set_inheritable(handle, False)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CannotStart([f"{VARIABLE} is not what a gateway leaves to its successor"]) from error
    return found


async def succeed(listeners: Mapping[str, Left], lock: int | None) -> int | str:
    """Start a successor and wait until it serves: its process id, or why there is none."""
    if (why := obstacle(os.getpid())) is not None:
        return why
    hears, ready = os.pipe()
    try:
        os.set_blocking(hears, False)
        handover = Handover(listeners, lock, ready)
        try:
            process = _launched(handover)
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        finally:
            os.close(ready)
        return await _outcome(process, hears)
    finally:
        os.close(hears)


def obstacle(pid: int) -> str | None:
    """Why the process with this number can have no successor; None when it can."""
    return (
        "the first process of a container cannot end without it: start with --workers 2 or more" if pid == 1 else None
    )


def _launched(handover: Handover) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, *sys.orig_argv[1:]],
        env={**os.environ, VARIABLE: json.dumps(asdict(handover))},
        pass_fds=_handles(handover),
    )


async def _outcome(process: subprocess.Popen[bytes], hears: int) -> int | str:
    deadline = asyncio.get_running_loop().time() + START_S
    while asyncio.get_running_loop().time() < deadline:
        with suppress(BlockingIOError):
            if os.read(hears, 1):
                return process.pid
        code = process.poll()
        if code is not None:
            return f"it ended with {code} before it was ready"
        await asyncio.sleep(LOOK_S)
    process.kill()
    await asyncio.to_thread(process.wait)
    return f"it was not ready after {START_S:.0f} s"


def _handles(handover: Handover) -> list[int]:
    lock = [] if handover.lock is None else [handover.lock]
    return [*(left.handle for left in handover.listeners.values()), *lock, handover.ready]
