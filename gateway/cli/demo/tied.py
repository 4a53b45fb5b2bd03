"""Becomes a program that dies with the process that started it: `tied.py PARENT COMMAND...` (Linux).

A file of its own, run before the program in the same process, because code between fork and exec is
unsafe once the demo has threads. It imports nothing of ours: it must be there at once.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; it outlives the exec below


def main() -> None:
    """Ask for the signal, make sure that it was not too late, and become the program."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the line above
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
