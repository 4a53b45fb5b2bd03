"""The programs a run needs: looked for, installed where that is possible, else named in a sentence.

Programs come from the machine's own Debian packages, Node modules from npm's own registry; both only when missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.cli.demo.needs import find_node
from gateway.cli.output import Trouble

HERE: Final = Path(__file__).parent
REPOSITORY: Final = HERE.parents[1]
CACHE: Final = REPOSITORY / ".strangler" / "bench"
MODULES: Final = CACHE / "node" / "node_modules"
PEERS: Final = HERE / "peers"

_FROM_DEBIAN: Final = ("nginx", "haproxy", "caddy", "wrk")  # programs and packages have the same names
_FROM_UTIL_LINUX: Final = ("taskset", "setpriv")
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_VERSION: Final = re.compile(r"v?(\d+\.\d+[.\d]*)")


def find(program: str) -> str | None:
    """Where a program is; `node` is Node itself, not a script that starts it."""
    if program == "node":
        with suppress(Trouble):
            return find_node()
        return None
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def install(programs: Iterable[str]) -> dict[str, str]:
    """Make the programs available; for each that is not, a sentence that says what to do."""
    wanted = set(programs)
    trouble = {name: f"{name} is part of util-linux (Linux only)" for name in _FROM_UTIL_LINUX if find(name) is None}
    debian = sorted(name for name in wanted & set(_FROM_DEBIAN) if find(name) is None)
    if debian:
        why = _apt(debian)
        trouble |= {name: why for name in debian if find(name) is None}
    if "node" in wanted:
        why = _npm()
        if why:
            trouble["node"] = why
    return trouble


def versions(programs: Iterable[str]) -> list[str]:
    """`nginx 1.22.1`, `node 20.18.0`, ...: what is measured."""
    asks = {"nginx": "-v", "haproxy": "-v", "caddy": "version", "wrk": "-v", "node": "--version"}
    told = []
    for name in programs:
        path = find(name)
        if path is not None and name in asks:
            done = subprocess.run([path, asks[name]], capture_output=True, text=True, timeout=20, check=False)
            found = _VERSION.search(done.stdout + done.stderr)
            told.append(f"{name} {found[1] if found else '?'}")
    return told


def _apt(packages: list[str]) -> str:
    """Install Debian packages; the sentence is for those that are missing afterwards."""
    command = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        return f"it is not installed, and this machine has no apt-get: install {', '.join(packages)} by other means"
    if os.geteuid() != 0:
        return f"it is not installed, and only root can: sudo sh -c '{command}'"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        done = subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=600, check=False
        )
    return f"apt-get could not install it: {_last_line(done.stderr)}"


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian from starting what it installs: nobody asked for a web server on port 80."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _npm() -> str:
    """Install the Node peers' modules as the lock says; empty when they are there."""
    npm = shutil.which("npm")
    if npm is None or find("node") is None:
        return "Node 20 and npm are needed: `make env` brings them"
    folder = MODULES.parent
    lock = (PEERS / "package-lock.json").read_bytes()
    installed = folder / "installed.json"  # a copy of the lock, written once npm was done
    if installed.exists() and installed.read_bytes() == lock:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(PEERS / name, folder / name)
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        return f"npm could not install it: {_last_line(done.stderr)}"
    installed.write_bytes(lock)
    return ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it gave no reason"])[-1]


def own_user() -> str:
    """nginx's line that keeps its worker ours: started by root it would become somebody else."""
    return "user root;" if os.geteuid() == 0 else ""
