"""Takes secrets out of what a finding would keep. Pure; every step costs linear time in a bounded text.

A value is secret when the name it stands under looks like one: in the place of a mismatch, in JSON, in queries
and forms, in `Name: value` lines, in XML; or when it looks like a credential by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.diff.value import cut
from gateway.diff.verdict import Mismatch, Verdict
from gateway.shadow.secrets import SHOWN, is_secret, is_secret_in_query, unescaped, without_credentials

HIDDEN: Final = f'"{SHOWN}"'
MAX_TARGET: Final = 4_096  # characters of a target that a finding keeps

_MEMBER: Final = re.compile(r'"((?:[^"\\]|\\.){1,200})"\s*:\s*')
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*\\?(?:"|$)|[^,}\]\s]+|')
_PAIR: Final = re.compile(r"(?<![^\s?&#;,=\"'<>{}()])([^\s?&#;,=\"'<>{}()]+)=")  # only from a name's start: linear
_PAIR_VALUE: Final = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^\s&;#\"'<>]*")
_LINE: Final = re.compile(r"(?<![\w.-])([\w.-]{1,200})'?\s{0,20}:\s{0,20}")
_LINE_VALUE: Final = re.compile(r"[^\r\n\"<]*")
_ELEMENT: Final = re.compile(r"<([\w:.-]{1,100})(?:\s[^<>]{0,200})?>")
_ELEMENT_VALUE: Final = re.compile(r"[^<]*")
_ESCAPED_QUOTE: Final = re.compile(r'\\+"')
_CUT: Final = re.compile(r"(?:\\(?:u[0-9a-f]{0,3})?)?…$")  # the end of a cut text, which may lie within an escape


def redact_target(target: bytes) -> str:
    """The target as text, with what is secret in its path and query hidden; its first 4,096 characters."""
    text = without_credentials(cut(target[: MAX_TARGET + 1].decode("latin-1"), MAX_TARGET))  # `//user@` spans parts
    path, question, query = text.partition("?")
    return "/".join(map(_part, path.split("/"))) + question + "&".join(map(_part, query.split("&")))


def redact_verdict(verdict: Verdict) -> Verdict:
    """The verdict with every secret-looking value hidden, in mismatches and allowed ones alike."""
    return replace(
        verdict,
        mismatches=tuple(map(_redact, verdict.mismatches)),
        allowed=tuple(replace(one, mismatch=_redact(one.mismatch)) for one in verdict.allowed),
        reason=without_credentials(verdict.reason),
    )


def _redact(mismatch: Mismatch) -> Mismatch:
    hide = any(map(is_secret, mismatch.where.split("/")))
    return replace(
        mismatch,
        where=without_credentials(mismatch.where),
        control=_value(mismatch.control, hide),
        candidate=_value(mismatch.candidate, hide),
    )


def _value(value: str | None, hide: bool) -> str | None:
    """A JSON text, perhaps cut. A string is read first: what stands in it has quotes and lines of its own."""
    if value is None or hide:
        return None if value is None else HIDDEN
    if not value.startswith('"'):
        return cut(_free(value))
    whole = not value.endswith("…")
    try:
        text = json.loads(value if whole else _CUT.sub('"', value), strict=False)
    except ValueError:
        return cut(_free(value))
    shown = json.dumps(_free(text), ensure_ascii=False)
    return cut(shown if whole else shown[:-1] + "…")


def _free(text: str) -> str:
    """Any text, without what stands under a secret name in it; JSON within JSON goes whole if it has one."""
    shown = _named(without_credentials(text))
    plain = _ESCAPED_QUOTE.sub('"', shown)
    return shown if plain == shown or _named(plain) == plain else SHOWN


def _named(text: str) -> str:
    text = _hide(text, _MEMBER, is_secret, _json_end, HIDDEN)
    text = _hide(text, _PAIR, is_secret_in_query, _end(_PAIR_VALUE), SHOWN)
    text = _hide(text, _LINE, is_secret, _end(_LINE_VALUE), SHOWN)
    return _hide(text, _ELEMENT, is_secret, _end(_ELEMENT_VALUE), SHOWN)


def _part(part: str) -> str:
    """A segment of a path or a parameter of a query; one that shows a secret only once unescaped goes whole."""
    shown = _free(part)
    plain = unescaped(shown)
    if plain == shown or _free(plain) == plain:
        return shown
    name, equals, _ = shown.partition("=")
    plain = unescaped(name)
    return f"{name}={SHOWN}" if equals and _free(plain) == plain else SHOWN


def _hide(
    text: str, names: re.Pattern[str], secret: Callable[[str], bool], end: Callable[[str, int], int], instead: str
) -> str:
    """The text with the values behind secret names replaced; behind other names it looks on at once."""
    pieces: list[str] = []
    at = 0
    while found := names.search(text, at):
        pieces.append(text[at : found.end()])
        at = found.end()
        if secret(found.group(1)):
            behind = end(text, at)
            if behind > at:
                pieces.append(instead)
            at = behind
    return "".join([*pieces, text[at:]])


def _end(value: re.Pattern[str]) -> Callable[[str, int], int]:
    def end(text: str, at: int) -> int:
        found = value.match(text, at)
        return at if found is None else found.end()

    return end


def _json_end(text: str, at: int) -> int:
    """Where the JSON value that begins here ends, or the text does: everything within it goes."""
    depth = 0
    while at < len(text):
        if text[at] in "[{":
            depth, at = depth + 1, at + 1
        elif text[at] in "]}":
            depth, at = depth - 1, at + 1
        elif text[at] in ",:" or text[at].isspace():
            at += 1
        else:
            at = _end(_STRING)(text, at)
        if depth <= 0:
            return at
    return at
