"""`python -m tests.bench`: installs what it measures beside the gateway, runs it all, prints ratios, stops it all."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from tests.bench import comparing, lookup, micro, needs, socketless, wanted
from tests.bench.fronts import PEERS
from tests.bench.loads import ALL, HANDLER, LOADS, USUAL, Load
from tests.bench.ours import KINDS
from tests.bench.process import NotStarted
from tests.bench.report import doubts, tables
from tests.bench.session import Findings, Session, Shape
from tests.bench.wanted import Seen

MAX_S = 3_600


def main() -> int:
    """Measure what the options choose; 0, or 1 when there is nothing to measure with, or 130 after Ctrl-C."""
    options = _options()
    try:
        with _ends_on_signals():
            return _micro() if options.micro else _loads(options)
    except NotStarted as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(f"stopped by {stopped}; nothing of it runs any more", file=sys.stderr)
        return 130


def _micro() -> int:
    print(f"{_circumstances([])}\n\n{micro.run()}\n\n{socketless.run()}\n\n{comparing.run()}")
    return 0


def _loads(options: argparse.Namespace) -> int:
    loads = [LOADS[name] for name in options.loads]
    own = [name for name in (*KINDS, HANDLER) if any(name in load.fronts for load in loads)]
    names = [*own, *options.peers]
    if len(os.sched_getaffinity(0)) < 2:
        print("two cores are needed: one for the front, one for load and upstream", file=sys.stderr)
        return 1
    programs = {"wrk", "nginx", *(PEERS[name].program for name in options.peers), *(_express(loads))}
    missing = needs.install(programs)
    if blocking := {"wrk", "nginx", "taskset", "setpriv"} & missing.keys():
        print("\n".join(f"{name}: {missing[name]}" for name in sorted(blocking)), file=sys.stderr)
        return 1
    findings = Findings()
    for name in [name for name in options.peers if PEERS[name].program in missing]:
        findings.told.append(f"{name} is left out: {missing[PEERS[name].program]}")
        names.remove(name)
    shape = Shape(tuple(names), options.rounds, options.seconds, needs.CACHE / "run")
    for kind in ("nginx", "streams", "express"):
        chosen = [load for load in loads if load.upstream == kind]
        if chosen and (kind != "express" or "node" not in missing):
            with Session(chosen, shape, findings) as session:
                session.start()
                session.measure()
        elif chosen:
            findings.told.append(f"the loads with Express behind are left out: {missing['node']}")
    print(f"{_circumstances(sorted(programs))} {options.rounds} rounds of {options.seconds} s.\n")
    print("\n".join(tables(findings.measured)))
    if findings.growth:
        print(wanted.growth_table(findings.growth))
    print("\n".join(f"- {sentence}." for sentence in [*findings.told, *doubts(findings.measured)]) + "\n")
    micro.pin()
    lookup_us = micro.time_us(lookup.among(lookup.MOST))
    print(wanted.table(Seen(findings.measured, findings.growth, lookup_us)))
    print(f"\n{comparing.run()}")
    return 0


def _express(loads: Sequence[Load]) -> list[str]:
    return ["node"] if any(load.upstream == "express" for load in loads) else []


def _circumstances(programs: Sequence[str]) -> str:
    """When, where and what, in one line."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(needs.REPOSITORY), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no", "--", "gateway") else ""
    measured = ", ".join([f"Python {platform.python_version()}", *needs.versions(programs)])
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {git('rev-parse', '--short', 'HEAD')}{changed}. {measured}."


@contextmanager
def _ends_on_signals() -> Iterator[None]:
    """Every way of being ended, and taking too long, leaves through the code that stops the children."""

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(each, signal.SIG_IGN)  # stopping is not interrupted
        raise KeyboardInterrupt(signal.Signals(number).name)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(each, leave)
    signal.alarm(MAX_S)
    yield
    signal.alarm(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=_some, default=3, help="rounds of each load (default: 3)")
    parser.add_argument("--seconds", type=_some, default=2, help="seconds of each slice (default: 2)")
    every = ", ".join(LOADS)
    parser.add_argument("--loads", type=_names(LOADS), default=list(USUAL), help=f"all, or some of: {every}")
    peers = [name for name in ALL if name in PEERS]
    parser.add_argument("--peers", type=_names(peers), default=peers, help=f"all, or some of: {', '.join(peers)}")
    parser.add_argument("--micro", action="store_true", help="time the pure parts instead")
    return parser.parse_args()


def _some(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 100")
    return number


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Read names with commas between them, or `all`."""

    def read(text: str) -> list[str]:
        wanted = list(known) if text == "all" else text.split(",")
        if unknown := set(wanted) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(known)}")
        return wanted

    return read


if __name__ == "__main__":
    sys.exit(main())
