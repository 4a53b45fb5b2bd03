"""What a body is, by its content type: a JSON document, text, bytes, or nothing; and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from gateway.diff.coding import decode
from gateway.diff.document import Document, read_document
from gateway.diff.headers import is_json, media_type
from gateway.diff.rules import Difference
from gateway.diff.value import ABSENT, Found, Unreadable
from gateway.diff.verdict import Kind
from gateway.diff.walk import Walk
from gateway.message import Observation

_PLACE = ("body",)
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_LATIN = frozenset({"iso-8859-1", "latin1", "latin-1", "windows-1252"})
_TEXTS = frozenset({"application/javascript", "application/x-www-form-urlencoded", "application/xml"})


@dataclass(frozen=True, slots=True)
class Text:
    """A body that is text but not JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Blob:
    """A body of bytes that nobody can read as text."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Empty:
    """No body, or one without a byte."""


Body = Document | Text | Blob | Empty


def same_bytes(control: Observation, candidate: Observation) -> bool:
    """The fast path: whole bodies with equal bytes in the same content coding."""
    return (
        control.body == candidate.body
        and not control.truncated
        and not candidate.truncated
        and _coding(control) == _coding(candidate)
    )


def read_body(observation: Observation) -> Body | Unreadable:
    """The body of an answer, or why it cannot be read."""
    if observation.truncated:
        return Unreadable(f"the body was cut after {len(observation.body)} bytes")
    if not observation.body:
        return Empty()
    content = decode(observation.body, _coding(observation))
    if isinstance(content, Unreadable):
        return content
    named = observation.header(b"content-type")
    if named is None:
        return _guessed(content)
    kind, charset = media_type(named.decode("latin-1"))
    text = _text(content, charset)
    if is_json(kind):
        if text is None:
            return Unreadable(f"the body is not in the charset it names ({charset[:40]})")
        return read_document(text.encode("utf-8", "surrogatepass"))
    is_text = kind.startswith("text/") or kind.endswith("+xml") or kind in _TEXTS
    return Text(text) if is_text and text is not None else Blob(content)


def _guessed(content: bytes) -> Body:
    """A body without a content type: JSON only if it looks like and is a JSON object or array."""
    if content.lstrip()[:1] in (b"{", b"["):
        read = read_document(content)
        if not isinstance(read, Unreadable):
            return read
    text = _text(content, "")
    return Blob(content) if text is None else Text(text)


def _coding(observation: Observation) -> str:
    lines = (value for name, value in observation.headers if name.lower() == b"content-encoding")
    return b",".join(lines).decode("latin-1").strip().lower()


def _text(content: bytes, charset: str) -> str | None:
    try:
        if charset in _UTF8:
            return content.decode("utf-8-sig")
        return content.decode("cp1252" if charset == "windows-1252" else "latin-1") if charset in _LATIN else None
    except UnicodeDecodeError:
        return None


def body_differences(control: Body, candidate: Body, walk: Walk, *, alike: bool) -> Iterator[Difference]:
    """Where two bodies differ; as a whole unless both are JSON and `alike`: both successes or both errors.

    A lot beside an error message is one difference, not one for every field that is missing.
    """
    if alike and isinstance(control, Document) and isinstance(candidate, Document):
        if control.text != candidate.text:
            yield from walk.differences(control.value, candidate.value)
        return
    kind = _kind(control, candidate)
    if kind is not None:
        yield Difference(kind, _PLACE, _found(control), _found(candidate))


def _kind(control: Body, candidate: Body) -> Kind | None:
    if isinstance(control, Empty) or isinstance(candidate, Empty):
        if type(control) is type(candidate):
            return None
        return Kind.EXTRA if isinstance(control, Empty) else Kind.MISSING
    if type(control) is not type(candidate):
        return Kind.TYPE
    if isinstance(control, Document) and isinstance(candidate, Document):
        return None if control.text == candidate.text else Kind.VALUE
    if control == candidate:
        return None
    if isinstance(control, Blob) and isinstance(candidate, Blob) and len(control.content) != len(candidate.content):
        return Kind.SIZE
    return Kind.VALUE


def _found(body: Body) -> Found:
    match body:
        case Document():
            return body.value
        case Text():
            return body.text
        case Blob():
            digest = blake2b(body.content, digest_size=8).hexdigest()
            return f"{len(body.content)} bytes, blake2b {digest}"
        case Empty():
            return ABSENT
