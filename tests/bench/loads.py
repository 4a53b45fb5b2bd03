"""The loads: what is asked, over how many connections, of whom. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PATH: Final = "/api/items/42"
ALL: Final = ("strangler", "nginx", "haproxy", "caddy", "hpm", "fastify", "tutorial")
OURS: Final = ("strangler", "nginx")
KB: Final = 1024


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic; `fronts` are those whom it tells something, `at_least_s` is its shortest slice."""

    name: str
    says: str
    connections: int
    path: str = PATH
    script: str | None = None
    upstream: str = "nginx"
    fronts: tuple[str, ...] = ALL
    at_least_s: int = 1


def _stage(stage: str, says: str) -> Load:
    return Load(stage, f"1 KB GET, 64 connections, {says}", 64, f"/api/{stage}/42", "callers.lua", fronts=OURS)


_EVERY: Final = (
    *(Load(f"get-{many}", f"1 KB GET, {many:,} connections", many) for many in (1, 16, 64)),
    Load("post-64", "1 KB POST, 1 KB answer, 64 connections", 64, script="post.lua"),
    Load("down-100k", "100 KB answer, 64 connections", 64, "/files/100k"),
    Load("down-10m", "10 MB answer, 16 connections", 16, "/files/10m"),
    Load("express-64", "1 KB GET, 64 connections, Express behind", 64, upstream="express"),
    _stage("shadow", "every read copied and compared"),
    _stage("canary", "half of the callers on the new side"),
    _stage("new", "the new side answers"),
    # the last ones: not every peer recovers from them
    Load("get-256", "1 KB GET, 256 connections", 256),
    Load("get-1000", "1 KB GET, 1,000 connections", 1_000, at_least_s=4),  # some need a second for a first answer
    Load("routes-64", "1 KB GET, 64 connections, many routes", 64, fronts=("strangler", "strangler-many", "nginx")),
)
LOADS: Final = {load.name: load for load in _EVERY}
USUAL: Final = ("get-64", "post-64", "down-100k", "shadow", "canary", "new", "get-1000", "express-64")
