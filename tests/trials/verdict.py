"""What a trial says: what was wanted, what was seen, whether that is enough. The last line counts what was not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.proxy.server import FRONTS, Front


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that a trial has looked at."""

    what: str
    wanted: str
    seen: str
    held: bool

    def __str__(self) -> str:
        """A line for people."""
        return f"{'held  ' if self.held else 'FAILED'}  {self.what}: {self.seen} (wanted: {self.wanted})"


Trial = Callable[[Front], Iterable[Verdict]]


def conclude(name: str, trial: Trial, fronts: Iterable[Front] = FRONTS) -> int:
    """Run a trial on these fronts and tell what it saw as it goes; 0 when all was as wanted."""
    failed = 0
    for front in fronts:
        print(f"{name}, front {front}", flush=True)
        for verdict in trial(front):
            print(f"  {verdict}", flush=True)
            failed += not verdict.held
    print(f"{name}: {failed} not as wanted" if failed else f"{name}: all as wanted")
    return 1 if failed else 0


def main(name: str, trial: Trial, description: str | None) -> None:
    """What `python -m tests.trials.NAME` does."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.trials.{name}", description=description)
    parser.add_argument("--front", choices=[*FRONTS], action="append", help="default: both")
    sys.exit(conclude(name, trial, parser.parse_args().front or FRONTS))
