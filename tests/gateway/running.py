"""A whole gateway as a process of its own, as `strangler run` makes it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.legacy.stack import REPOSITORY, SECRET
from tests.ports import free_ports

Seen = TypeVar("Seen")
# One client for all: making one reads the machine's certificates, which takes longer than a request.
CLIENT = httpx.Client(timeout=15, trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


def eventually(look: Callable[[], Seen], *, within: float = 30.0) -> Seen:
    """What `look` gives once it is true, else its last answer."""
    deadline = time.monotonic() + within
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return seen


@dataclass(slots=True)
class Running:
    """A gateway process; `token` is the first admin token when this process printed it."""

    process: subprocess.Popen[str]
    data: str
    admin: str
    state: Path
    token: str = ""

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask the admin API."""
        headers = {"authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return CLIENT.request(method, self.admin + path, headers=headers, **more)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask the data plane."""
        return CLIENT.get(self.data + path, headers=headers)

    def flip(self, route: str, stage: str, **more: Any) -> httpx.Response:
        """Change a flag, further than shadow by force: few tests are about the gate."""
        if stage in ("canary", "new", "retired"):
            more = {"force": True, "reason": "a test", **more}
        return self.api("PUT", f"/api/routes/{route}/flag", json={"stage": stage, **more})

    def stage(self, route: str) -> str:
        """The stage this process acts on."""
        return str(self.api("GET", f"/api/routes/{route}").json()["flag"]["stage"])

    def ready(self) -> dict[str, Any]:
        """What /readyz says; empty while nobody listens."""
        try:
            answer: dict[str, Any] = CLIENT.get(self.admin + "/readyz").json()
        except httpx.TransportError:
            return {}
        return answer

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        self.process.send_signal(how)
        code = self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


# most tests are not about rollbacks, and their two sides seldom say the same
_USUAL = {"PYTHONPATH": str(REPOSITORY), "SUPABASE_JWT_SECRET": SECRET, "STRANGLER_AUTO_ROLLBACK": "no"}


def start_gateway(
    *options: str,
    state: Path,
    token: str = "",
    ports: tuple[int, int] | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path = REPOSITORY,
) -> Running:
    """Start `strangler run` with these options, on free ports unless told, and wait until it answers."""
    data, admin = ports or free_ports(2)
    command = [sys.executable, "-m", "gateway", "run", "--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}"]
    state.mkdir(exist_ok=True, parents=True)
    log = (state / "gateway.log").open("a")
    process = subprocess.Popen(
        [*command, "--state", str(state), *options],
        cwd=cwd,
        env={**os.environ, **_USUAL, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    log.close()
    running = Running(process, f"http://127.0.0.1:{data}", f"http://127.0.0.1:{admin}", state, token)
    try:
        if not token:
            assert process.stdout is not None
            said = re.search(r"sgw_\S+", process.stdout.readline())
            running.token = said.group() if said else ""
        assert eventually(lambda: running.ready() or process.poll() is not None, within=60)
        assert process.poll() is None, (state / "gateway.log").read_text()
    except BaseException:
        running.stop(signal.SIGKILL)
        raise
    return running
