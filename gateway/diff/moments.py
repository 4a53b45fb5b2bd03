"""Moments that headers name, as far as the answer is from them: two sides never answer at the same one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

SLACK_S: Final = 60  # between two moments that were computed from the clock
LONG_AGO: Final = 2000  # what ended in an earlier year is over, whatever the clock says
_SECONDS: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # stands for the Date of two answers that have none


@dataclass(frozen=True, slots=True)
class Ahead:
    """How long after its answer a moment is; exact where the answer says seconds, 0 where it is over."""

    seconds: float
    is_exact: bool

    def is_like(self, other: Ahead) -> bool:
        """Whether both are as far ahead; what is over is not like what is to come, however soon."""
        if (self.seconds > 0) is not (other.seconds > 0):
            return False
        return abs(self.seconds - other.seconds) <= (0 if self.is_exact and other.is_exact else SLACK_S)


def moment_of(date: str | None) -> datetime | None:
    """The moment an HTTP date names, None when it names none; one without a zone is UTC (RFC 6265 section 5.1.1)."""
    try:
        found = None if date is None else parsedate_to_datetime(date[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def expiry(text: str, now: datetime | None) -> Ahead:
    """When an answer goes stale by Expires; what is no date has gone stale already (RFC 9111 section 5.3)."""
    return _ahead(text, now) or Ahead(0, is_exact=False)


def wait(text: str, now: datetime | None) -> Ahead | str:
    """How long Retry-After asks to wait, in either form (RFC 9110 section 10.2.3); the text where it is neither."""
    return Ahead(float(text), is_exact=True) if _SECONDS.fullmatch(text) else _ahead(text, now) or text


def _ahead(text: str, now: datetime | None) -> Ahead | None:
    named = moment_of(text)
    if named is None:
        return None
    seconds = 0.0 if named.year < LONG_AGO else (named - (now or _NEVER)).total_seconds()
    return Ahead(max(seconds, 0.0), is_exact=False)
