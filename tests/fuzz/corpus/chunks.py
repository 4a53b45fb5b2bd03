"""Chunked bodies: sizes, extensions, line ends, trailers."""

from __future__ import annotations

from tests.fuzz.corpus import CHUNKS, INNER, Payload, chunked, get, passes, posted, refused

_END = b"\r\nhello\r\n0\r\n\r\n"
_BAD_SIZES = {
    "0x": b"0x5",
    "0X": b"0X5",
    "x": b"x5",
    "plus": b"+5",
    "minus": b"-5",
    "underscore": b"0_5",
    "underscore after": b"5_",
    "space before": b" 5",
    "tab before": b"\t5",
    "space after": b"5 ",
    "tab after": b"5\t",
    "many spaces after": b"5" + b" " * 40,
    "nul": b"5\x00",
    "vertical tab": b"5\x0b",
    "letter": b"5g",
    "word": b"five",
    "empty": b"",
    "fraction": b"5.0",
    "comma": b"5,5",
    "h": b"5h",
    "quoted": b'"5"',
    "fullwidth": "５".encode(),
    "17 digits": b"00000000000000005",
    "40 digits": b"5".rjust(40, b"0"),
    "overflow to five": b"10000000000000005",
    "overflow": b"ffffffffffffffffff",
    "all of 64 bits": b"ffffffffffffffff",
    "beyond signed 64 bits": b"8000000000000005",
}
_BAD_EXTENSIONS = {
    "LF": b"5;a\nb",
    "LF after the semicolon": b"5;\nb",
    "LF in quotes": b'5;a="\n"',
    "CRLF in quotes": b'5;a="\r\n"',
    "CR": b"5;a\rb",
    "CR in the value": b"5;a=\rb",
    "NUL": b"5;a=\x00",
    "control": b"5;a=\x01",
    "delete": b"5;a=\x7f",
    "byte above ASCII": b"5;a=\xff",
    "open quote": b'5;a="b',
    "above 4 KiB": b"5;" + b"a" * 4097,
    "value above 4 KiB": b"5;a=" + b"b" * 5000,
    "quoted value above 4 KiB": b'5;a="' + b"b" * 5000 + b'"',
    "many, above 4 KiB": b"5" + b";a=b" * 1025,
    "60 KiB": b"5;" + b"a" * 60_000,
}
_BAD_ENDS = {
    "size: LF": b"5\nhello\r\n0\r\n\r\n",
    "size: CR": b"5\rhello\r\n0\r\n\r\n",
    "size: CR and another": b"5\rXhello\r\n0\r\n\r\n",
    "size: CR CR LF": b"5\r\r\nhello\r\n0\r\n\r\n",
    "size: LF CR": b"5\n\rhello\r\n0\r\n\r\n",
    "data: none": b"5\r\nhello0\r\n\r\n",
    "data: LF": b"5\r\nhello\n0\r\n\r\n",
    "data: CR": b"5\r\nhello\r0\r\n\r\n",
    "data: two letters": b"5\r\nhelloXX0\r\n\r\n",
    "data: CR CR": b"5\r\nhello\r\r0\r\n\r\n",
    "data: LF LF": b"5\r\nhello\n\n0\r\n\r\n",
    "data: one byte more": b"5\r\nhello!\r\n0\r\n\r\n",
    "data: one byte less": b"5\r\nhell\r\n0\r\n\r\n",
    "last: LF": b"5\r\nhello\r\n0\n\r\n",
    "last: LF twice": b"5\r\nhello\r\n0\n\n",
    "last: ends with LF": b"5\r\nhello\r\n0\r\n\n",
    "last: two letters": b"5\r\nhello\r\n0\r\nXX\r\n",
    "last: two zeros' worth of nothing": b"5\r\nhello\r\n\r\n0\r\n\r\n",
}
_BAD_TRAILERS = {
    "a request line": b"0\r\nGET /admin HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    "no colon": b"0\r\nX\r\n\r\n",
    "space before the colon": b"0\r\nX : y\r\n\r\n",
    "folded": b"0\r\nX: y\r\n z\r\n\r\n",
    "space before the name": b"0\r\n X: y\r\n\r\n",
    "bare LF": b"0\r\nX: y\n\r\n",
    "bare CR": b"0\r\nX: y\rZ: a\r\n\r\n",
    "NUL": b"0\r\nX: y\x00\r\n\r\n",
    "Content-Length": b"0\r\nContent-Length: 5\r\n\r\nhello",
    "Transfer-Encoding": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
}

PAYLOADS: tuple[Payload, ...] = (
    *(refused(f"chunk size: {name}", chunked(size + _END)) for name, size in _BAD_SIZES.items()),
    *(refused(f"extension: {name}", chunked(size + _END)) for name, size in _BAD_EXTENSIONS.items()),
    *(refused(f"line end after {name}", chunked(body)) for name, body in _BAD_ENDS.items()),
    *(refused(f"trailer: {name}", chunked(b"5\r\nhello\r\n" + end)) for name, end in _BAD_TRAILERS.items()),
    *(
        refused(f"last chunk's size: {name}", chunked(b"5\r\nhello\r\n" + size + b"\r\n\r\n"))
        for name, size in (("0x0", b"0x0"), ("+0", b"+0"), ("-0", b"-0"), ("spaces", b"0 "))
    ),
    refused("second chunk's size: 17 digits", chunked(b"5\r\nhello\r\n00000000000000001\r\n!\r\n0\r\n\r\n")),
    refused(
        "second chunk's extension: above 4 KiB", chunked(b"5\r\nhello\r\n1;" + b"a" * 4097 + b"\r\n!\r\n0\r\n\r\n")
    ),
    refused("last chunk's extension: above 4 KiB", chunked(b"5\r\nhello\r\n0;" + b"a" * 4097 + b"\r\n\r\n")),
    refused("last chunk's size: 17 digits", chunked(b"5\r\nhello\r\n00000000000000000\r\n\r\n")),
    passes("trailers: 101", chunked(b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n"), posted(b"")),
    refused("trailers: above 64 KiB", chunked(b"0\r\nX: " + b"y" * 65_536 + b"\r\n\r\n"), 431),
    passes("chunk size: 16 digits", chunked(b"0000000000000005" + _END), posted()),
    passes(
        "chunk size: both cases", chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), posted(b"0123456789" * 2)
    ),
    passes("chunk size: two zeros at the end", chunked(b"5\r\nhello\r\n00\r\n\r\n"), posted()),
    passes("chunk size: many small ones", chunked(b"1\r\nx\r\n" * 500 + b"0\r\n\r\n"), posted(b"x" * 500)),
    passes("extension: a name", chunked(b"5;a" + _END), posted()),
    passes("extension: a value", chunked(b"5;a=b" + _END), posted()),
    passes("extension: quoted", chunked(b'5;a="b c"' + _END), posted()),
    passes("extension: at the end", chunked(b"5\r\nhello\r\n0;a=b\r\n\r\n"), posted()),
    passes("extension: 4 KiB", chunked(b"5;" + b"a" * 4095 + _END), posted()),
    passes("trailer: a field", chunked(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"), posted()),
    passes("trailer: Authorization", chunked(b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n"), posted()),
    passes("trailer: Host", chunked(b"5\r\nhello\r\n0\r\nHost: evil\r\n\r\n"), posted()),
    passes("trailer: then a request", chunked(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n") + INNER, posted(), get(b"/admin")),
    passes("then a request", chunked(CHUNKS) + INNER, posted(), get(b"/admin")),
    passes("then garbage", chunked(CHUNKS) + b"GARBAGE\r\n\r\n", posted(), ends=True),
    passes("the end never comes", chunked(b"5\r\nhello\r\n")),
    passes("the last line never comes", chunked(b"5\r\nhello\r\n0\r\n")),
    passes("a request as a chunk", chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)), posted(INNER)),
    passes("an end within a chunk", chunked(b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"), posted(b"0\r\n\r\n")),
)
