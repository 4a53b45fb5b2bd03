"""`make fuzz`: mutated requests through a gateway, on each front, judged at a strict upstream and by two parsers; then
mutated answers through the relay's reader, judged by h11.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import uvloop

from gateway.proxy.server import FRONTS, Front
from tests.fuzz.answers import verdicts
from tests.fuzz.campaign import as_entry, run, shorten


def main() -> int:
    """Exit code 0: nothing found."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=", description=__doc__)
    parser.add_argument("--front", choices=[*FRONTS], action="append", help="default: each")
    parser.add_argument(
        "--mutations", type=int, default=100_000, help="on each front; as many answers; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    fronts: list[Front] = given.front or [*FRONTS]
    wrong = max(uvloop.run(_fuzz(front, seed, given.mutations)) for front in fronts)
    return max(wrong, _fuzz_answers(seed, given.mutations))


async def _fuzz(front: Front, seed: int, mutations: int) -> int:
    began = time.monotonic()
    done = await run(front, seed=seed, mutations=mutations)
    print(
        f"{front}: seed {seed}, {done.mutations} mutations in {done.connections} connections, "
        f"{done.requests} requests passed, {done.refused} refused, {len(done.found)} served wrongly, "
        f"{time.monotonic() - began:.0f} s",
        flush=True,
    )
    for found in done.found:
        print(f"seed {found.seed}: {'; '.join(found.verdicts)}", flush=True)
        print("\n".join(as_entry(await shorten(front, found) or found)))
    return 1 if done.found else 0


def _fuzz_answers(seed: int, number: int) -> int:
    began = time.monotonic()
    found = [wrong for at in range(number) for wrong in verdicts(f"{seed}/{at}")]
    print(f"answers: seed {seed}, {number} connections, {len(found)} read wrongly, {time.monotonic() - began:.0f} s")
    print(*found[:10], sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
