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
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from secrets import token_bytes
from typing import Final

from gateway.diff.value import cut
from gateway.diff.verdict import Mismatch, Verdict
from gateway.routing.template import Template
from gateway.shadow.names import is_mailed, is_secret, is_secret_in_query, loose, unescaped
from gateway.shadow.pairs import without_known
from gateway.shadow.secrets import Mask, blank, without_credentials
from gateway.shadow.texts import without_named
from gateway.shadow.values import is_random

MAX_TARGET: Final = 4_096  # characters of a target that a finding keeps
TOKEN: Final = re.compile(r"\(hidden(?:-[0-9a-f]{12})?\)")

_NO_TEXT: Final = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_ESCAPED_QUOTE: Final = re.compile(r'\\+"')
_CUT: Final = re.compile(r"(?:\\(?:u[0-9a-f]{0,3})?)?…$")  # the end of a cut text, which may lie within an escape

# behind such a name in a document: neither what a programmer calls a field, nor a position in an array
_NO_NAME: Final = re.compile(r"(?![0-9]{1,3}$)(?!\(hidden)(?=.*[^A-Za-z_$*-]).+|.{33,}")


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
    """Redacts with one mask. `names` are further names of secret values, in any case, `_` or not.

    `levels` are those of a path that hold a secret, from 1 on, by the route's template. What is `known` to be secret,
    the longest first, is hidden wherever it turns up.
    """

    def __init__(
        self,
        mask: Mask = blank,
        names: frozenset[str] = frozenset(),
        levels: frozenset[int] = frozenset(),
        known: Sequence[str] = (),
    ) -> None:
        self.mask, self._levels, self._known = mask, levels, known
        self._names = frozenset(map(loose, names))

    def is_secret(self, name: str) -> bool:
        """Whether a field, header or parameter of this name holds a secret, whatever its spelling and escaping."""
        return is_secret(name) or (bool(self._names) and loose(name) in self._names)

    def target(self, target: bytes) -> str:
        """The target as text, with what is secret in its path and query hidden; its first 4,096 characters."""
        text = cut(target[: MAX_TARGET + 1].decode("latin-1"), MAX_TARGET)
        text = without_credentials(text, self.mask)  # `//user@` spans parts
        path, question, query = text.partition("?")
        shown, given = self._hidden_behind_names(path, self._part), path.split("/")
        for at in self._levels:
            if at < len(given):
                shown[at] = self.mask(unescaped(given[at]))
        return "/".join(shown) + question + self.form(query)

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
        shown = self._named(without_credentials(without_known(text, self._known, self.mask), self.mask))
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
        levels = self._hidden_behind_names(mismatch.where, self._level, in_path=False)
        control, candidate = self._value(mismatch.control, hide), self._value(mismatch.candidate, hide)
        return Mismatch(mismatch.kind, "/".join(levels), control, candidate)

    def _value(self, value: str | None, hide: bool) -> str | None:
        """A JSON text, perhaps cut. A string is read first: what stands in it has quotes and lines of its own."""
        if value is None:
            return None
        if hide or value in self._known:
            # of a longer one the token is that of its beginning: two that are alike so far are not called equal
            return f'"{self.mask(value)}' + ("…" if value.endswith("…") else '"')
        if not value.startswith('"'):
            return value if _NO_TEXT.fullmatch(value) else cut(self.text(value))
        whole = not value.endswith("…")
        try:
            text = json.loads(value if whole else _CUT.sub('"', value), strict=False)
        except ValueError:
            return cut(self.text(value))
        shown = self.value(text if whole else text + "…").removesuffix("" if whole else "…")
        quoted = json.dumps(shown, ensure_ascii=False)
        return cut(quoted if whole else quoted[:-1] + "…")

    def _named(self, text: str) -> str:
        return without_named(text, self.is_secret, self._is_secret_in_query, self.mask)

    def _is_secret_in_query(self, name: str) -> bool:
        return is_secret_in_query(name) or self.is_secret(name)

    def _level(self, level: str) -> str:
        return without_credentials(without_known(level, self._known, self.mask), self.mask)

    def _hidden_behind_names(self, path: str, otherwise: Callable[[str], str], *, in_path: bool = True) -> list[str]:
        """The levels of a path; what looks random behind a word for a secret is one (`/reset-token/8fQ...`).

        So is, in a document, what is no name in the place of one (`sessions/hunter2`): a secret may be a key.
        """
        shown: list[str] = []
        before = ""
        for level in path.split("/"):
            if in_path:
                hide = is_random(level) and (is_mailed(before) or self.is_secret(before))
            else:
                hide = _NO_NAME.fullmatch(level) is not None and self.is_secret(before)
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


@lru_cache(maxsize=1_024)  # it takes half as long as serving a request, and callers repeat themselves
def redact_target(target: bytes, template: Template | None = None, names: frozenset[str] = frozenset()) -> str:
    """A target for a log, by the template that it fits and the further secret names of its route."""
    levels = frozenset[int]() if template is None else secret_levels(template, names)
    return (Redactor(names=names, levels=levels) if levels or names else _FOR_LOGS).target(target)


@lru_cache(maxsize=16_384)
def secret_levels(template: Template, names: frozenset[str] = frozenset()) -> frozenset[int]:
    """Which levels of a path that fits a template are secret, by the names of its parameters (`/reset/{token}`)."""
    secret, numbered = Redactor(names=names).is_secret, enumerate(template.segments, 1)
    return frozenset(at for at, segment in numbered if segment.is_parameter and secret(segment.text))
