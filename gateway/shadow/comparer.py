"""Comparing in a process of its own, with the machine's leftovers: no comparison takes the interpreter from clients.

It knows neither rules nor answers: it is given a call, which it pickles, and gives back what that came to. Both ends
are this file; they speak through pipes, so that the comparer ends with its gateway however that ends.
"""

from __future__ import annotations

import io
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, Final, TypeVar

NICE: Final = 10  # until the first call, which brings the modules that all need, has been served
LONGEST_S: Final = 60.0  # a comparison is bounded by its size; on a machine that is this busy nobody waits for it
_LENGTH: Final = struct.Struct("!Q")
_PIECE: Final = 1024 * 1024
LARGE: Final = 64 * 1024  # bytes that travel beside the pickle

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

    def run(self, call: Callable[[], Answer], *, large: bool = True) -> Answer:
        """What the call gives; its exception is raised here. Call and answer travel, so both must be picklable.

        `large`: there may be something in the call that should not be copied.
        """
        with self._one_at_a_time:
            process = self._started()
            try:
                by = time.monotonic() + self._longest_s
                _send(process.stdin, pickled(call, large=large), by)
                raised, answer = pickle.loads(_read(process.stdout, by))  # noqa: S301 - our own process
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
            if self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)  # so that it never takes longer than it may
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


class _Pickler(pickle.Pickler):
    """Leaves large bytes out: to copy them would hold the interpreter, which serves clients meanwhile.

    So would thousands of small things, if this method did not let other threads in between any two of them.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.left_out: list[bytes] = []

    def persistent_id(self, obj: object) -> int | None:
        if not isinstance(obj, bytes) or len(obj) < LARGE:
            return None
        self.left_out.append(obj)
        return len(self.left_out) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, frame: bytes, left_out: list[bytes]) -> None:
        super().__init__(io.BytesIO(frame))
        self._left_out = left_out

    def persistent_load(self, pid: int) -> bytes:
        return self._left_out[pid]


def pickled(call: Callable[[], object], *, large: bool = True) -> list[bytes]:
    """A frame and what was left out of it, the number of which stands before.

    Where nothing `large` is in it, nothing need be looked for, which takes as long as all the rest.
    """
    if not large:
        return [b"0", pickle.dumps(call, pickle.HIGHEST_PROTOCOL)]
    frame = io.BytesIO()
    pickler = _Pickler(frame)
    pickler.dump(call)
    return [b"%d" % len(pickler.left_out), frame.getvalue(), *pickler.left_out]


def _write(pipe: IO[bytes] | None, *frames: bytes) -> None:
    if pipe is None:
        raise EOFError
    for frame in frames:
        pipe.write(_LENGTH.pack(len(frame)))
        pipe.write(frame)
    pipe.flush()


def _send(pipe: IO[bytes] | None, frames: Iterable[bytes], by: float) -> None:
    """The same to a process that may have stopped reading; TimeoutError when it has not taken everything by then.

    What is small goes at once: each write wakes the other end up.
    """
    if pipe is None:
        raise EOFError
    small = bytearray()
    for frame in frames:
        small += _LENGTH.pack(len(frame))
        if len(frame) < LARGE:
            small += frame
            continue
        _push(pipe, small, by)
        _push(pipe, frame, by)
        small = bytearray()
    _push(pipe, small, by)


def _push(pipe: IO[bytes], piece: bytes | bytearray, by: float) -> None:
    left = memoryview(piece)
    while left:
        _wait(pipe, select.POLLOUT, by)
        left = left[os.write(pipe.fileno(), left[:_PIECE]) :]


def _read(pipe: IO[bytes] | None, by: float) -> bytes:
    """One frame, behind which nothing comes unasked; TimeoutError or EOFError when there is none in time."""
    if pipe is None:
        raise EOFError
    read, wanted = bytearray(), _LENGTH.size
    while len(read) < wanted:
        _wait(pipe, select.POLLIN, by)
        piece = os.read(pipe.fileno(), LARGE)
        if not piece:
            raise EOFError
        read += piece
        if wanted == _LENGTH.size <= len(read):
            wanted += _LENGTH.unpack_from(read)[0]
    return bytes(read[_LENGTH.size :])


def _wait(pipe: IO[bytes], wanted: int, by: float) -> None:
    """Wait for a pipe; by poll, for select knows no descriptor from 1,024 on, and every client has one."""
    poll = select.poll()
    poll.register(pipe, wanted)
    if not poll.poll(max(by - time.monotonic(), 0) * 1000):
        raise TimeoutError


def serve(asked: IO[bytes], answers: IO[bytes], served_one: Callable[[], None]) -> None:
    """Run what comes, until nothing comes any more."""
    while (number := _frame(asked)) is not None:
        frame, *left_out = [_frame(asked) or b"" for _ in range(1 + int(number))]
        answer: tuple[Exception | None, object]
        try:
            answer = None, _Unpickler(frame, left_out).load()()
        except Exception as bug:  # noqa: BLE001 - whoever asked is told, and the next call is served
            answer = RuntimeError(f"{type(bug).__module__}.{type(bug).__qualname__}"), None  # its text may hold data
        _write(answers, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
        served_one()


def _frame(asked: IO[bytes]) -> bytes | None:
    """The next frame, None when nothing comes any more."""
    length = asked.read(_LENGTH.size)
    return asked.read(_LENGTH.unpack(length)[0]) if len(length) == _LENGTH.size else None


def give_way() -> None:
    """Take only what the machine has left. A nice process is still let finish its turn; an idle one ends it at once.

    It goes on when everybody else wants all of the machine, at a few hundredths of a processor.
    """
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):  # where a sandbox forbids it, nice is what there is
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    """Be the other end of a gateway's pipes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the gateway, which ends this when it ends
    os.nice(NICE)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed is no answer
    serve(sys.stdin.buffer, answers, give_way)


if __name__ == "__main__":
    main()
