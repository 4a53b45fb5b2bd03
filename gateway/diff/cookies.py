"""When two sets of cookies are the same: by name and attributes and how long they live, never by value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.diff.moments import LONG_AGO, SLACK_S, moment_of

_AGE: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NO_CASE: Final = frozenset({"samesite", "domain", "priority"})


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie as a client keeps it: its name, its attributes, and when it goes (RFC 6265 section 5.2).

    `life_s` is None for one that goes with the session, or at a moment whose distance nobody knows.
    """

    name: str
    attributes: frozenset[tuple[str, str]]
    ends: str  # "", "at once", "later"
    is_empty: bool
    life_s: float | None
    is_exact: bool

    @property
    def said(self) -> tuple[str, frozenset[tuple[str, str]], str, bool]:
        """What two sides must say alike; the value of a cookie that goes at once is nobody's."""
        return self.name, self.attributes, self.ends, self.is_empty and self.ends != "at once"


def cookies(lines: list[str], now: datetime | None) -> list[Cookie]:
    """The cookies of Set-Cookie lines; `now` is the answer's own Date."""
    return [_cookie(line, now) for line in lines]


def same_cookies(control: list[Cookie], candidate: list[Cookie]) -> bool:
    """Whether a client ends up with the same cookies, whatever they hold; a later one replaces an earlier one."""
    mine, theirs = ({cookie.said: cookie for cookie in side} for side in (control, candidate))
    return mine.keys() == theirs.keys() and all(_live_alike(cookie, theirs[said]) for said, cookie in mine.items())


def shown(cookie: Cookie) -> str:
    """What a report may show: a value may open somebody's session."""
    said = sorted(f"{name}={value}" if value else name for name, value in cookie.attributes)
    lives = [] if cookie.life_s is None or cookie.ends == "at once" else [f"lives {cookie.life_s:.0f} s"]
    return "; ".join([cookie.name, *said, *([f"ends {cookie.ends}"] if cookie.ends else []), *lives])


def _live_alike(one: Cookie, other: Cookie) -> bool:
    if one.ends != "later" or one.life_s is None or other.life_s is None:
        return True
    return abs(one.life_s - other.life_s) <= (0 if one.is_exact and other.is_exact else SLACK_S)


def _cookie(line: str, now: datetime | None) -> Cookie:
    pair, *rest = line.split(";")
    name, _, value = pair.partition("=")
    attributes: set[tuple[str, str]] = set()
    age = expires = None
    for attribute in rest:
        key, _, text = (part.strip() for part in attribute.partition("="))
        match key.lower():
            case "max-age":
                age = int(text) if _AGE.fullmatch(text) else age
            case "expires":
                expires = moment_of(text) or expires
            case "domain":
                attributes.add(("domain", text.lower().removeprefix(".")))
            case "":
                pass
            case lowered:
                attributes.add((lowered, text.lower() if lowered in _NO_CASE else text))
    ends, life_s = _end(age, expires, now)
    is_empty = value.strip() in ("", '""')
    return Cookie(name.strip(), frozenset(attributes), ends, is_empty, life_s, age is not None)


def _end(age: int | None, expires: datetime | None, now: datetime | None) -> tuple[str, float | None]:
    """Max-Age goes before Expires (RFC 6265 section 5.3)."""
    if age is not None:
        return ("later", float(age)) if age > 0 else ("at once", None)
    if expires is None:
        return "", None
    if expires.year < LONG_AGO:
        return "at once", None
    if now is None:
        return "later", None
    life_s = (expires - now).total_seconds()
    return ("later", life_s) if life_s > 0 else ("at once", None)
