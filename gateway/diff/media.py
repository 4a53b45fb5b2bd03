"""What a content type says about a body: its kind, its charset under one name, its boundary. Pure."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final


class Form(Enum):
    """How a body of some media type is read."""

    JSON = "json"
    LINES = "lines"  # a JSON value on each line
    EVENTS = "events"
    FIELDS = "fields"  # a form
    PARTS = "parts"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case with the parameters that matter; empty texts for those it does not have."""

    kind: str
    charset: str = ""
    boundary: str = ""

    @property
    def form(self) -> Form:
        """How its bodies are read."""
        return _form(self.kind)


_LINES: Final = frozenset(
    f"application/{name}" for name in ("jsonl", "jsonlines", "ndjson", "x-jsonlines", "x-ndjson", "stream+json")
)
_JSONS: Final = frozenset(
    {"application/json", "text/json", "application/x-json", "text/x-json", "application/csp-report"}
)
_TEXTS: Final = frozenset(
    f"application/{name}"
    for name in ("ecmascript", "graphql", "javascript", "sql", "toml", "xml", "x-javascript", "x-sh", "x-yaml", "yaml")
)
# of these the charset is UTF-8 by their own standards, so saying so says nothing
_UTF8: Final = frozenset({Form.JSON, Form.LINES, Form.EVENTS, Form.FIELDS})
_PARAMETER: Final = re.compile(r';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)')
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._:-]{0,39}", re.ASCII)
_NO_CHARSET: Final = frozenset({"idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})


def media_type(value: str) -> MediaType:
    """Read a Content-Type (RFC 9110 section 8.3)."""
    kind = value.partition(";")[0].strip().lower()
    said = {name.lower(): _unquoted(text) for name, text in parameters(value)}
    form = _form(kind)
    if form is Form.BYTES:
        return MediaType(kind)
    charset = said.get("charset", "").strip().lower()
    return MediaType(kind, charset_name(charset) or ("utf-8" if form in _UTF8 else ""), said.get("boundary", ""))


def parameters(value: str) -> list[tuple[str, str]]:
    """The parameters behind the first semicolon, names and values as they stand."""
    return _PARAMETER.findall(value)


def _unquoted(text: str) -> str:
    text = text.strip()
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] == '"' else text


def is_json(kind: str) -> bool:
    """Whether a media type is JSON (RFC 6839 section 3.1 for the suffix)."""
    return _form(kind) is Form.JSON


@lru_cache(256)
def charset_name(charset: str) -> str:
    """The one name of a charset whose spelling varies (utf8, UTF-8, utf_8); as it stands when nobody knows it."""
    name = charset.strip("'\"")
    codec = _codec(name)
    return name if codec is None else codec.name


def text_of(content: bytes, charset: str) -> str | None:
    """The text of bytes in a charset, UTF-8 when none is named; None when it is not in that charset."""
    codec = _codec(charset or "utf-8")
    if codec is None:
        return None
    try:
        return content.decode("utf-8-sig" if codec.name == "utf-8" else codec.name)
    except (UnicodeError, ValueError):
        return None


def is_utf8(charset: str) -> bool:
    """Whether text in this charset is UTF-8 already."""
    return charset in ("", "utf-8", "ascii")


@lru_cache(256)
def _codec(name: str) -> codecs.CodecInfo | None:
    if not _NAME.fullmatch(name):
        return None
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return codec if codec._is_text_encoding and codec.name not in _NO_CHARSET else None


@lru_cache(256)
def _form(kind: str) -> Form:
    main, _, sub = kind.partition("/")
    if kind in _LINES or sub == "json-seq":
        return Form.LINES
    if kind in _JSONS or sub.endswith("+json") or sub.startswith("x-amz-json-"):
        return Form.JSON
    if kind == "application/x-www-form-urlencoded":
        return Form.FIELDS
    if kind == "text/event-stream":
        return Form.EVENTS
    if main == "multipart":
        return Form.PARTS
    return Form.TEXT if main == "text" or sub.endswith("+xml") or kind in _TEXTS else Form.BYTES
