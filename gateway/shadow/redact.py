"""Takes secrets out of what a finding would keep. Pure.

A value is secret when the name it stands under looks like one. Too much is taken rather than too little.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from gateway.diff.verdict import Mismatch, Verdict

HIDDEN: Final = '"(hidden)"'
_WORDS: Final = (
    r"pass(word|wd)?|secret|token|jwt|api[-_]?key|auth(orization)?|cookie|session|credential|signature|pin|otp"
)
_SECRET_NAME: Final = re.compile(rf"(^|[^a-z])({_WORDS})([^a-z]|$)|password|secret|token|apikey", re.IGNORECASE)
_SECRET_IN_JSON: Final = re.compile(
    rf'("[^"]*(?:{_WORDS})[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^,}}\]\s]+)', re.IGNORECASE
)
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")


def redact_target(target: bytes) -> str:
    """The target as text, with the values of secret-looking query parameters hidden."""
    path, question, query = target.decode("latin-1").partition("?")
    if not question:
        return _JWT.sub("(hidden)", path)
    pairs = [_pair(pair) for pair in query.split("&")]
    return _JWT.sub("(hidden)", path + "?" + "&".join(pairs))


def redact_verdict(verdict: Verdict) -> Verdict:
    """The verdict with every secret-looking value hidden, in mismatches and allowed ones alike."""
    return replace(
        verdict,
        mismatches=tuple(map(_redact, verdict.mismatches)),
        allowed=tuple(replace(one, mismatch=_redact(one.mismatch)) for one in verdict.allowed),
    )


def _redact(mismatch: Mismatch) -> Mismatch:
    hide = any(_SECRET_NAME.search(part) for part in mismatch.where.split("/"))
    return replace(mismatch, control=_text(mismatch.control, hide), candidate=_text(mismatch.candidate, hide))


def _text(value: str | None, hide: bool) -> str | None:
    if value is None or hide:
        return None if value is None else HIDDEN
    return _JWT.sub("(hidden)", _SECRET_IN_JSON.sub(rf"\1{HIDDEN}", value))


def _pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}=(hidden)" if equals and _SECRET_NAME.search(name) else pair
