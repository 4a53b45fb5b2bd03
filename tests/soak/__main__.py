"""`make soak`: minutes of requests through a gateway whose flags flip and whose sides fail, each answer checked."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import uvloop

from gateway.proxy.server import FRONTS
from tests.soak.ledger import Wrong
from tests.soak.session import Outcome, Soak, soak


def main() -> int:
    """Exit code 0: nothing lost, doubled, crossed or cut."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--front", choices=[*FRONTS], default="edge", help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--clients", type=int, default=32, help="default: %(default)s")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"{given.front}: seed {seed}, {given.minutes:g} minutes, {given.clients} clients, {given.workers} workers")
    wanted = Soak(given.minutes * 60, seed, given.front, clients=given.clients, workers=given.workers)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        outcome = uvloop.run(soak(wanted, Path(folder)))
    print("\n".join(report(outcome)))
    return 0 if outcome.ledger.is_clean else 1


def report(outcome: Outcome) -> list[str]:
    """What a person wants to know, a line each."""
    ledger = outcome.ledger
    lines = [f"{ledger.asked} requests, {ledger.asked / outcome.seconds:.0f} a second"]
    lines += [f"  {what}: {number}" for what, number in sorted(ledger.counts.items()) if what != "asked"]
    lines += [f"  copies at legacy: {ledger.copies}", f"  memory: {outcome.memory.growth / 2**20:+.1f} MiB"]
    lines += [f"    {line}" for line in outcome.memory.told()]
    lines += [f"  answers {status}: {number}" for status, number in sorted(ledger.answers.items())]
    lines.append(", ".join(f"{wrong.value} {ledger.wrong[wrong]}" for wrong in Wrong))
    return [*lines, *ledger.examples]


if __name__ == "__main__":
    sys.exit(main())
