"""What a body is, by its content type: a document with places in it, text, bytes, or nothing; how two differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.diff.coding import decode
from gateway.diff.document import Document, read_document
from gateway.diff.media import Form, MediaType, is_utf8, media_type, text_of
from gateway.diff.rules import Difference
from gateway.diff.structured import digest, read_events, read_form, read_lines, read_parts
from gateway.diff.value import ABSENT, Found, Unreadable
from gateway.diff.verdict import Kind
from gateway.diff.walk import Walk
from gateway.message import Observation

_PLACE: Final = ("body",)
_BODILESS: Final = frozenset({204, 205, 304})  # a client takes no body from these, whatever a handler gave (RFC 9110)


@dataclass(frozen=True, slots=True)
class Text:
    """A body that is text and has no places in it."""

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
    if observation.status in _BODILESS:
        return Empty()
    if observation.truncated:
        return Unreadable("the body is longer than what is kept of one")
    content = decode(observation.body, _coding(observation))
    if isinstance(content, Unreadable):
        return content
    if not content:
        return Empty()
    named = observation.header(b"content-type")
    media = MediaType("text/plain") if named is None else media_type(named.decode("latin-1"))
    return _read(content, media)


def _read(content: bytes, media: MediaType) -> Body | Unreadable:
    match media.form:
        case Form.BYTES:
            return Blob(content)
        case Form.FIELDS:
            return read_form(content)
        case Form.PARTS:
            return read_parts(content, media.boundary) or Blob(content)
        case Form.JSON | Form.LINES:
            utf8 = content if is_utf8(media.charset) else _as_utf8(content, media.charset)
            if utf8 is None:
                return Unreadable(f"the body is not in the charset it names ({media.charset[:40]})", broken=True)
            return read_document(utf8) if media.form is Form.JSON else read_lines(utf8)
        case _:
            return _text(content, media)


def _text(content: bytes, media: MediaType) -> Body | Unreadable:
    text = text_of(content, media.charset)
    if text is None:
        return Blob(content)
    if media.form is Form.EVENTS:
        return read_events(text)
    if text.lstrip()[:1] in ("{", "["):  # many a server calls its JSON text, or nothing at all
        read = read_document(text.encode("utf-8", "surrogatepass"))
        if not isinstance(read, Unreadable):
            return read
    return Text(text)


def _as_utf8(content: bytes, charset: str) -> bytes | None:
    text = text_of(content, charset)
    return None if text is None else text.encode("utf-8", "surrogatepass")


def _coding(observation: Observation) -> str:
    lines = (value for name, value in observation.headers if name.lower() == b"content-encoding")
    return b",".join(lines).decode("latin-1").strip().lower()


def body_differences(control: Body, candidate: Body, walk: Walk, *, alike: bool) -> Iterator[Difference]:
    """Where two bodies differ; as a whole unless both are documents and `alike`: both successes or both errors.

    A lot beside an error message is one difference, not one for every field that is missing.
    """
    if isinstance(control, Document) and isinstance(candidate, Document):
        if control.text != candidate.text:
            if alike:
                yield from walk.differences(control.value, candidate.value)
            else:
                yield Difference(Kind.VALUE, _PLACE, control.value, candidate.value)
        return
    kind = _kind(control, candidate)
    if kind is not None:
        yield Difference(kind, _PLACE, _found(control), _found(candidate))


def _kind(control: Body, candidate: Body) -> Kind | None:
    match control, candidate:
        case Empty(), Empty():
            return None
        case Empty(), _:
            return Kind.EXTRA
        case _, Empty():
            return Kind.MISSING
        case Text(text=one), Text(text=other):
            return None if one == other else Kind.VALUE
        case Blob(content=mine), Blob(content=theirs):
            if mine == theirs:
                return None
            return Kind.SIZE if len(mine) != len(theirs) else Kind.VALUE
    return Kind.TYPE


def _found(body: Body) -> Found:
    match body:
        case Document():
            return body.value
        case Text():
            return body.text
        case Blob():
            return digest(body.content)
        case Empty():
            return ABSENT
