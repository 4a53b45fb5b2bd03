"""Clients as browsers have them, through the gateway and direct: fetch, EventSource, tus uploads, supabase-js.

Each is used on legacy, on new and while flags flip; the new side is a second process of the same backend, so that no
difference is anybody's but the gateway's. What a client saw must be what it sees when it asks the backend itself.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.proxy.server import Front
from tests.gateway.running import Running, start_gateway
from tests.legacy.stack import (
    NODE,
    REPOSITORY,
    anon_key,
    create_database,
    start_legacy,
    start_postgres,
    stop_legacy,
)
from tests.trials.verdict import Verdict, main

SCRIPTS: Final = REPOSITORY / "tests" / "frontend"
FLIP_S: Final = 0.05
MOST_S: Final = 90
BROWSER: Final = {
    "fetch.get": "GET /fetch/{what}",
    "fetch.post": "POST /fetch/{what}",
    "fetch.put": "PUT /fetch/{what}",
    "events.get": "GET /events",
    "files.create": "POST /files",
    "files.append": "PATCH /files/{id}",
    "files.look": "HEAD /files/{id}",
    "files.get": "GET /files/{id}",
}
SUPABASE: Final = {
    "token.create": "POST /auth/v1/token",
    "user.get": "GET /auth/v1/user",
    "session.end": "POST /auth/v1/logout",
    "lots.list": "GET /rest/v1/lots",
    "lots.create": "POST /rest/v1/lots",
    "realtime.open": "GET /realtime/v1/websocket",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two processes of one backend, the routes that are flipped, and the clients that ask."""

    legacy: str
    new: str
    routes: Mapping[str, str]
    clients: Mapping[str, Callable[[str], object]]


def trial(front: Front) -> Iterator[Verdict]:
    """All clients on one front."""
    for backends in (browser_backends, supabase_backends):
        with backends() as pair:
            yield from compared(front, pair, WAYS)


def compared(front: Front, pair: Pair, ways: Iterable[str]) -> Iterator[Verdict]:
    """Each client through one gateway, and on legacy itself."""
    wanted = {name: client(pair.legacy) for name, client in pair.clients.items()}
    with _gateway(front, pair) as gateway:
        for way in ways:
            with WAYS[way](gateway, pair):
                for name, client in pair.clients.items():
                    yield _verdict(f"{name} {way}", wanted[name], client(gateway.data))


def _verdict(what: str, wanted: object, seen: object) -> Verdict:
    same = seen == wanted
    return Verdict(
        what, "what it sees without a gateway", "the same" if same else f"{seen}, not {wanted}"[:2_000], same
    )


@contextmanager
def browser_backends() -> Iterator[Pair]:
    """Two of `origin.mjs`, with one folder for uploads: a flip must not lose what has been uploaded."""
    with tempfile.TemporaryDirectory(prefix="trial-") as folder, ExitStack() as stack:
        legacy, new = (stack.enter_context(_origin(folder)) for _ in range(2))
        clients = {
            name: lambda url, name=name: _used("browser_clients.mjs", url, name) for name in ("fetch", "events", "tus")
        }
        yield Pair(legacy, new, BROWSER, clients)


@contextmanager
def _origin(folder: str) -> Iterator[str]:
    process = subprocess.Popen([NODE, SCRIPTS / "origin.mjs", folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def supabase_backends() -> Iterator[Pair]:
    """Two of the legacy app on one database."""
    server = start_postgres()
    try:
        database = create_database(server)
        apps = [start_legacy(database) for _ in range(2)]
        try:
            yield Pair(apps[0][1], apps[1][1], SUPABASE, {"supabase-js": _supabase})
        finally:
            for process, _ in apps:
                stop_legacy(process)
    finally:
        server.cleanup()


def _supabase(url: str) -> object:
    """Its lot has a new code each time: what must agree is that the change it hears of is its own."""
    seen = _used("supabase_client.mjs", url, anon_key())
    if not isinstance(seen, dict):
        return seen
    inserted, change = seen.pop("inserted"), seen.pop("change")
    return seen | {"heard": change["new"]["lot_code"] == inserted["lot_code"], "fields": sorted(inserted)}


def _used(script: str, *arguments: str) -> Any:
    """What a client prints, or how it failed."""
    command = [NODE, str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else f"failed: {done.stderr.strip()}"


@contextmanager
def _gateway(front: Front, pair: Pair) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="trial-") as name:
        folder = Path(name)
        for key, route in pair.routes.items():
            (folder / "contracts" / key).mkdir(parents=True)
            effect = "read" if route.startswith(("GET", "HEAD")) else "write"
            text = f"route: {route}\neffect: {effect}\nstickiness: client_ip\n"
            (folder / "contracts" / key / "route.yaml").write_text(text)
        options = ("--legacy", pair.legacy, "--new", pair.new, "--contracts", str(folder / "contracts"))
        gateway = start_gateway(*options, "--front", front, state=folder / "state")
        try:
            yield gateway
        finally:
            gateway.stop()


def _put(gateway: Running, route: str, stage: str) -> None:
    more = {"sample": 0} if stage == "new" else {}
    answer = gateway.flip(route, stage, force=True, reason="a trial", **more)
    answer.raise_for_status()


@contextmanager
def _all_on(stage: str, gateway: Running, pair: Pair) -> Iterator[None]:
    for route in pair.routes:
        _put(gateway, route, stage)
    yield


@contextmanager
def _flipping(gateway: Running, pair: Pair) -> Iterator[None]:
    """Some route goes to some side, twenty times a second."""
    over, dice, broken = threading.Event(), random.Random(), list[Exception]()

    def flip() -> None:
        try:
            while not over.wait(FLIP_S):
                _put(gateway, dice.choice([*pair.routes]), dice.choice(["legacy", "new"]))
        except Exception as error:  # noqa: BLE001 - told to the trial, which waits for it
            broken.append(error)

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        yield
    finally:
        over.set()
        flipping.join()
    if broken:
        raise broken[0]


WAYS: Final[Mapping[str, Callable[[Running, Pair], Any]]] = {
    "on legacy": lambda gateway, pair: _all_on("legacy", gateway, pair),
    "on new": lambda gateway, pair: _all_on("new", gateway, pair),
    "while flags flip": _flipping,
}

if __name__ == "__main__":
    main("clients", trial, __doc__)
