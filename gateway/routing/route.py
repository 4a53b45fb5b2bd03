"""A route as its file defines it. It knows nothing of flags, sides' addresses or requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.routing.template import Template


class Effect(StrEnum):
    """What a request of this route does to the system behind it."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    WRITE = "write"


class StickinessKind(StrEnum):
    """Where the stickiness key is read."""

    JWT_SUB = "jwt.sub"
    HEADER = "header"
    COOKIE = "cookie"
    CLIENT_IP = "client_ip"


class ShadowWrite(StrEnum):
    """Whether a write of this route may be tried on the new side beside legacy's."""

    NEVER = "never"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Stickiness:
    """Whose bucket counts: the JWT's subject, a named header or cookie, or the client's address."""

    kind: StickinessKind
    name: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Stickiness:
        """Read `jwt.sub`, `client_ip`, `header:NAME` or `cookie:NAME`; ValueError says what else was found."""
        if text in (StickinessKind.JWT_SUB, StickinessKind.CLIENT_IP):
            return cls(StickinessKind(text))
        kind, colon, name = text.partition(":")
        if not colon or not name or kind not in (StickinessKind.HEADER, StickinessKind.COOKIE):
            raise ValueError(f"{text!r} is none of jwt.sub, client_ip, header:NAME, cookie:NAME")
        encoded = name.encode("ascii")
        return cls(StickinessKind(kind), encoded.lower() if kind == StickinessKind.HEADER else encoded)


class WayBack(StrEnum):
    """Who takes a route back that goes wrong in canary or new."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a route is held to before it goes forward, and after.

    `target` and `errors` are shares from 0 to 1: of comparisons that mismatch, of requests the new side fails.
    `slack_ms` is how much longer than legacy the new side may take.
    """

    target: float = 0.001
    errors: float = 0.01
    slack_ms: float = 5.0
    rollback: WayBack = WayBack.AUTOMATIC


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the migration: a method and a path, what they do, and who counts as the same caller.

    `new_path` is the template on the new side (the legacy one when the file names none).
    `timeout_s` is the time a side has until the first byte of its answer, None for the gateway's default.
    `rescue`: legacy answers where the new side fails before anything of it stays.
    `redact` names values that evidence hides beside those whose names look secret, in lower case.
    """

    key: str
    method: str
    template: Template
    effect: Effect
    group: str
    stickiness: Stickiness
    new_path: Template
    shadow_write: ShadowWrite = ShadowWrite.NEVER
    timeout_s: float | None = None
    terms: Terms = Terms()
    redact: frozenset[str] = frozenset()
    rescue: bool = False
