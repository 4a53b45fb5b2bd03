"""What answers behind every front: nginx, Express, `streams.py`. Its answers carry a mark that is new in each run."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench import fronts, needs
from tests.bench.loads import KB
from tests.bench.process import LOAD_CORE, Child, Children, Command, free_port


@dataclass(frozen=True, slots=True)
class Upstream:
    """A running upstream. `answer` is its 1 KB body."""

    kind: str
    child: Child
    port: int
    mark: str
    answer: str


def start(kind: str, children: Children, *, mark: str, folder: Path) -> Upstream:
    """Start the upstream of this kind on the load's core."""
    port, answer = free_port(), one_kilobyte(mark)
    if kind == "express":
        command = fronts.node("express_upstream.cjs", str(port), mark, answer)
    elif kind == "streams":
        argv = [sys.executable, "-m", "tests.bench.streams", str(port), mark, answer]
        command = Command(argv, {"PYTHONPATH": str(needs.REPOSITORY)})
    else:
        _write_files(folder / "files")
        command = fronts.nginx("upstream", "upstream.conf", folder, {"port": port, "mark": mark, "answer": answer})
    child = children.start(f"upstream-{kind}", command, core=LOAD_CORE)
    child.wait_for(port)
    return Upstream(kind, child, port, mark, answer)


def one_kilobyte(mark: str) -> str:
    """A JSON document of 1 KB, as JSON.stringify would write it."""
    empty = json.dumps({"id": 42, "mark": mark, "pad": ""}, separators=(",", ":"))
    return empty.replace('"pad":""', f'"pad":"{"x" * (KB - len(empty))}"')


def _write_files(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, size in (("100k", 100 * KB), ("10m", 10 * KB * KB)):
        (folder / name).write_bytes(b"0123456789abcdef" * (size // 16))
