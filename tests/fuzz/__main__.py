"""`make fuzz`: mutated requests through a gateway, on both fronts, judged at a strict upstream and by two parsers."""

from __future__ import annotations

import argparse
import random
import sys
import time

import uvloop

from gateway.proxy.server import FRONTS, Front
from tests.fuzz.campaign import as_entry, run, shorten


def main() -> int:
    """Exit code 0: nothing found."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=", description=__doc__)
    parser.add_argument("--front", choices=[*FRONTS], action="append", help="default: each")
    parser.add_argument("--mutations", type=int, default=100_000, help="on each front; default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    fronts: list[Front] = given.front or [*FRONTS]
    return max(uvloop.run(_fuzz(front, seed, given.mutations)) for front in fronts)


async def _fuzz(front: Front, seed: int, mutations: int) -> int:
    began = time.monotonic()
    done = await run(front, seed=seed, mutations=mutations)
    print(
        f"{front}: seed {seed}, {done.mutations} mutations in {done.connections} connections, "
        f"{done.requests} requests passed, {done.refused} refused, {len(done.found)} served wrongly, "
        f"{time.monotonic() - began:.0f} s"
    )
    for found in done.found:
        print("\n".join(as_entry(await shorten(front, found) or found)))
    return 1 if done.found else 0


if __name__ == "__main__":
    sys.exit(main())
