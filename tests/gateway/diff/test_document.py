"""Bodies are read exactly or not at all."""

from __future__ import annotations

import gzip
import json
import zlib
from decimal import Decimal
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.coding import MAX_BODY, MAX_SMALL, decode
from gateway.diff.document import MAX_DIGITS, MAX_VALUES, read_document, read_json
from gateway.diff.value import Unreadable


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


def test_br_and_zstd_are_undone() -> None:
    """What Express and Caddy send to browsers."""
    page = b"[" + b"1," * 100_000 + b"1]"
    assert decode(brotli.compress(page), "br") == page
    assert decode(zstd.compress(page), "ZSTD") == page
    assert decode(b"", "br") == b""


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
        (b"x", "lzma", "content-encoding lzma is not read"),
        (b"hello", "gzip", "the body is not gzip"),
        (gzip.compress(b"hello")[:-9], "gzip", "the gzip body is cut short"),
        (zlib.compress(b"[1]") + b"x", "deflate", "the body is not deflate"),
        (gzip.compress(b"\0" * 20 * MAX_SMALL), "gzip", "the gzip body grows past"),
        (gzip.compress(b"\0" * (MAX_SMALL - 1)) * 5, "gzip", "the gzip body grows past"),
        (gzip.compress(gzip.compress(b"\0" * 20 * MAX_SMALL)), "gzip, gzip", "the gzip body grows past"),
        (gzip.compress(b"") * 100_000, "gzip", "the gzip body grows past"),
        (brotli.compress(b"\0" * 20 * MAX_SMALL), "br", "the br body grows past"),
        (brotli.compress(b"hello")[:-1], "br", "the br body is cut short"),
        (brotli.compress(b"hello") + b"x", "br", "the body is not br"),
        (zstd.compress(b"\0" * 20 * MAX_SMALL), "zstd", "the zstd body grows past"),
        (zstd.compress(b"hello")[:-1], "zstd", "the zstd body is cut short"),
        (b"hello", "zstd", "the body is not zstd"),
        (b"hello", "gzip, br, gzip, br", "the body has more than 3 content codings"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_coding_that_is_not_whole_small_and_known_is_unreadable(body: bytes, coding: str, sentence: str) -> None:
    """A bomb costs its cap, whatever it claims."""
    assert reason(decode(body, coding)).startswith(sentence)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "1"),
        ("1e0", "1"),
        ("10E-1", "1"),
        ("-0.0", "0"),
        ("0e5", "0"),
        ("2.50", "25e-1"),
        ("1e21", "1000000000000000000000"),
        ("1.2345678901234567890123e22", "12345678901234567890123"),
        ("1e500", "10e499"),
        ("1e-500", "0.1e-499"),
    ],
)
def test_a_number_has_one_form_however_it_is_spelled(one: str, other: str) -> None:
    """So equal documents have equal texts, whichever language printed them."""
    assert text_of(one) == text_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "true"),
        ("0", "false"),
        ("1", '"1"'),
        ("1.5", '"1.5"'),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000000000000000000000000000000000001"),
        ("1e500", "1e501"),
        ("null", '"null"'),
        ('"\\ud800"', '"\\ud801"'),
        ('["\\ud800", 1.5]', '["\\ud800", "1.5"]'),
    ],
)
def test_different_values_have_different_texts(one: str, other: str) -> None:
    """Also where Python calls them equal, and where only one half of a surrogate pair is left."""
    assert text_of(one) != text_of(other)


def text_of(text: str) -> bytes:
    """The canonical text of a JSON text."""
    read = read_document(text.encode())
    assert not isinstance(read, Unreadable)
    return read.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":"x:y","b":[{"c":1,"c":":"}]}',
        b'{"a" :1,"a": 2}',
        b'{"\\u0061":1,"a":2}',
        b'{"a":":","a":"\\u003a\\u003A"}',
        b'{"":{},"":{}}',
    ],
)
def test_a_repeated_key_is_noticed_wherever_it_hides(body: bytes) -> None:
    """Two parsers take different ones of the two, so nobody knows what the document says."""
    assert "repeats the key" in reason(read_json(body))


@pytest.mark.parametrize("body", [b'{"a":":::","b:":"\\u003a"}', b'{"\\u003a":1,":b":[":"]}'])
def test_colons_in_texts_are_no_keys(body: bytes) -> None:
    """However they are written."""
    assert read_json(body) == json.loads(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=5),
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_it_reads_what_pythons_own_reader_reads(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Texts, big integers and halves of surrogate pairs included; floats by their decimals."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    if "\ud800" <= max(text, default="") <= "\udfff":
        text = json.dumps(value)
    assert read_json(text.encode("utf-8", "surrogatepass")) == json.loads(text, parse_float=Decimal)


@given(st.text('[]{}",:0123456789.eE+-truefalsn \\\n\t', max_size=30) | st.binary(max_size=20))
def test_it_takes_no_text_that_a_strict_reader_refuses(text: str | bytes) -> None:
    """The oracle is Python's reader without its extensions."""
    body = text.encode() if isinstance(text, str) else text
    read = read_json(body)
    try:
        expected = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=int)
    except (ValueError, RecursionError):
        assert isinstance(read, Unreadable)
    else:
        assert isinstance(read, Unreadable) or read == expected
