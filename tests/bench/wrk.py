"""One slice of load by wrk, and what it says about it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import Final

from tests.bench import callers, needs
from tests.bench.fronts import program
from tests.bench.loads import Load
from tests.bench.process import LOAD_CORE

_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Told:
    """`bad` counts answers that are not 2xx or 3xx, `broken` connections that failed or waited 10 s."""

    answers: int
    seconds: float
    bad: int
    broken: int
    p50_ms: float
    p99_ms: float


def run(load: Load, port: int, *, seconds: int) -> Told:
    """Load a port for some seconds; ends by itself shortly after, whatever the front does."""
    script = [] if load.script is None else ["-s", str(needs.PEERS / load.script)]
    pinned = [program("setpriv"), "--pdeathsig", "TERM", program("taskset"), "--cpu-list", str(LOAD_CORE)]
    shape = ["-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", *script]
    command = [*pinned, program("wrk"), *shape, f"http://127.0.0.1:{port}{load.path}"]
    if load.only_new:
        command += ["--", *callers.cohort()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    return read(done.stdout)


def read(said: str) -> Told:
    """Read wrk's report; the figures that it leaves out are zero."""
    requests = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return Told(
        answers=int(requests[1]) if requests else 0,
        seconds=float(requests[2]) * _MS[requests[3]] / 1_000 if requests else 0.0,
        bad=int(bad[1]) if bad else 0,
        broken=sum(map(int, broken.groups())) if broken else 0,
        p50_ms=_latency(said, "50%"),
        p99_ms=_latency(said, "99%"),
    )


def _latency(said: str, quantile: str) -> float:
    found = re.search(rf"{quantile}\s+([\d.]+)(us|ms|s|m)\b", said)
    return float(found[1]) * _MS[found[2]] if found else 0.0
