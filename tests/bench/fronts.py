"""The peers: what stands between load and upstream in place of the gateway, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import needs
from tests.bench.loads import HANDLER
from tests.bench.process import FRONT_CORE, Child, Children, Command, free_port


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a front listens, which port its upstream has, and a folder for its files."""

    port: int
    upstream: int
    mark: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Front:
    """A running front. `warm_s` seconds of load come before its first figure."""

    name: str
    child: Child
    port: int
    warm_s: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Another proxy: the program it needs, and the command that runs it."""

    title: str
    program: str
    command: Callable[[Spot], Command]
    warm_s: int = 1


def start(name: str, children: Children, *, upstream: int, mark: str, folder: Path) -> Front:
    """Start a peer or what is measured alone, and wait until it listens; NotStarted says why it does not."""
    peer = PEERS.get(name) or ALONE[name]
    spot = Spot(free_port(), upstream, mark, folder)
    child = children.start(name, peer.command(spot), core=FRONT_CORE)
    child.wait_for(spot.port)
    return Front(name, child, spot.port, peer.warm_s)


def written(template: str, target: Path, values: Mapping[str, object]) -> Path:
    """A configuration from `peers/`, with each @name@ replaced."""
    text = (needs.PEERS / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target


def program(name: str) -> str:
    """A program's path; the run has made sure that it is there."""
    found = needs.find(name)
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def _nginx(spot: Spot) -> Command:
    return nginx("nginx", "nginx.conf", spot.folder, {"port": spot.port, "upstream": spot.upstream})


def nginx(name: str, server: str, folder: Path, values: Mapping[str, object]) -> Command:
    """One nginx worker with a server from `peers/`."""
    everything = {"folder": folder, "name": name, "user": needs.own_user(), **values}
    own = written(server, folder / f"{name}.server.conf", everything)
    whole = written("http.conf", folder / f"{name}.conf", {"server": f"include {own};", **everything})
    return Command([program("nginx"), "-c", str(whole)])


def _haproxy(spot: Spot) -> Command:
    values = {"port": spot.port, "upstream": spot.upstream}
    return Command([program("haproxy"), "-db", "-f", str(written("haproxy.cfg", spot.folder / "haproxy.cfg", values))])


def _caddy(spot: Spot) -> Command:
    values = {"port": spot.port, "upstream": spot.upstream, "folder": spot.folder}
    config = written("Caddyfile", spot.folder / "Caddyfile", values)
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(spot.folder))
    argv = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]
    return Command(argv, {"GOMAXPROCS": "1", **homes})


def node(script: str, *arguments: str) -> Command:
    """A script of `peers/`, with the modules of the cache."""
    environment = {"NODE_ENV": "production", "NODE_PATH": str(needs.MODULES)}
    return Command([program("node"), str(needs.PEERS / script), *arguments], environment)


def _http_proxy_middleware(spot: Spot) -> Command:
    return node("http_proxy_middleware.cjs", str(spot.port), f"http://127.0.0.1:{spot.upstream}")


def _fastify(spot: Spot) -> Command:
    return node("fastify_http_proxy.cjs", str(spot.port), f"http://127.0.0.1:{spot.upstream}")


def _tutorial(spot: Spot) -> Command:
    app = ["tests.bench.peers.tutorial:app", "--app-dir", str(needs.REPOSITORY)]
    quiet = ["--no-access-log", "--log-level", "warning", "--backlog", "4096"]
    argv = [sys.executable, "-m", "uvicorn", *app, "--host", "127.0.0.1", "--port", str(spot.port), *quiet]
    return Command(argv, {"UPSTREAM": f"http://127.0.0.1:{spot.upstream}"})


def _handler(spot: Spot) -> Command:
    """The new side's app with the server, loop, parser and settings that the gateway has, and no gateway."""
    app = ["tests.bench.newside:build", "--factory", "--app-dir", str(needs.REPOSITORY), "--lifespan", "off"]
    same = ["--loop", "uvloop", "--http", "httptools", "--no-proxy-headers", "--no-server-header", "--no-date-header"]
    quiet = ["--no-access-log", "--log-level", "warning", "--backlog", "2048"]
    argv = [sys.executable, "-m", "uvicorn", *app, "--host", "127.0.0.1", "--port", str(spot.port), *same, *quiet]
    return Command(argv, {"BENCH_MARK": spot.mark})


NODE_WARM_S: Final = 8  # its compiler needs several seconds of load

PEERS: Final[Mapping[str, Peer]] = {
    "nginx": Peer("nginx, proxy_pass with keep-alive", "nginx", _nginx),
    "haproxy": Peer("HAProxy, one thread", "haproxy", _haproxy),
    "caddy": Peer("Caddy, GOMAXPROCS=1", "caddy", _caddy),
    "hpm": Peer("express + http-proxy-middleware, keep-alive agent", "node", _http_proxy_middleware, NODE_WARM_S),
    "fastify": Peer("@fastify/http-proxy", "node", _fastify, NODE_WARM_S),
    "tutorial": Peer("starlette + httpx, as tutorials do it", sys.executable, _tutorial),
}

ALONE: Final[Mapping[str, Peer]] = {HANDLER: Peer("the new side's app alone on uvicorn", sys.executable, _handler)}
