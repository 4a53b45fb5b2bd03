"""A tester's signed token that says which side answers: reading, checking and making one. No clock: `now` is given.

A token is a JWT (HS256 and nothing else) with its own `typ`, so that no other token signed with the same secret passes
for one. Whatever is wrong with it, the request is decided as if it had none; the cause is for the counters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from gateway.message import Headers, Side
from gateway.rollout.decide import Decision
from gateway.routing.route import Route

if TYPE_CHECKING:
    from gateway.rollout.signature import Signature

NAME: Final = b"x-strangler-override"  # of the header and of the cookie
REASON: Final = "override"
MOST_BYTES: Final = 1_024
MOST_S: Final = 24 * 3_600
LEEWAY_S: Final = 60  # that the clock of whoever made the token may be ahead
MOST_KEPT: Final = 256  # tokens that need not be checked again
TYPE: Final = "strangler-override+jwt"
_END_OF_TIME: Final = 2**40  # seconds; what a float can hold exactly, and no infinity
_UNMOVED: Final = frozenset({"panic", "stage_retired"})  # decisions that no tester overrules


class Ignored(StrEnum):
    """Why a token changes nothing."""

    AMBIGUOUS = "ambiguous"  # two headers, or two cookies
    TOO_LONG = "too_long"
    NOT_SIGNED = "not_signed"  # no JWT, or not signed with our secret, or by another algorithm
    WRONG_CLAIMS = "wrong_claims"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    LIVES_TOO_LONG = "lives_too_long"


@dataclass(frozen=True, slots=True)
class Override:
    """What a valid token says: the side, for which routes (None: all) or for which group, until when."""

    side: Side
    routes: frozenset[str] | None
    group: str | None
    until: float
    id: str

    def covers(self, route: Route) -> bool:
        """Whether the token is about this route."""
        if self.routes is None and self.group is None:
            return True
        return route.group == self.group or (self.routes is not None and route.key in self.routes)


class Overrides:
    """Checks tokens signed with one secret; keeps those that were right, because a tester's page has many requests."""

    def __init__(self, secret: str) -> None:
        # not above: JOSE is slow to import, and a gateway without a secret for testers needs none of it
        from gateway.rollout.signature import Signature

        self._signature = Signature(secret, TYPE)
        self._known: dict[bytes, Override] = {}

    def read(self, headers: Headers, now: float) -> Override | Ignored | None:
        """What a request's headers (names in lower case) say; None when they hold no token. `now` in Unix seconds."""
        found = [value for name, value in headers if name == NAME]
        found = found or [token for name, value in headers if name == b"cookie" for token in _in_cookie(value)]
        if not found:
            return None
        return Ignored.AMBIGUOUS if len(found) > 1 else self._check(found[0].strip(), now)

    def _check(self, token: bytes, now: float) -> Override | Ignored:
        known = self._known.get(token)
        if known is not None:
            return known if now < known.until else Ignored.EXPIRED
        checked = Ignored.TOO_LONG if len(token) > MOST_BYTES else _verified(token, self._signature, now)
        if isinstance(checked, Override):
            while len(self._known) >= MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[token] = checked
        return checked


def overridden(decision: Decision, override: Override, route: Route, *, has_new: bool) -> Decision:
    """The decision as the tester wants it, where that is safe; it is never copied, and so never evidence.

    A panic and a retired route stand; a new side that is not there cannot be chosen.
    """
    if not override.covers(route) or decision.reason in _UNMOVED or (override.side is Side.NEW and not has_new):
        return decision
    return Decision(override.side, None, REASON)


def without_override(cookie: bytes) -> bytes:
    """A Cookie header's value without our cookie, every other byte as it was; empty when nothing else was in it."""
    if NAME not in cookie:
        return cookie
    kept = [pair for pair in cookie.split(b";") if _name(pair) != NAME]
    return b";".join(kept).lstrip(b" \t")


def issue(
    secret: str, *, side: Side, now: float, life_s: float, token_id: str, routes: Iterable[str] = (), group: str = ""
) -> str:
    """A signed token. `life_s` above 24 hours makes one that no gateway takes."""
    claims: dict[str, Any] = {"side": side.value, "iat": int(now), "exp": int(now) + int(life_s), "jti": token_id}
    if routes := list(routes):
        claims["routes"] = routes
    if group:
        claims["group"] = group
    from gateway.rollout.signature import Signature  # not above, as in Overrides

    return Signature(secret, TYPE).sign(claims)


def _in_cookie(value: bytes) -> list[bytes]:
    if NAME not in value:
        return []
    return [pair.partition(b"=")[2].strip() for pair in value.split(b";") if _name(pair) == NAME]


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip(b" \t")


def _verified(token: bytes, signature: Signature, now: float) -> Override | Ignored:
    claims = signature.claims(token)
    return Ignored.NOT_SIGNED if claims is None else _read(claims, now)


def _read(claims: Mapping[str, Any], now: float) -> Override | Ignored:
    issued, expires, token_id = claims.get("iat"), claims.get("exp"), claims.get("jti")
    routes, group = claims.get("routes"), claims.get("group")
    if not (_is_time(issued) and _is_time(expires) and isinstance(token_id, str) and token_id):
        return Ignored.WRONG_CLAIMS
    if claims.get("side") not in tuple(Side) or not (group is None or isinstance(group, str)):
        return Ignored.WRONG_CLAIMS
    if not (routes is None or (isinstance(routes, list) and all(isinstance(one, str) for one in routes))):
        return Ignored.WRONG_CLAIMS
    if expires - issued > MOST_S:
        return Ignored.LIVES_TOO_LONG
    if issued > now + LEEWAY_S:
        return Ignored.NOT_YET
    if now >= expires:
        return Ignored.EXPIRED
    named = None if routes is None else frozenset(routes)
    return Override(Side(claims["side"]), named, group, expires, token_id)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME
