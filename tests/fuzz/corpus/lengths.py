"""Content-Length: CL.0, 0.CL, doubled, signed, folded, dressed up."""

from __future__ import annotations

from tests.fuzz.corpus import HOST, INNER, Payload, Seen, ask, get, passes, post, posted, refused

_BAD_VALUES = {
    "plus": b"+5",
    "minus": b"-5",
    "hexadecimal": b"0x5",
    "octal": b"0o5",
    "fraction": b"5.0",
    "exponent": b"5e0",
    "underscore": b"5_0",
    "inner space": b"5 5",
    "list of equals": b"5, 5",
    "list of two": b"5, 6",
    "trailing comma": b"5,",
    "leading comma": b",5",
    "parameter": b"5;a=b",
    "quoted": b'"5"',
    "word": b"five",
    "empty": b"",
    "only spaces": b"   ",
    "nul after": b"5\x00",
    "nul before": b"\x005",
    "vertical tab before": b"\x0b5",
    "form feed after": b"5\x0c",
    "no-break space before": b"\xa05",
    "next line after": b"5\x85",
    "arabic digit": "٥".encode(),
    "fullwidth digit": "５".encode(),
    "carriage return after": b"5\r\r",
    "overflow of 64 bits": b"18446744073709551621",
    "beyond signed 64 bits": b"9223372036854775813",
    "space after": b"5 ",
    "tab after": b"5\t",
    "thirty digits": b"100000000000000000000000000005",
    "thirty digits of zeros": b"000000000000000000000000000005",
}

PAYLOADS: tuple[Payload, ...] = (
    *(
        refused(f"length: {name}", post(b"Content-Length: " + value + b"\r\n", b"hello"))
        for name, value in _BAD_VALUES.items()
    ),
    refused("length: twice, equal", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    refused("length: twice, different", post(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello")),
    refused("length: twice, in other letters", post(b"Content-Length: 5\r\ncontent-LENGTH: 6\r\n", b"hello")),
    refused("length: twice, second empty", post(b"Content-Length: 5\r\nContent-Length:\r\n", b"hello")),
    refused("length: twice, first empty", post(b"Content-Length:\r\nContent-Length: 5\r\n", b"hello")),
    refused("length: twice on GET", ask(b"Content-Length: 0\r\nContent-Length: 5\r\n") + b"hello"),
    refused("length: space before the colon", post(b"Content-Length : 5\r\n", b"hello")),
    refused("length: tab before the colon", post(b"Content-Length\t: 5\r\n", b"hello")),
    refused("length: nul before the colon", post(b"Content-Length\x00: 5\r\n", b"hello")),
    refused("length: space before the name", post(b" Content-Length: 5\r\n", b"hello")),
    refused(
        "length: space before the first name", b"POST /pay HTTP/1.1\r\n Content-Length: 5\r\n" + HOST + b"\r\nhello"
    ),
    refused("length: no-break space before the name", post(b"\xa0Content-Length: 5\r\n", b"hello")),
    refused("length: in a folded line", post(b"X: y\r\n Content-Length: 5\r\n", b"hello")),
    refused("length: value on the next line", post(b"Content-Length:\r\n 5\r\n", b"hello")),
    refused("length: value continued", post(b"Content-Length: 5\r\n 0\r\n", b"hello")),
    refused("length: after a bare LF", post(b"X: y\nContent-Length: 5\r\n", b"hello")),
    refused("length: after a bare CR", post(b"X: y\rContent-Length: 5\r\n", b"hello")),
    refused("length: after a NUL", post(b"X: y\x00Content-Length: 5\r\n", b"hello")),
    refused("length: name cut by a line", post(b"Content-\r\nLength: 5\r\n", b"hello")),
    refused("length: a letter that lower() would make an s", post("Content-Lengt\u017f: 5\r\n".encode(), b"hello")),
    passes("length: plain", post(b"Content-Length: 5\r\n", b"hello"), posted()),
    passes("length: zeros before", post(b"Content-Length: 005\r\n", b"hello"), posted()),
    passes("length: spaces and a tab before", post(b"Content-Length: \t 5\r\n", b"hello"), posted()),
    passes("length: no space", post(b"Content-Length:5\r\n", b"hello"), posted()),
    passes("length: in capitals", post(b"CONTENT-LENGTH: 5\r\n", b"hello"), posted()),
    passes("length: zero, then garbage", post(b"Content-Length: 0\r\n", b"hello\r\n\r\n"), posted(b""), ends=True),
    passes("length: none, then a request", post(b"") + INNER, posted(b""), get(b"/admin")),
    passes("length: none, then garbage", post(b"", b"hello\r\n\r\n"), posted(b""), ends=True),
    passes(
        "length: shorter than what came", post(b"Content-Length: 5\r\n", b"helloGARBAGE\r\n\r\n"), posted(), ends=True
    ),
    passes("length: longer than what came", post(b"Content-Length: 50\r\n", b"hello")),
    passes(
        "length: with an underscore is none", post(b"Content_Length: 5\r\n", b"hello\r\n\r\n"), posted(b""), ends=True
    ),
    passes("CL.0: a request as a body", post(b"Content-Length: %d\r\n" % len(INNER), INNER), posted(INNER)),
    passes(
        "CL.0: on a static file",
        post(b"Content-Length: 6\r\n", b"GET /x", target=b"/logo.png"),
        posted(b"GET /x", b"/logo.png"),
    ),
    *(
        passes(
            f"CL.0: a request as the body of {method.decode()}",
            ask(b"Content-Length: %d\r\n" % len(INNER), line=method + b" / HTTP/1.1") + INNER,
            Seen(method, b"/", INNER),
        )
        for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"PUT", b"PATCH")
    ),
    passes(
        "0.CL: hidden among connection's names",
        post(b"Connection: content-length\r\nContent-Length: %d\r\n" % len(INNER), INNER),
        posted(INNER),
    ),
    refused("0.CL: dressed up, with an early answer's bait", ask(b"Content-Length:\x0b41\r\n") + INNER),
    passes("0.CL: in another header", ask(b"X: Content-Length: 41\r\n") + INNER, get(), get(b"/admin")),
)
