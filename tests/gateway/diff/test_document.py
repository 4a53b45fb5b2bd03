"""Bodies are read exactly or not at all."""

from __future__ import annotations

import gzip
import zlib
from decimal import Decimal

import pytest

from gateway.diff.document import MAX_BODY, MAX_DIGITS, MAX_SMALL, MAX_VALUES, Unreadable, decode, read_json


def reason(read: object) -> str:
    """Why something could not be read."""
    assert isinstance(read, Unreadable)
    return read.reason


def test_numbers_keep_every_digit() -> None:
    """Integers beyond 2^53 and decimals beyond a double come as they were written."""
    assert read_json(b"[9007199254740993, 0.1000000000000000000001]") == [
        9007199254740993,
        Decimal("0.1000000000000000000001"),
    ]
    assert read_json(b"1" * 900) == Decimal("1" * 900)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"a": 1, "b": 2, "a": 1}', "the body repeats the key 'a' in one object"),
        (b"[NaN]", "the body has NaN, which is not JSON"),
        (b"[-Infinity]", "the body has -Infinity, which is not JSON"),
        (b"[1,]", "the body is not JSON"),
        (b"[1] [2]", "the body is not JSON"),
        (b"'a'", "the body is not JSON"),
        (b'["\x00"]', "the body is not JSON"),
        (b"[01]", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"[\xff]", "the body is not UTF-8"),
        (b"[1e999999999999999999999]", "the body has a number whose exponent is out of bounds"),
        (b"[1e1000001]", "the body has a number whose exponent is out of bounds"),
        (b"1" * (MAX_DIGITS + 1), f"the body has a number of more than {MAX_DIGITS} digits"),
        (b"[" * 100_000 + b"]" * 100_000, "the body is nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "the body is nested too deeply"),
        (b"[" + b"1," * MAX_VALUES + b"1]", f"the body has more than {MAX_VALUES} values"),
        (b'"' + b"x" * MAX_BODY + b'"', f"the body is larger than {MAX_BODY} bytes"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_not_certain_is_unreadable(body: bytes, sentence: str) -> None:
    """Lenient parsers read all of these as something; a comparison must not."""
    assert reason(read_json(body)).startswith(sentence)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", " gzip , identity"])
def test_gzip_is_undone(coding: str) -> None:
    """Under any of its names, members one after the other included."""
    assert decode(gzip.compress(b"[1") + gzip.compress(b"]"), coding) == b"[1]"


def test_deflate_is_undone_with_and_without_its_wrapping() -> None:
    """The standard means zlib's format; some servers send bare deflate."""
    bare = zlib.compressobj(wbits=-15)
    assert decode(zlib.compress(b"[1]"), "deflate") == b"[1]"
    assert decode(bare.compress(b"[1]") + bare.flush(), "deflate") == b"[1]"


def test_codings_are_undone_from_the_last_to_the_first() -> None:
    """The list of Content-Encoding is in the order in which they were applied."""
    assert decode(gzip.compress(zlib.compress(b"[1]")), "deflate, gzip") == b"[1]"


@pytest.mark.parametrize(
    ("body", "coding", "sentence"),
    [
        (b"x", "br", "content-encoding br is not read"),
        (b"hello", "gzip", "the body is not gzip"),
        (gzip.compress(b"hello")[:-9], "gzip", "the gzip body is cut short"),
        (zlib.compress(b"[1]") + b"x", "deflate", "bytes follow the deflate body"),
        (gzip.compress(b"\0" * 20 * MAX_SMALL), "gzip", "the gzip body grows past"),
        (gzip.compress(b"\0" * (MAX_SMALL - 1)) * 5, "gzip", "the gzip body grows past"),
        (gzip.compress(gzip.compress(b"\0" * 20 * MAX_SMALL)), "gzip, gzip", "the gzip body grows past"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_coding_that_is_not_whole_small_and_known_is_unreadable(body: bytes, coding: str, sentence: str) -> None:
    """A bomb costs its cap, whatever it claims."""
    assert reason(decode(body, coding)).startswith(sentence)
