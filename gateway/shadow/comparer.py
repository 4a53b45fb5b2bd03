"""The process that compares, with the machine's leftovers: no comparison takes the interpreter from clients.

It knows neither rules nor answers: it runs the calls it is given (`comparing.py`), and gives back what they came to.
It ends at the end of its input, so with its gateway, however that ends.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Final

NICE: Final = 10  # until the first call, which brings the modules that all need, has been served
LENGTH: Final = struct.Struct("!Q")  # of a frame, before it
LARGE: Final = 64 * 1024  # bytes that travel beside the pickle


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


def pickled(what: object, *, large: bool = True) -> list[bytes]:
    """A frame and what was left out of it, the number of which stands before it.

    Where nothing `large` is in it, nothing need be looked for, which takes as long as all the rest.
    """
    if not large:
        return [b"0", pickle.dumps(what, pickle.HIGHEST_PROTOCOL)]
    frame = io.BytesIO()
    pickler = _Pickler(frame)
    pickler.dump(what)
    return [b"%d" % len(pickler.left_out), frame.getvalue(), *pickler.left_out]


class _Laid:
    """The grounds that calls rest on. Each is read by the first call that needs it, which hears of what is wrong."""

    def __init__(self) -> None:
        self._frames: dict[str, list[bytes]] = {}
        self._read: dict[str, object] = {}

    def lay(self, name: str, frames: list[bytes]) -> None:
        """Take a ground in place of the one of this name."""
        self._frames[name] = frames
        self._read.pop(name, None)

    def __getitem__(self, name: str) -> object:
        if name not in self._read:
            frame, *left_out = self._frames[name]
            self._read[name] = _Unpickler(frame, left_out).load()
        return self._read[name]


def serve(asked: IO[bytes], answers: IO[bytes], served_one: Callable[[], None]) -> None:
    """Run what comes, until nothing comes any more."""
    laid = _Laid()
    while (kind := _frame(asked)) is not None:
        number, _, ground = kind.partition(b" ")
        frames = [_frame(asked) or b"" for _ in range(1 + int(number))]
        if ground:
            laid.lay(ground.decode(), frames)
            continue
        frame = pickle.dumps(_answer(laid, *frames), pickle.HIGHEST_PROTOCOL)
        answers.write(LENGTH.pack(len(frame)))
        answers.write(frame)
        answers.flush()
        served_one()


def _answer(laid: _Laid, frame: bytes, *left_out: bytes) -> tuple[Exception | None, Any]:
    """What a call raises, or what it gives."""
    try:
        work, ground, given = _Unpickler(frame, list(left_out)).load()
        return None, work(*given) if ground is None else work(laid[ground], *given)
    except Exception as bug:  # noqa: BLE001 - whoever asked is told, and the next call is served
        return RuntimeError(f"{type(bug).__module__}.{type(bug).__qualname__}"), None  # its text may hold data


def _frame(asked: IO[bytes]) -> bytes | None:
    """The next frame, None when nothing comes any more."""
    length = asked.read(LENGTH.size)
    return asked.read(LENGTH.unpack(length)[0]) if len(length) == LENGTH.size else None


def give_way() -> None:
    """Take only what the machine has left. A nice process is still let finish its turn; an idle one ends it at once.

    It goes on when everybody else wants all of the machine, at a few hundredths of a processor.
    """
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):  # where a sandbox forbids it, nice is what there is
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    """Be the other end of a gateway's sockets."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the gateway, which ends this when it ends
    os.nice(NICE)
    answers = os.fdopen(os.dup(sys.stdin.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed is no answer
    serve(sys.stdin.buffer, answers, give_way)


if __name__ == "__main__":
    main()
