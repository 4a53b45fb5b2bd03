"""A head that is read at a glance is one that the parser reads in the same way; any other is left to it."""

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.proxy import plain
from gateway.proxy.plain import plain_head

LINE = b"GET /api/plain?a=1 HTTP/1.1\r\n"
HOST = b"Host: shop.test"
FIELDS = [
    b"Accept: */*",
    b"accept:text/html",
    b"X-Padded:  \t value",
    b"X-Inner: a \t b",
    b"X-Empty:",
    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"Authorization: Bearer a.b.c",
    b"Cookie: a=1; b=2",
    b"Connection: keep-alive",
    b"connection: Keep-Alive",
    b"TE: trailers",
    b"Keep-Alive: timeout=5",
    b"!#$%&'*+.^_`|~0A-z: odd name",
    b"Host: other.test",
]
LEFT_TO_THE_PARSER = [
    b"",
    b"X-Trailing: a ",
    b"X-Tab: a\t",
    b"X-Space :a",
    b" X-Folded: a",
    b"\tfolded",
    b"no colon",
    b": no name",
    b"X-Bare-Feed: a\nb",
    b"X-Bare-Return: a\rb",
    b"X-Nul: a\0b",
    b"X-Bell: a\x07b",
    b"X-Delete: a\x7fb",
    b"X-Latin: caf\xe9",
    b"X(Paren): a",
    b"X-\xc3\xa9: a",
    b"Content-Length: 0",
    b"content-length: 5",
    b"Transfer-Encoding: chunked",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: upgrade",
    b"Connection: keep-alive, x-named",
    b"Proxy-Connection: close",
]


class Parsed:
    """What httptools makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.ended = 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.keeps = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self.method = self._parser.get_method()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field."""
        self.fields.append((name, value))

    def on_message_complete(self) -> None:
        """The end of a request."""
        self.ended += 1


def insist_on_the_same(data: bytes) -> None:
    """What is plain is one whole request without a body, with these fields, after which the connection goes on."""
    found = plain_head(data)
    if found is not None:
        line, fields = found
        parsed = Parsed(data)
        read = [(name.lower(), value) for name, value in parsed.fields]
        assert (parsed.method, parsed.target, read) == (line[1], line[2], [header for header, _ in fields])
        assert parsed.ended == 1
        assert parsed.keeps


@pytest.mark.parametrize("field", FIELDS, ids=repr)
def test_a_plain_field_is_read_as_the_parser_reads_it(field: bytes) -> None:
    """Twice, too: the second time it is known."""
    data = LINE + HOST + b"\r\n" + field + b"\r\n\r\n"
    for _ in range(2):
        assert plain_head(data) is not None
        insist_on_the_same(data)


@pytest.mark.parametrize("field", LEFT_TO_THE_PARSER, ids=repr)
def test_a_field_that_frames_or_is_odd_is_the_parsers(field: bytes) -> None:
    """It is never known, however often it comes."""
    for _ in range(2):
        assert plain_head(LINE + HOST + b"\r\n" + field + b"\r\n\r\n") is None


@pytest.mark.parametrize(
    "data",
    [
        LINE + HOST + b"\r\n\r\nmore",
        LINE + HOST + b"\r\n",
        LINE + HOST + b"\r\n\r\n" + LINE + HOST + b"\r\n\r\n",
        b"\r\n" + LINE + HOST + b"\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
    ids=repr,
)
def test_what_is_not_one_whole_head_is_the_parsers(data: bytes) -> None:
    """Half a head, two of them, and what comes before or behind one."""
    assert plain_head(data) is None


_WORDS = b"GET|HEAD|/|/a?b|*|HTTP/1.1|HTTP/1.0|Host|a.test|Connection|keep-alive|close|Content-Length|0|5|x"
_PIECES = st.sampled_from([*_WORDS.split(b"|"), b" ", b"\r\n", b"\n", b"\r", b"\t", b":", b", ", b"\0", b"\xe9"])


@given(st.lists(_PIECES, max_size=24).map(b"".join), st.lists(_PIECES, max_size=6).map(b"".join))
@example(b"GET / HTTP/1.1\r\nHost: a.test\r\nX", b": y")
def test_whatever_is_plain_the_parser_reads_in_the_same_way(head: bytes, field: bytes) -> None:
    """Heads out of the pieces of heads, alone and behind a good line."""
    insist_on_the_same(head + b"\r\n\r\n")
    insist_on_the_same(LINE + HOST + b"\r\n" + field + b"\r\n\r\n")


def test_what_is_remembered_of_fields_is_bounded_and_no_secret() -> None:
    """Whoever sends other fields each time fills no memory; credentials are read anew each time."""
    for number in range(5_000):
        plain_head(LINE + b"X-Number: %d\r\n\r\n" % number)
    assert len(plain._FIELDS) <= 2_000
    plain_head(LINE + b"Authorization: Bearer a.b.c\r\ncookie: a=1\r\nx-seen: 1\r\n\r\n")
    assert b"x-seen: 1" in plain._FIELDS
    assert not any(line.lower().startswith((b"authorization", b"cookie")) for line in plain._FIELDS)
