"""`make test`: every test once, in parts of which several run at once: each waits for sockets and processes a lot."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final, NamedTuple

AT_ONCE: Final = 4
# Those that take longest come first, so that all end at about the same time; what stands in none is one more part.
PARTS: Final = (
    ("tests/gateway/proxy",),
    ("tests/gateway/test_fleet.py", "tests/gateway/test_certificates.py", "tests/gateway/test_panic.py"),
    ("tests/gateway/cli", "tests/gateway/contract", "tests/gateway/admin"),
    ("tests/gateway/shadow", "tests/gateway/writes", "tests/services"),
    ("tests/gateway/test_renewal.py", "tests/gateway/test_drain.py", "tests/gateway/test_hot_writes.py"),
    ("tests/gateway/test_way_back.py", "tests/gateway/test_way_back_apart.py", "tests/gateway/test_rollout.py"),
    ("tests/gateway/test_app.py", "tests/gateway/test_seen.py", "tests/gateway/test_settling.py"),
    ("tests/gateway/relay", "tests/gateway/upstream"),
    ("tests/fuzz", "tests/soak", "tests/trials"),
    ("tests/gateway/db", "tests/gateway/app", "tests/legacy"),
)


class Ran(NamedTuple):
    """One part that has ended."""

    code: int
    said: str


def run(name: str, words: Sequence[str]) -> Ran:
    """Run one part; what it said comes with how long it took."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "pytest", "--durations=5", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    head = f"== {name}: exit code {done.returncode}, {time.monotonic() - begun:.0f} s\n"
    return Ran(done.returncode, head + done.stdout)


def main() -> int:
    """Exit code 0: all parts passed."""
    parts: dict[str, tuple[str, ...]] = {" ".join(part): part for part in PARTS}
    parts["whatever is in none of these"] = ("tests", *(f"--ignore={path}" for part in PARTS for path in part))
    worst = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for each in as_completed([pool.submit(run, *part) for part in parts.items()]):
            ran = each.result()
            print(ran.said, flush=True)
            worst = max(worst, ran.code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
