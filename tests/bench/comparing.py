"""The comparison beside deepdiff and jsondiff: the same two bodies, from bytes to a verdict, as ratios of one run.

Each measurement is a process of its own, because some peers need minutes for 5 MB and have to be stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from random import Random
from shutil import which
from statistics import median
from time import process_time
from typing import Any, Final

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome
from gateway.message import Observation, Side
from tests.bench.loads import KB
from tests.bench.needs import CACHE, PEERS, REPOSITORY
from tests.bench.report import markdown

_MODULES: Final = CACHE / "python"
_LOCK: Final = PEERS / "comparing.txt"
_OURS: Final = "gateway"
_FRONTS: Final = (_OURS, "deepdiff", "jsondiff")
_SUBJECTS: Final = {
    "equal bytes, 100 kB": (100 * KB, "bytes"),
    "equal values in other bytes, 100 kB": (100 * KB, "values"),
    "two values differ, 100 kB": (100 * KB, "two"),
    "two values differ, 5 MB": (5_000 * KB, "two"),
}
_ROUNDS: Final = 3
_LIMIT_S: Final = 60  # for one comparison of a peer
_ENOUGH_S: Final = 0.5  # of repeating a short one
_LONG_S: Final = 5  # one that takes so long is not repeated


def run() -> str:
    """A table of medians: milliseconds of CPU, and how many times ours each peer takes in the same round."""
    trouble = _install()
    fronts = _FRONTS[:1] if trouble else _FRONTS
    rows = [_row(subject, fronts) for subject in _SUBJECTS]
    table = markdown(("bytes to verdict", *(f"{front} ms" for front in fronts), *_heads(fronts)), rows)
    return f"{table}\n\n{trouble}" if trouble else table


def _heads(fronts: tuple[str, ...]) -> Iterator[str]:
    return (f"{front} x gateway" for front in fronts[1:])


def _row(subject: str, fronts: tuple[str, ...]) -> list[str]:
    taken: dict[str, list[float | None]] = {front: [] for front in fronts}
    for _ in range(_ROUNDS):
        for front in fronts:
            gave_up = None in taken[front]
            taken[front].append(None if gave_up else _measured(front, subject))
    shown = [_shown([ms for ms in taken[front] if ms is not None], "{:,.3f}", f"> {_LIMIT_S:,} s") for front in fronts]
    ours = taken[_OURS]
    for front in fronts[1:]:
        pairs = zip(taken[front], ours, strict=True)
        ratios = [theirs / mine for theirs, mine in pairs if theirs is not None and mine]
        least = [_LIMIT_S * 1000 / mine for mine in ours if mine]
        shown.append(_shown(ratios, "{:,.0f}", f"> {min(least, default=0):,.0f}"))
    return [subject, *shown]


def _shown(values: list[float], form: str, otherwise: str) -> str:
    return form.format(median(values)) if values else otherwise


def _measured(front: str, subject: str) -> float | None:
    """Milliseconds of CPU of one comparison; None when it was not over in time."""
    command = [sys.executable, "-m", __spec__.name, front, subject]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_LIMIT_S, check=True)
    except subprocess.TimeoutExpired:
        return None
    return float(done.stdout)


def _install() -> str:
    """Bring the peers into a folder of their own, as the lock says; empty when they are there."""
    installed = _MODULES / "installed.txt"
    if installed.exists() and installed.read_bytes() == _LOCK.read_bytes():
        return ""
    uv = which("uv") or str(REPOSITORY / ".tools" / "bin" / "uv")
    if not Path(uv).exists():
        return "deepdiff and jsondiff are left out: `make env` brings uv, which installs them."
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(_MODULES)]
    done = subprocess.run(
        [*command, "--require-hashes", "-r", str(_LOCK)], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode != 0:
        return f"deepdiff and jsondiff are left out: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}"
    installed.write_bytes(_LOCK.read_bytes())
    return ""


def _bodies(subject: str) -> tuple[bytes, bytes]:
    """Two bodies of a list endpoint, the same in every process."""
    size, change = _SUBJECTS[subject]
    dice = Random(4)
    rows: list[dict[str, Any]] = []
    while 160 * len(rows) < size:
        rows.append(
            {
                "id": len(rows),
                "code": f"RAW-{dice.randrange(10**5)}",
                "weight_kg": dice.randrange(10**5) / 100,
                "tags": ["a", "b"],
                "parent": {"id": dice.randrange(100), "at": None},
                "created_at": f"2026-11-{dice.randrange(1, 29):02}T07:00:00.123Z",
                "released": True,
            }
        )
    first = json.dumps(rows, separators=(",", ":")).encode()
    if change == "two":
        rows[len(rows) // 4]["weight_kg"] = -1.5
        rows[len(rows) // 4 * 3]["parent"]["id"] = "7"
    separators = (",", ":") if change == "bytes" else (", ", ": ")
    return first, json.dumps(rows, separators=separators).encode()


def _subject(front: str, one: bytes, other: bytes) -> Callable[[], int]:
    """One comparison, from bytes on; its answer is how many differences it found."""
    if front == _OURS:
        headers = ((b"content-type", b"application/json"),)
        control, candidate = (
            Observation(side, 200, headers, body, 1.0) for side, body in zip(Side, (one, other), strict=True)
        )
        today, rules = datetime.now(UTC).date(), Rules()

        def ours() -> int:
            verdict = compare(control, candidate, rules, today=today)
            return len(verdict.mismatches) if verdict.outcome is not Outcome.NOT_COMPARABLE else -1

        return ours
    sys.path.insert(0, str(_MODULES))
    peer = import_module(front)
    if front == "deepdiff":
        return lambda: sum(map(len, peer.DeepDiff(json.loads(one), json.loads(other)).values()))
    return lambda: len(peer.diff(json.loads(one), json.loads(other)))


def _one(front: str, subject: str) -> float:
    one, other = _bodies(subject)
    call = _subject(front, one, other)
    begun = process_time()
    found = call()  # and warms up
    first_s = process_time() - begun
    expected = 2 if _SUBJECTS[subject][1] == "two" else 0
    if found != expected:
        raise RuntimeError(f"{front} finds {found} differences, {expected} were planted")
    if first_s > _LONG_S:
        return first_s * 1000
    begun, times = process_time(), 0
    while times == 0 or process_time() - begun < _ENOUGH_S:
        call()
        times += 1
    return (process_time() - begun) / times * 1000


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(_one(sys.argv[1], sys.argv[2]))
    else:
        print(run())
