"""Takes secrets out of what a finding would keep. Pure; every step costs linear time in a bounded text.

A value is secret when the name it stands under looks like one: in the place of a mismatch, in JSON, in queries
and forms, in `Name: value` lines, in XML; when its route says so of the name; or when it looks like a credential by
itself. What stands for it in evidence is a keyed token: equal secrets stay equal, and nobody without the key can try
which secret it was. In logs it is the same for all.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from secrets import token_bytes
from typing import Final

from gateway.diff.value import cut
from gateway.diff.verdict import Mismatch, Verdict
from gateway.shadow.secrets import (
    Mask,
    blank,
    is_secret,
    is_secret_in_query,
    unescaped,
    without_credentials,
    without_values_of_tags,
)

MAX_TARGET: Final = 4_096  # characters of a target that a finding keeps
TOKEN: Final = re.compile(r"\(hidden(?:-[0-9a-f]{12})?\)")

_End = Callable[[str, int], int]  # where in a text the value that begins there ends
_MEMBER: Final = re.compile(r'"((?:[^"\\]|\\.){1,200})"\s*:\s*')
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*\\?(?:"|$)|[^,}\]\s]+|')
_PAIR: Final = re.compile(r"(?<![^\s?&#;,=\"'<>{}()])([^\s?&#;,=\"'<>{}()]+)=")  # only from a name's start: linear
_PAIR_VALUE: Final = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^\s&;#\"'<>]*")
_LINE: Final = re.compile(r"(?<![\w.-])([\w.-]{1,200})'?\s{0,20}:\s{0,20}")
_LINE_VALUE: Final = re.compile(r"[^\r\n\"<]*")
_ELEMENT: Final = re.compile(r"<([\w:.-]{1,100})(?:\s[^<>]{0,200})?>")
_ELEMENT_VALUE: Final = re.compile(r"(?:<!\[CDATA\[[^\]]*(?:\](?!\]>)[^\]]*)*(?:\]\]>)?|[^<])*")
_KEY: Final = re.compile(r"\(([^()=\r\n]{1,200})\)=")  # as PostgreSQL tells of a duplicate: `Key (token)=(...)`
_KEY_VALUE: Final = re.compile(r"\([^()\r\n]*\)?")
_BEHIND_NAMES: Final = re.compile(r"[<=:(]")  # nothing above is found without one of these
_NO_TEXT: Final = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_QUOTE: Final = re.compile(r'\\*"')
_ESCAPED_QUOTE: Final = re.compile(r'\\+"')
_CUT: Final = re.compile(r"(?:\\(?:u[0-9a-f]{0,3})?)?…$")  # the end of a cut text, which may lie within an escape
# a long mix of letters and digits that no person made up: what follows a word like `reset` or `session` in a path
_RANDOM: Final = re.compile(r"(?=(?:[^0-9]*[0-9]){3})(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_~.=-]{16,}")


class Keyed:
    """The mask that gives equal secrets equal tokens (HMAC-SHA-256, 48 bits of it); a token stays as it is.

    Its key is random until the installation's own is known.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or token_bytes(32)

    def __call__(self, secret: str) -> str:
        """The token of a secret, with or without its quotes."""
        bare = secret.strip("\"'")
        if TOKEN.fullmatch(bare):
            return bare
        return f"(hidden-{hmac.digest(self.key, bare.encode('utf-8', 'surrogatepass'), 'sha256').hex()[:12]})"


class Redactor:
    """Redacts with one mask. `names` are further names of secret values, in lower case."""

    def __init__(self, mask: Mask = blank, names: frozenset[str] = frozenset()) -> None:
        self.mask = mask
        self._names = names

    def is_secret(self, name: str) -> bool:
        """Whether a field, header or parameter of this name holds a secret, whatever its spelling and escaping."""
        return is_secret(name) or (bool(self._names) and unescaped(name).lower() in self._names)

    def target(self, target: bytes) -> str:
        """The target as text, with what is secret in its path and query hidden; its first 4,096 characters."""
        text = cut(target[: MAX_TARGET + 1].decode("latin-1"), MAX_TARGET)
        text = without_credentials(text, self.mask)  # `//user@` spans parts
        path, question, query = text.partition("?")
        return "/".join(self._hidden_behind_names(path, self._part)) + question + self.form(query)

    def form(self, text: str) -> str:
        """A query or a form, parameter by parameter."""
        return "&".join(map(self._part, text.split("&")))

    def verdict(self, verdict: Verdict) -> Verdict:
        """The verdict with every secret-looking value hidden, in mismatches, noise and allowed ones alike."""
        return replace(
            verdict,
            mismatches=tuple(map(self._mismatch, verdict.mismatches)),
            allowed=tuple(replace(one, mismatch=self._mismatch(one.mismatch)) for one in verdict.allowed),
            reason=without_credentials(verdict.reason, self.mask),
            noise=tuple(map(self._mismatch, verdict.noise)),
        )

    def text(self, text: str) -> str:
        """Any text, without what stands under a secret name in it; JSON within JSON goes whole if it has one."""
        shown = self._named(without_credentials(text, self.mask))
        if "\\" not in shown:
            return shown
        plain = _ESCAPED_QUOTE.sub('"', shown)
        return shown if plain == shown or self._named(plain) == plain else self.mask(text)

    def value(self, text: str) -> str:
        """A header's value or a text out of an answer: it may be a URL, with others escaped within it."""
        shown = self.text(text)
        return self.form(shown) if "%" in shown else shown

    def _mismatch(self, mismatch: Mismatch) -> Mismatch:
        hide = any(map(self.is_secret, mismatch.where.split("/")))
        levels = self._hidden_behind_names(mismatch.where, lambda level: without_credentials(level, self.mask))
        control, candidate = self._value(mismatch.control, hide), self._value(mismatch.candidate, hide)
        return Mismatch(mismatch.kind, "/".join(levels), control, candidate)

    def _value(self, value: str | None, hide: bool) -> str | None:
        """A JSON text, perhaps cut. A string is read first: what stands in it has quotes and lines of its own."""
        if value is None or hide:
            return None if value is None else f'"{self.mask(value)}"'
        if not value.startswith('"'):
            return value if _NO_TEXT.fullmatch(value) else cut(self.text(value))
        whole = not value.endswith("…")
        try:
            text = json.loads(value if whole else _CUT.sub('"', value), strict=False)
        except ValueError:
            return cut(self.text(value))
        shown = json.dumps(self.value(text), ensure_ascii=False)
        return cut(shown if whole else shown[:-1] + "…")

    def _named(self, text: str) -> str:
        if _BEHIND_NAMES.search(text) is None:
            return text
        secret, in_query, mask = self.is_secret, self._is_secret_in_query, self.mask
        text = without_values_of_tags(text, secret, mask)
        text = _hide(text, _MEMBER, lambda name: secret(_read(name)), _json_end, lambda hidden: f'"{mask(hidden)}"')
        text = _hide(text, _PAIR, in_query, _end(_PAIR_VALUE), mask)
        text = _hide(text, _LINE, secret, _line_end, partial(_within_quotes, mask))
        text = _hide(text, _KEY, secret, _end(_KEY_VALUE), lambda hidden: f"({mask(hidden.strip('()'))})")
        return _hide(text, _ELEMENT, secret, _end(_ELEMENT_VALUE), mask)

    def _is_secret_in_query(self, name: str) -> bool:
        return is_secret_in_query(name) or self.is_secret(name)

    def _hidden_behind_names(self, path: str, otherwise: Callable[[str], str]) -> list[str]:
        """The levels of a path; what looks random behind a word for a secret is one (`/reset-token/8fQ...`)."""
        shown: list[str] = []
        before = ""
        for level in path.split("/"):
            hide = self.is_secret(before) and _RANDOM.fullmatch(level) is not None
            shown.append(self.mask(level) if hide else otherwise(level))
            before = level
        return shown

    def _part(self, part: str) -> str:
        """A segment of a path or a parameter of a query; one that shows a secret only once unescaped goes whole."""
        name, equals, value = part.partition("=")
        if value and self._is_secret_in_query(name):  # whatever it holds, it ends where the parameter does
            return f"{without_credentials(name, self.mask)}={self.mask(value)}"
        shown = self.text(part)
        plain = unescaped(shown)
        if plain == shown or self.text(plain) == plain:
            return shown
        name, equals, value = shown.partition("=")
        plain = unescaped(name)
        return f"{name}={self.mask(value)}" if equals and self.text(plain) == plain else self.mask(part)


_FOR_LOGS: Final = Redactor()


def redact_target(target: bytes) -> str:
    """A target for a log."""
    return _FOR_LOGS.target(target)


def _hide(text: str, names: re.Pattern[str], secret: Callable[[str], bool], end: _End, mask: Mask) -> str:
    """The text with the values behind secret names replaced; behind other names it looks on at once."""
    pieces: list[str] = []
    at = 0
    while found := names.search(text, at):
        pieces.append(text[at : found.end()])
        at = found.end()
        if secret(found.group(1)):
            behind = end(text, at)
            if behind > at:
                pieces.append(mask(text[at:behind]))
            at = behind
    return "".join([*pieces, text[at:]])


def _read(name: str) -> str:
    """A JSON name without its escapes."""
    if "\\" not in name:
        return name
    try:
        return str(json.loads(f'"{name}"', strict=False))
    except ValueError:
        return name


def _end(value: re.Pattern[str]) -> _End:
    def end(text: str, at: int) -> int:
        found = value.match(text, at)
        return at if found is None else found.end()

    return end


def _line_end(text: str, at: int) -> int:
    """Where what stands behind `name:` ends: with its quotes, escaped as often as they are, else with the line."""
    opening = _QUOTE.match(text, at)
    if opening is None:
        return _end(_LINE_VALUE)(text, at)
    closing = (found.end() for found in _QUOTE.finditer(text, opening.end()) if len(found[0]) <= len(opening[0]))
    return next(closing, len(text))


def _within_quotes(mask: Mask, hidden: str) -> str:
    opening = _QUOTE.match(hidden)
    if opening is None:
        return mask(hidden)
    quote = opening[0]
    closing = quote if len(hidden) > len(quote) and hidden.endswith(quote) else ""
    return f"{quote}{mask(hidden[len(quote) :].removesuffix(quote))}{closing}"


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
