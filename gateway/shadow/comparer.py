"""Comparing in a process of its own, with the machine's leftovers: no comparison takes the interpreter from clients.

It knows neither rules nor answers: it is given a call, which it pickles, and gives back what that came to. Both ends
are this file; they speak through pipes, so that the comparer ends with its gateway however that ends.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Final, TypeVar

NICE: Final = 10
LONGEST_S: Final = 20.0  # a comparison is bounded by its size; on a machine that is this busy nobody waits for it
_LENGTH: Final = struct.Struct("!Q")
_PIECE: Final = 1024 * 1024

Answer = TypeVar("Answer")


class ComparerLost(Exception):  # noqa: N818 - it says what happened
    """The process has ended, or was ended, before it answered; the next call has another one."""


class Comparer:
    """Runs one call after the other. It blocks: call it from a thread that nobody waits for."""

    def __init__(self, *, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def run(self, call: Callable[[], Answer]) -> Answer:
        """What the call gives; its exception is raised here. Call and answer travel, so both must be picklable."""
        with self._one_at_a_time:
            process = self._started()
            try:
                _write(process.stdin, pickle.dumps(call, pickle.HIGHEST_PROTOCOL))
                raised, answer = pickle.loads(_read(process.stdout, self._longest_s))  # noqa: S301 - our own process
            except (OSError, EOFError, TimeoutError) as error:
                self._end()
                raise ComparerLost(type(error).__name__) from error
        if raised is not None:
            raise raised
        value: Answer = answer
        return value

    def close(self) -> None:
        """End the process, at once, and whatever it is at."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()  # whoever waits for it hears of it, and lets go
        with self._one_at_a_time:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise ComparerLost("closed")
        if self._process is None or self._process.poll() is not None:
            self._end()
            path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.shadow.comparer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _write(pipe: IO[bytes] | None, frame: bytes) -> None:
    if pipe is None:
        raise EOFError
    pipe.write(_LENGTH.pack(len(frame)))
    pipe.write(frame)
    pipe.flush()


def _read(pipe: IO[bytes] | None, within_s: float) -> bytes:
    """One frame; TimeoutError when it is not there in time, EOFError when it ends early."""
    if pipe is None:
        raise EOFError
    by = time.monotonic() + within_s
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size, by))
    return _exactly(pipe, length, by)


def _exactly(pipe: IO[bytes], size: int, by: float) -> bytes:
    read = bytearray()
    while len(read) < size:
        ready, _, _ = select.select([pipe], [], [], max(by - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        piece = os.read(pipe.fileno(), min(size - len(read), _PIECE))
        if not piece:
            raise EOFError
        read += piece
    return bytes(read)


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Run what comes, until nothing comes any more."""
    while len(length := asked.read(_LENGTH.size)) == _LENGTH.size:
        frame = asked.read(_LENGTH.unpack(length)[0])
        answer: tuple[Exception | None, object]
        try:
            answer = None, pickle.loads(frame)()  # noqa: S301 - our own gateway
        except Exception as bug:  # noqa: BLE001 - whoever asked is told, and the next call is served
            answer = RuntimeError(f"{type(bug).__module__}.{type(bug).__qualname__}"), None  # its text may hold data
        _write(answers, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def main() -> None:
    """Be the other end of a gateway's pipes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the gateway, which ends this when it ends
    os.nice(NICE)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed is no answer
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
