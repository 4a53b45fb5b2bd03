"""Reads bodies that have a structure other than JSON's into the same values: lines, events, forms, parts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.diff.document import MAX_VALUES, Document, read_json, too_large
from gateway.diff.media import Form, media_type, text_of
from gateway.diff.value import Unreadable, Value

MAX_PARTS: Final = 10_000
_RECORD: Final = b"\x1e"  # what begins a record of application/json-seq (RFC 7464)
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


def read_lines(content: bytes) -> Document | Unreadable:
    """A JSON value on each line; empty lines say nothing."""
    trouble = too_large(content)
    if trouble is not None:
        return trouble
    if content.count(b"\n") + content.count(_RECORD) > MAX_VALUES:
        return Unreadable(f"the body has more than {MAX_VALUES} values")
    values: list[Value] = []
    for line in content.replace(_RECORD, b"\n").split(b"\n"):
        if line.strip():
            value = read_json(line)
            if isinstance(value, Unreadable):
                return Unreadable(f"line {len(values) + 1}: {value.reason}", value.broken)
            values.append(value)
    return _document(values)


def read_form(content: bytes) -> Document | Unreadable:
    """A form's fields by name; a name that comes more than once has a list. Their order says nothing."""
    if content.count(b"&") > MAX_VALUES:
        return Unreadable(f"the body has more than {MAX_VALUES} values")
    fields: dict[str, list[Value]] = {}
    for pair in content.strip().split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            fields.setdefault(_plain(name), []).append(_plain(value))
    return _document({name: values[0] if len(values) == 1 else values for name, values in fields.items()})


def _plain(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "surrogateescape")


def read_events(text: str) -> Document | Unreadable:
    """Server-sent events: their fields, and their data as JSON where it is an object or an array."""
    if text.count("\n") + text.count("\r") > MAX_VALUES:
        return Unreadable(f"the body has more than {MAX_VALUES} values")
    return _document(list(_events(text)))


def _events(text: str) -> Iterator[Value]:
    fields: dict[str, list[str]] = {}
    *lines, rest = _LINE_END.split(text)
    for line in (*lines, *([rest] if rest else ())):
        name, _, value = line.partition(":")
        if line and name:
            fields.setdefault(name, []).append(value.removeprefix(" "))
        elif not line and fields:
            yield _event(fields)
            fields = {}
    if fields:  # no client is told of an event before the empty line behind it
        yield {"unfinished": _event(fields)}


def _event(fields: dict[str, list[str]]) -> Value:
    return {name: _data("\n".join(found)) if name == "data" else found[-1] for name, found in fields.items()}


def _data(text: str) -> Value:
    value = read_json(text.encode("utf-8", "surrogatepass")) if text[:1] in ("{", "[") else text
    return text if isinstance(value, Unreadable) else value


def read_parts(content: bytes, boundary: str) -> Document | None:
    """A multipart body (RFC 2046 section 5.1): each part's header and body; None when it is none."""
    _preamble, *parts = (b"\r\n" + content).split(b"\r\n--" + boundary.encode("utf-8", "surrogatepass"))
    if not boundary or not parts or len(parts) > MAX_PARTS or not parts[-1].startswith(b"--"):
        return None
    read = _document([_part(part) for part in parts[:-1]])
    return read if isinstance(read, Document) else None


def _part(part: bytes) -> Value:
    head, body = _parted(part.lstrip(b" \t").removeprefix(b"\r\n"))
    fields: dict[str, Value] = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            known = name.strip().lower()
            fields[known] = f"{fields[known]}, {value.strip()}" if known in fields else value.strip()
    named = fields.get("content-type")
    return {"header": fields, "body": _part_body(body, named if isinstance(named, str) else "text/plain")}


def _parted(part: bytes) -> tuple[bytes, bytes]:
    """The head of a part and its body; an empty line at once says that there is no head."""
    if part.startswith(b"\r\n"):
        return b"", part.removeprefix(b"\r\n")
    head, _, body = part.partition(b"\r\n\r\n")
    return head, body


def _part_body(body: bytes, content_type: str) -> Value:
    media = media_type(content_type)
    if media.form is Form.JSON:
        value = read_json(body)
        if not isinstance(value, Unreadable):
            return value
    text = None if media.form is Form.BYTES else text_of(body, media.charset)
    return digest(body) if text is None else text


def digest(content: bytes) -> str:
    """What stands for bytes in a report."""
    return f"{len(content)} bytes, blake2b {blake2b(content, digest_size=16).hexdigest()}"


def _document(value: Value) -> Document | Unreadable:
    try:
        return Document.of(value)
    except RecursionError:
        return Unreadable("the body is nested too deeply")
