"""What a request's name stands for: its method, its body, its answer, and what goes wrong on the way.

Client, legacy and new side know each plan from the name alone, so each can judge what the gateway has handed it.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

NAME: Final = b"x-soak"  # on a request its name, on an answer the name of the request it answers
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH"})
_PATHS: Final = {
    "GET": ("/reads/{}", "/others/{}", "/unrouted/{}"),
    "POST": ("/writes/{}", "/unrouted/{}"),
    "PATCH": ("/writes/{}",),
    "PUT": ("/uploads/{}",),
}
ROUTES: Final = {
    "reads.get": "GET /reads/{id}",
    "others.get": "GET /others/{id}",
    "writes.create": "POST /writes/{id}",
    "writes.change": "PATCH /writes/{id}",
    "uploads.put": "PUT /uploads/{id}",
}


class Fate(Enum):
    """What becomes of a request at its side."""

    WHOLE = "answered"
    EARLY = "answered before its body has come"
    EXTRA = "answered, and a second answer follows that nobody asked for"
    RESET_FIRST = "reset before the answer"
    RESET_WITHIN = "reset within the answer"
    GARBAGE = "answered with something that is no answer"


class Framing(Enum):
    """How a message says where its body ends."""

    SIZED = "sized"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"


EXCUSING: Final = frozenset({Fate.RESET_FIRST, Fate.RESET_WITHIN, Fate.GARBAGE})


@dataclass(frozen=True, slots=True)
class Plan:
    """One request. `upload` and `size` are bytes of the request's and of the answer's body."""

    name: str
    method: str
    path: str
    upload: int | None
    upload_framing: Framing
    size: int
    framing: Framing
    fate: Fate

    @property
    def status(self) -> int:
        return 413 if self.fate is Fate.EARLY else 200


@lru_cache(maxsize=1024)
def plan_of(name: str) -> Plan:
    """The plan for a name."""
    dice = random.Random(name)
    method = dice.choices(("GET", "POST", "PATCH", "PUT"), (60, 20, 8, 12))[0]
    fate = _fate(dice, uploads=method in UNSAFE)
    size = dice.randrange(1000) if fate is Fate.EXTRA else _size(dice, 300_000)  # one segment: see `legacy.py`
    if fate is Fate.RESET_WITHIN:
        size += 1
    return Plan(
        name=name,
        method=method,
        path=dice.choice(_PATHS[method]).format(name),
        upload=_size(dice, 200_000) if method in UNSAFE else None,
        upload_framing=dice.choice((Framing.SIZED, Framing.CHUNKED)),
        size=size,
        framing=Framing.SIZED if fate is Fate.EXTRA else dice.choices([*Framing], (60, 30, 10))[0],
        fate=fate,
    )


def answer_body(plan: Plan) -> bytes:
    """The bytes that answer this request and no other."""
    return _bytes("answer", plan.name, plan.size)


def upload_body(plan: Plan) -> bytes:
    """The bytes that this request brings and no other."""
    return _bytes("upload", plan.name, plan.upload or 0)


def _fate(dice: random.Random, *, uploads: bool) -> Fate:
    fates = (Fate.EXTRA, Fate.RESET_FIRST, Fate.RESET_WITHIN, Fate.GARBAGE, Fate.EARLY, Fate.WHOLE)
    return dice.choices(fates, (1, 1, 1, 1, 5 if uploads else 0, 100))[0]


def _size(dice: random.Random, most: int) -> int:
    return dice.randrange(dice.choices((1, 2_000, 20_000, most + 1), (5, 60, 25, 10))[0])


@lru_cache(maxsize=256)
def _bytes(what: str, name: str, size: int) -> bytes:
    return hashlib.shake_128(f"{what} {name}".encode()).digest(size)
