"""The loads: what is asked, over how many connections, of whom. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PATH: Final = "/api/items/42"
ALL: Final = ("strangler", "strangler-asgi", "nginx", "haproxy", "caddy", "hpm", "fastify", "tutorial")
OURS: Final = ("strangler", "strangler-asgi", "nginx")
UPLOADS: Final = (*OURS, "haproxy", "caddy")
DIRECT: Final = "direct"  # no front at all
HANDLER: Final = "handler"  # the new side's app alone, on uvicorn
KB: Final = 1024


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic; `fronts` are those whom it tells something, `at_least_s` is its shortest slice.

    `only_new`: the callers are those of a canary's cohort, so that the new side answers each of them.
    `one_core`: the front joins the load and the upstream on their core, so that none has to be woken.
    """

    name: str
    says: str
    connections: int
    path: str = PATH
    script: str | None = None
    upstream: str = "nginx"
    fronts: tuple[str, ...] = ALL
    at_least_s: int = 1
    only_new: bool = False
    one_core: bool = False


def _stage(stage: str, says: str) -> Load:
    return Load(stage, f"1 KB GET, 64 connections, {says}", 64, f"/api/{stage}/42", "callers.lua", fronts=OURS)


def _upload(name: str, says: str, connections: int) -> Load:
    return Load(name, says, connections, "/upload", f"{name}.lua", upstream="streams", fronts=UPLOADS)


_EVERY: Final = (
    Load("get-1", "1 KB GET, 1 connection", 1, fronts=(*ALL, DIRECT)),
    Load("get-1-core", "1 KB GET, 1 connection, all on one core", 1, fronts=(*OURS, DIRECT), one_core=True),
    *(Load(f"get-{many}", f"1 KB GET, {many:,} connections", many) for many in (16, 64)),
    Load("post-64", "1 KB POST, 1 KB answer, 64 connections", 64, script="post.lua"),
    Load("down-100k", "100 KB answer, 64 connections", 64, "/files/100k"),
    Load("down-10m", "10 MB answer, 16 connections", 16, "/files/10m"),
    Load("express-64", "1 KB GET, 64 connections, Express behind", 64, upstream="express"),
    _upload("post-100k", "100 KB POST, 1 KB answer, 64 connections", 64),
    _upload("post-10m", "10 MB POST, 1 KB answer, 16 connections", 16),
    _stage("legacy", "a flag's route, legacy answers"),
    _stage("shadow", "every read copied and compared"),
    _stage("canary", "half of the callers on the new side"),
    _stage("new", "the new side answers"),
    _stage("retired", "legacy is not contacted any more"),
    Load(
        "canary-own",
        "1 KB GET, 64 connections, callers of the cohort of a canary at 50 %",
        64,
        "/api/canary/42",
        "callers.lua",
        fronts=("strangler", "strangler-asgi", HANDLER),
        only_new=True,
    ),
    # the last ones: not every peer recovers from them
    Load("get-256", "1 KB GET, 256 connections", 256),
    Load("get-1000", "1 KB GET, 1,000 connections", 1_000, at_least_s=4),  # some need a second for a first answer
    Load("routes-64", "1 KB GET, 64 connections, many routes", 64, fronts=("strangler", "strangler-many", "nginx")),
)
LOADS: Final = {load.name: load for load in _EVERY}
USUAL: Final = tuple(name for name in LOADS if name not in ("get-16", "get-256"))
