"""Transfer-Encoding: CL.TE, TE.CL and the spellings of TE.TE."""

from __future__ import annotations

from tests.fuzz.corpus import CHUNKS, HOST, INNER, Payload, Seen, ask, chunked, passes, post, posted, refused

_BAD_VALUES = {
    "leading comma": b",chunked",
    "trailing comma": b"chunked,",
    "letter before": b"xchunked",
    "letter after": b"chunkedx",
    "identity": b"identity",
    "identity first": b"identity, chunked",
    "identity last": b"chunked, identity",
    "gzip first": b"gzip, chunked",
    "gzip last": b"chunked, gzip",
    "gzip": b"gzip",
    "chunked twice": b"chunked, chunked",
    "word before": b"cow chunked",
    "word after": b"chunked cow",
    "parameter": b"chunked;q=1",
    "quoted": b'"chunked"',
    "in single quotes": b"'chunked'",
    "tab": b"\tchunked",
    "space and tab": b" \tchunked",
    "tab after": b"chunked\t",
    "two spaces": b" chunked".join([b" ", b""]),
    "vertical tab before": b"\x0bchunked",
    "vertical tab after": b"chunked\x0b",
    "form feed": b"\x0cchunked",
    "nul before": b"\x00chunked",
    "nul after": b"chunked\x00",
    "delete": b"chunked\x7f",
    "byte order mark": b"\xef\xbb\xbfchunked",
    "no-break space": b"\xa0chunked",
    "carriage return": b"\rchunked",
    "line feed": b"\nchunked",
    "empty": b"",
    "backslash": b"chun\\ked",
    "kelvin sign": "chun\u212aed".encode(),
    "long s": "\u017fchunked".encode(),
    "bracket": b"[chunked]",
}
_BAD_FIELDS = {
    "space before the colon": b"Transfer-Encoding : chunked\r\n",
    "tab before the colon": b"Transfer-Encoding\t: chunked\r\n",
    "nul before the colon": b"Transfer-Encoding\x00: chunked\r\n",
    "vertical tab before the colon": b"Transfer-Encoding\x0b: chunked\r\n",
    "space before the name": b" Transfer-Encoding: chunked\r\n",
    "tab before the name": b"\tTransfer-Encoding: chunked\r\n",
    "no colon": b"Transfer-Encoding chunked\r\n",
    "folded value": b"Transfer-Encoding:\r\n chunked\r\n",
    "folded with a tab": b"Transfer-Encoding:\r\n\tchunked\r\n",
    "folded after": b"Transfer-Encoding: chunked\r\n x\r\n",
    "folded before": b"X: y\r\n Transfer-Encoding: chunked\r\n",
    "colon on the next line": b"Transfer-Encoding\r\n: chunked\r\n",
    "after a bare LF": b"X: y\nTransfer-Encoding: chunked\r\n",
    "after a bare CR": b"X: y\rTransfer-Encoding: chunked\r\n",
    "before a bare LF": b"Transfer-Encoding: chunked\nX: y\r\n",
    "before a bare CR": b"Transfer-Encoding: chunked\rX: y\r\n",
    "after a NUL": b"X: y\x00Transfer-Encoding: chunked\r\n",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "twice, second unknown": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
    "twice, first unknown": b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
    "twice, first identity": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "twice, first empty": b"Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
}

PAYLOADS: tuple[Payload, ...] = (
    *(
        refused(f"coding: {name}", post(b"Transfer-Encoding:" + value + b"\r\n", CHUNKS))
        for name, value in _BAD_VALUES.items()
    ),
    *(refused(f"coding: {name}", post(field, CHUNKS)) for name, field in _BAD_FIELDS.items()),
    *(
        refused(f"CL.TE and TE.TE: {name}", post(b"Content-Length: 15\r\nTransfer-Encoding:" + value + b"\r\n", CHUNKS))
        for name, value in list(_BAD_VALUES.items())[:6]
    ),
    refused("CL.TE: plain", post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG")),
    refused("CL.TE: equal lengths", post(b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", CHUNKS)),
    refused(
        "CL.TE: with a request inside",
        post(b"Content-Length: 46\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + INNER),
    ),
    refused(
        "TE.CL: plain", post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"8\r\nSMUGGLED\r\n0\r\n\r\n")
    ),
    refused("TE.CL: on GET", ask(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + b"5c\r\n" + INNER),
    refused("TE.CL: length zero", post(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", CHUNKS)),
    refused("TE.0: length among the trailers", chunked(b"5\r\nhello\r\n0\r\nContent-Length: 41\r\n\r\n" + INNER)),
    refused("coding: in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n", CHUNKS, version=b"HTTP/1.0")),
    refused(
        "coding: in HTTP/1.0 that keeps alive",
        post(b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", CHUNKS, version=b"HTTP/1.0"),
    ),
    passes("coding: plain", chunked(CHUNKS), posted()),
    passes("coding: in capitals", post(b"TRANSFER-ENCODING: CHUNKED\r\n", CHUNKS), posted()),
    passes("coding: mixed letters", post(b"tRANSFER-eNCODING: cHuNkEd\r\n", CHUNKS), posted()),
    passes("coding: no space", post(b"Transfer-Encoding:chunked\r\n", CHUNKS), posted()),
    passes(
        "coding: first of all fields",
        b"POST /pay HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n" + CHUNKS,
        posted(),
    ),
    passes(
        "coding: hidden among connection's names",
        post(b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
        posted(),
    ),
    passes(
        "coding: with an underscore is none",
        post(b"Transfer_Encoding: chunked\r\nContent-Length: 15\r\n", CHUNKS),
        posted(CHUNKS),
    ),
    passes("coding: TE is another header", post(b"TE: chunked\r\nContent-Length: 5\r\n", b"hello"), posted()),
    passes(
        "coding: Content-Encoding is another header",
        post(b"Content-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"),
        posted(),
    ),
    *(
        passes(
            f"coding: a request in the chunk of {method.decode()}",
            ask(b"Transfer-Encoding: chunked\r\n", line=method + b" / HTTP/1.1")
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
            Seen(method, b"/", INNER),
        )
        for method in (b"GET", b"OPTIONS", b"DELETE", b"HEAD", b"PUT")
    ),
)
