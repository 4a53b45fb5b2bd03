"""Documents made to hurt end in a verdict. The suite's time limit is the only clock here."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Kind, Outcome
from gateway.diff.walk import MAX_DEPTH
from gateway.message import Side
from tests.gateway.diff.answers import JSON, TODAY, answer, found, judged, rule


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        json.dumps({f"key{at}": at for at in range(1_000_000)}).encode(),
        b'"' + b"x" * 10_000_000 + b'"',
        b"[" + b"[],{}," * 1_000_000 + b"1]",
        b"[" + b"9" * 1_000_000 + b"]",
    ],
    ids=["depth", "keys", "text", "containers", "digits"],
)
def test_a_document_beyond_the_bounds_is_not_comparable(body: bytes) -> None:
    """Depth 100,000, a million keys, a text of 10 MB, millions of containers, a million digits."""
    assert judged(body, body + b" ").outcome is Outcome.NOT_COMPARABLE
    assert judged([1], body).outcome is Outcome.NOT_COMPARABLE


@pytest.mark.parametrize(
    ("media", "one", "other"),
    [
        ("application/x-ndjson", b"1\n" * 2_000_000, b"2\n" * 2_000_000),
        ("text/event-stream", b"\n" * 2_000_000, b"\r" * 2_000_000 + b"data: 1"),
        ("application/x-www-form-urlencoded", b"a&" * 2_000_000, b"b&" * 2_000_000),
    ],
)
def test_millions_of_small_things_of_any_kind_are_not_comparable(media: str, one: bytes, other: bytes) -> None:
    """Counted before anything is built."""
    headers = ((b"content-type", media.encode()),)
    verdict = compare(
        answer(Side.LEGACY, one, headers=headers), answer(Side.NEW, other, headers=headers), Rules(), today=TODAY
    )
    assert verdict.outcome is Outcome.NOT_COMPARABLE


def test_numbers_with_huge_exponents_stay_small() -> None:
    """Seven letters must not become a million digits."""
    one, other = ("[" + "1e999999," * 50_000 + last + "]" for last in ("1", "2"))
    assert found(judged(one.encode(), other.encode())) == [(Kind.VALUE, "body/50000")]


def nested(value: Any, levels: int) -> Any:
    """A value inside so many arrays."""
    for _ in range(levels):
        value = [value]
    return value


def test_a_difference_within_the_depth_is_found_and_one_below_is_not_comparable() -> None:
    """What lies too deep to be looked at is never called equal."""
    assert judged(nested(1, MAX_DEPTH - 1), nested(2, MAX_DEPTH - 1)).outcome is Outcome.MISMATCHED
    verdict = judged(nested(1, MAX_DEPTH + 50), nested(2, MAX_DEPTH + 50))
    assert verdict.outcome is Outcome.NOT_COMPARABLE
    assert judged(nested(1, MAX_DEPTH + 50), b" " + json.dumps(nested(1, MAX_DEPTH + 50)).encode()).outcome in (
        Outcome.MATCHED,
        Outcome.NOT_COMPARABLE,
    )


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        (list(range(50_000)), list(range(50_000, 0, -1))),
        ([{"a": at} for at in range(10_000)], [{"b": -at} for at in range(11_000)]),
        ([[at] * 2 for at in range(20_000)], [[at] * 3 for at in range(20_000)]),
        ([{f"k{key}": at for key in range(200)} for at in range(300)], [{f"k{key}": key} for key in range(300)]),
        ([nested([at, at], 90) for at in range(200)], [nested([at, -at], 90) for at in range(200)]),
    ],
    ids=["reversed", "nothing alike", "many small", "wide rows", "deep rows"],
)
def test_arrays_without_anything_in_common_end_in_a_mismatch(control: Any, candidate: Any) -> None:
    """The table of a comparison is bounded; beyond it elements are paired by position."""
    assert judged(control, candidate).outcome is Outcome.MISMATCHED


def test_unordered_arrays_without_anything_in_common_end_in_a_mismatch() -> None:
    """Looking for each element's like is bounded as well."""
    from gateway.diff.readers import Reading

    unordered = rule("body", reading=Reading.UNORDERED)
    verdict = judged(list(range(50_000)), list(range(60_000, 115_000)), unordered)
    assert verdict.outcome is Outcome.MISMATCHED


def test_a_compressed_bomb_is_not_comparable() -> None:
    """Equal bombs are equal bytes; different ones are not unpacked past the cap."""
    headers = (*JSON, (b"content-encoding", b"gzip"))
    bomb = gzip.compress(b" " * 50_000_000)
    verdict = compare(
        answer(Side.LEGACY, bomb, headers=headers),
        answer(Side.NEW, gzip.compress(b"[1]"), headers=headers),
        Rules(),
        today=TODAY,
    )
    assert verdict.outcome is Outcome.NOT_COMPARABLE


def test_bodies_are_compared_decoded() -> None:
    """A side that compresses says nothing else than one that does not."""
    plain = answer(Side.LEGACY, {"a": 1})
    packed = answer(Side.NEW, gzip.compress(b'{"a": 2}'), headers=(*JSON, (b"Content-Encoding", b"gzip")))
    assert found(compare(plain, packed, Rules(), today=TODAY)) == [(Kind.VALUE, "body/a")]
