"""Bodies of every kind are read for what they say, and compared by that."""

from __future__ import annotations

import pytest

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Kind, Outcome, Verdict
from gateway.message import Side
from tests.gateway.diff.answers import JSON, TODAY, answer, found


def judged(media: str, control: bytes, candidate: bytes, *, other: str | None = None) -> Verdict:
    """The verdict on two bodies of one media type (or of two)."""
    legacy = answer(Side.LEGACY, control, headers=((b"content-type", media.encode()),))
    new = answer(Side.NEW, candidate, headers=((b"content-type", (other or media).encode()),))
    return compare(legacy, new, Rules(), today=TODAY)


FORM = "application/x-www-form-urlencoded"
LINES = "application/x-ndjson"
PARTS = "multipart/mixed; boundary="


def parts(boundary: str, *bodies: str, media: str = "application/json") -> bytes:
    """A multipart body."""
    shown = [f"--{boundary}\r\nContent-Type: {media}\r\n\r\n{body}\r\n" for body in bodies]
    return ("".join(shown) + f"--{boundary}--\r\n").encode()


@pytest.mark.parametrize(
    ("media", "control", "candidate"),
    [
        (FORM, b"a=1&b=x+y", b"b=x%20y&a=%31"),
        (FORM, b"a=1&a=2&b=3", b"a=1&b=3&a=2"),
        (FORM, b"a=&b", b"b=&a="),
        (LINES, b'{"a": 1, "b": 2}\n{"a": 2}\n', b'{"b":2,"a":1.0}\r\n\n{"a":2}'),
        ("application/json-seq", b'\x1e{"a": 1}\n\x1e2\n', b'\x1e{"a":1}\x1e2'),
        ("text/event-stream", b': hi\nevent: a\ndata: {"x": 1}\n\n', b'data:{"x":1.0}\r\nevent:a\r\n\r\n'),
        ("text/event-stream", b"data: a\ndata: b\n\n", b"data:a\ndata:b\n\n"),
        ("application/problem+json", b'{"title": 1}', b'{"title":1}'),
        ("application/x-amz-json-1.1", b'{"Item": {"a": 1}}', b'{"Item":{"a":1.0}}'),
        ("text/html", b'{"a": 1}', b'{"a":1}'),
        ("text/plain", b"\xef\xbb\xbfhello", b"hello"),
        ("application/json", b'{"a": "\xc3\xa9"}\n', b'\xef\xbb\xbf{"a":"\\u00e9"}'),
        ("application/json", b'{"a": "\\/"}', b'{"a":"/"}'),
        ("image/png", b"\x89PNG", b"\x89PNG"),
    ],
)
def test_the_same_said_otherwise_matches(media: str, control: bytes, candidate: bytes) -> None:
    """Order of fields, escapes, line ends, white space where it means nothing."""
    assert judged(media, control, candidate).outcome is Outcome.MATCHED


@pytest.mark.parametrize(
    ("media", "control", "candidate", "kind", "where"),
    [
        (FORM, b"a=1&b=2", b"a=1&b=3", Kind.VALUE, "body/b"),
        (FORM, b"a=1&b=2", b"a=1", Kind.MISSING, "body/b"),
        (FORM, b"a=1&a=2", b"a=2&a=1", Kind.ORDER, "body/a"),
        (FORM, b"a=%ff", b"a=%fe", Kind.VALUE, "body/a"),
        (LINES, b'{"a":1}\n{"a":2}', b'{"a":1}\n{"a":3}', Kind.VALUE, "body/1/a"),
        (LINES, b'{"a":1}\n{"a":2}', b'{"a":1}', Kind.MISSING, "body/1"),
        ("text/event-stream", b"data: 1\n\n", b"data: 2\n\n", Kind.VALUE, "body/0/data"),
        ("text/event-stream", b"data: 1\n\n: 2\n\n", b"data: 1\n\ndata: 2\n", Kind.EXTRA, "body/1"),
        ("text/event-stream", b'id: 1\ndata: {"x":1}\n\n', b'id: 1\ndata: {"x":2}\n\n', Kind.VALUE, "body/0/data/x"),
        ("text/plain", b"hello", b"hello\n", Kind.VALUE, "body"),
        ("text/plain", b"caf\xc3\xa9", b"cafe", Kind.VALUE, "body"),
        ("text/html", b"<p>a</p>", b"<p>b</p>", Kind.VALUE, "body"),
        ("application/xml", b"<a>1</a>", b"<a>2</a>", Kind.VALUE, "body"),
        ("image/png", b"\x89PNG1", b"\x89PNG2", Kind.VALUE, "body"),
        ("application/pdf", b"%PDF", b"%PDF-", Kind.SIZE, "body"),
        ("application/json", b"null", b"", Kind.MISSING, "body"),
        ("application/json", b"{}", b"[]", Kind.TYPE, "body"),
        ("application/json", b"null", b"{}", Kind.TYPE, "body"),
        ("application/json", b'"a"', b'"a "', Kind.VALUE, "body"),
    ],
)
def test_what_differs_is_found_where_it_is(
    media: str, control: bytes, candidate: bytes, kind: Kind, where: str
) -> None:
    """Structure is used where there is some."""
    assert found(judged(media, control, candidate)) == [(kind, where)]


def test_the_boundary_of_parts_is_no_content() -> None:
    """Each part is compared by its own media type."""
    one, two = parts("x", '{"a": 1}', '{"b": 2}'), parts("yy", '{"a":1.0}', '{"b":2}')
    assert judged(PARTS + "x", one, two, other=PARTS + '"yy"').outcome is Outcome.MATCHED
    changed = parts("yy", '{"a":1}', '{"b":3}')
    assert found(judged(PARTS + "x", one, changed, other=PARTS + "yy")) == [(Kind.VALUE, "body/1/body/b")]
    typed = parts("yy", '{"a":1}', '{"b":2}', media="text/plain")
    assert found(judged(PARTS + "x", one, typed, other=PARTS + "yy"))


def test_a_part_without_a_head_has_a_body() -> None:
    """An empty line stands where its head would; what comes next is no head, whatever it looks like."""
    one, other = (b"--x\r\n\r\n%b\r\n--x\r\n\r\nb: c\r\n\r\nd\r\n--x--\r\n" % first for first in (b"one", b"two"))
    assert found(judged(PARTS + "x", one, other)) == [(Kind.VALUE, "body/0/body")]
    assert found(judged(PARTS + "x", one, one.replace(b"b: c", b"b: e"))) == [(Kind.VALUE, "body/1/body")]


def test_a_line_that_comes_twice_in_the_head_of_a_part_is_not_lost() -> None:
    """The second does not hide the first."""
    one, other = (b"--x\r\na: %d\r\nA: 2\r\n\r\nb\r\n--x--\r\n" % number for number in (0, 1))
    assert found(judged(PARTS + "x", one, other)) == [(Kind.VALUE, "body/0/header/a")]


@pytest.mark.parametrize(
    ("media", "body"),
    [(LINES, b'{"a":1}\n{"a":'), ("application/json", b"\n"), (LINES, b"[1]\n[NaN]"), ("application/json", b"<p>")],
)
def test_what_cannot_be_read_is_not_comparable(media: str, body: bytes) -> None:
    """In a part as in the whole."""
    assert judged(media, body, b"[7]").outcome is Outcome.NOT_COMPARABLE


def test_text_in_another_charset_is_the_same_text() -> None:
    """The header says so, the letters do not."""
    verdict = judged("text/plain; charset=latin1", b"\xe9", b"\xc3\xa9", other="text/plain; charset=utf-8")
    assert found(verdict) == [(Kind.HEADER, "header/content-type")]
    wide = '{"a":"é"}'.encode("utf-16")
    assert judged("application/json; charset=utf-16", wide, wide + b"\x20\x00").outcome is Outcome.MATCHED


def test_answers_that_have_no_body_have_none_whatever_a_handler_gave() -> None:
    """No client ever sees the body of a 204."""
    control, candidate = answer(Side.LEGACY, b"", status=204), answer(Side.NEW, b"null", status=204)
    assert compare(control, candidate, Rules(), today=TODAY).outcome is Outcome.MATCHED


def test_an_answer_that_nothing_has_changed_says_nothing_beside_one_with_content() -> None:
    """The client's copy is legacy's: new cannot know its version, and nobody knows its content."""
    version = ((b"ETag", b'"7"'),)
    unchanged, full = answer(Side.LEGACY, b"", status=304, headers=version), answer(Side.NEW, {"a": 1})
    verdict = compare(unchanged, full, Rules(), today=TODAY)
    assert verdict.outcome is Outcome.NOT_COMPARABLE
    assert verdict.reason.startswith("legacy: the request is conditional")
    back = answer(Side.NEW, b"", status=304, headers=((b"last-modified", b"Sat, 21 Nov 2026 07:00:00 GMT"),))
    assert compare(answer(Side.LEGACY, {"a": 1}), back, Rules(), today=TODAY).outcome is Outcome.NOT_COMPARABLE
    unversioned = compare(answer(Side.LEGACY, {"a": 1}), answer(Side.NEW, b"", status=304), Rules(), today=TODAY)
    assert (Kind.STATUS, "status") in found(unversioned)
    gone = compare(unchanged, answer(Side.NEW, {"error": "no"}, status=404, headers=()), Rules(), today=TODAY)
    assert (Kind.STATUS, "status") in found(gone)


def test_an_empty_compressed_body_is_empty() -> None:
    """Its coding has bytes, the body has none."""
    import gzip

    packed = answer(Side.LEGACY, gzip.compress(b""), headers=(*JSON, (b"content-encoding", b"gzip")))
    assert compare(packed, answer(Side.NEW, b""), Rules(), today=TODAY).outcome is Outcome.MATCHED
