"""Patterns name places, readings say what is equal after all, and neither does more."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.pattern import Pattern, show
from gateway.diff.readers import Reading, agree
from gateway.diff.value import ABSENT, Found


@pytest.mark.parametrize(
    ("pattern", "place", "matches"),
    [
        ("status", "status", True),
        ("header/Vary", "header/vary", True),
        ("header/vary", "header/link", False),
        ("body/a", "body/a", True),
        ("body/a", "body/a/b", False),
        ("body/*/a", "body/7/a", True),
        ("body/*/a", "body/a", False),
        ("body/a/**", "body/a", True),
        ("body/a/**", "body/a/b/0/c", True),
        ("body/a/**", "body/ab", False),
        ("body/**/kg", "body/kg", True),
        ("body/**/kg", "body/lots/0/kg", True),
        ("body/**/kg", "body/lots/0/kg/unit", False),
        ("body/**/a/**/b", "body/x/a/y/a/z/b", True),
        ("body/**/a/*/b", "body/a/a/b/b", True),
        ("body/a~1b", "body/a~1b", True),
    ],
)
def test_a_pattern_matches_the_places_it_names(pattern: str, place: str, matches: bool) -> None:
    """One star is one level, two are any number of them."""
    unescaped = tuple(part.replace("~1", "/").replace("~0", "~") for part in place.split("/"))
    assert Pattern.parse(pattern).matches(unescaped) is matches


@pytest.mark.parametrize(
    "text",
    ["", "/", "*", "**", "body/", "body/*", "body/**", "body/**/*", "body//a", "header", "header/*", "header/a/b"],
)
def test_a_pattern_that_is_broad_or_broken_is_refused(text: str) -> None:
    """A rule names at least one key or one header."""
    with pytest.raises(ValueError, match=r"."):
        Pattern.parse(text)


def test_matching_many_stars_costs_no_power() -> None:
    """The pattern that makes backtracking matchers explode."""
    pattern = Pattern.parse("body/" + "**/a/" * 30 + "b")
    assert not pattern.matches(("body", *("a",) * 2_000))


@given(st.lists(st.text(min_size=1), min_size=1))
def test_a_shown_place_reads_back_as_a_pattern_of_itself(keys: list[str]) -> None:
    """People copy a place from a report into a rule."""
    place = ("body", *keys)
    if len(place) <= 64 and not all(key in ("*", "**") for key in keys):
        assert Pattern.parse(show(place)).matches(place)


@pytest.mark.parametrize(
    ("reading", "control", "candidate", "equal"),
    [
        (Reading.ANY, 1, "x", True),
        (Reading.NUMBER, "540.0", 540, True),
        (Reading.NUMBER, "540.0", Decimal("540.00"), True),
        (Reading.NUMBER, "540.0", 541, False),
        (Reading.NUMBER, "5e2", 500, True),
        (Reading.NUMBER, True, 1, False),
        (Reading.NUMBER, "", 0, False),
        (Reading.NUMBER, "NaN", "NaN", False),
        (Reading.NUMBER, "٣", 3, False),
        (Reading.NUMBER, ABSENT, 3, False),
        (Reading.FLOAT64, 9007199254740992, 9007199254740993, True),
        (Reading.FLOAT64, 9007199254740992, 9007199254740995, False),
        (Reading.FLOAT64, Decimal("1e999"), Decimal("1e998"), False),
        (Reading.TIMESTAMP_MS, "2026-11-20T23:24:22.146Z", "2026-11-20T23:24:22.146123+00:00", True),
        (Reading.TIMESTAMP_MS, "2026-11-20T23:24:22.146Z", "2026-11-21 00:24:22.1469+01", True),
        (Reading.TIMESTAMP_MS, "2026-11-20T23:24:22.146Z", "2026-11-20T23:24:22.147Z", False),
        (Reading.TIMESTAMP_MS, "1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.900Z", True),
        (Reading.TIMESTAMP_MS, "2026-11-20", "2026-11-20", False),
        (Reading.TIMESTAMP_MS, "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", True),
        (Reading.TIMESTAMP_ANY, "2026-11-20T23:24:22Z", "2001-01-01T00:00:00Z", True),
        (Reading.TIMESTAMP_ANY, "2026-11-20T23:24:22Z", "2026-02-30T00:00:00Z", False),
        (Reading.TIMESTAMP_ANY, "2026-11-20T23:24:22Z", None, False),
        (Reading.UUID, "e06874b4-2b78-40cf-944d-910ecf16393a", "2A91D58B-1729-468B-8738-51F2F8F3B9FC", True),
        (Reading.UUID, "e06874b4-2b78-40cf-944d-910ecf16393a", "7", False),
        (Reading.URL_PATH, "http://a:1/x?y=1", "https://b/x?y=1", True),
        (Reading.URL_PATH, "http://a/x", "http://a/y", False),
        (Reading.URL_PATH, "http://[/x", "http://[/x", False),
        (Reading.NULL_IS_MISSING, None, ABSENT, True),
        (Reading.NULL_IS_MISSING, ABSENT, None, True),
        (Reading.NULL_IS_MISSING, 0, ABSENT, False),
        (Reading.NULL_IS_MISSING, [], {}, False),
        (Reading.ERROR_ENVELOPE, "no", {"code": "x", "message": "never"}, True),
        (Reading.ERROR_ENVELOPE, {"error": "no"}, {"error": {"message": "never"}}, True),
        (Reading.ERROR_ENVELOPE, "no", {"code": "x"}, False),
        (Reading.ERROR_ENVELOPE, "no", " ", False),
        (Reading.ERROR_ENVELOPE, {"detail": [{"msg": "no", "loc": ["a"]}]}, {"errors": [{"title": "never"}]}, True),
        (Reading.ERROR_TEXT, {"error": "no"}, {"detail": "no"}, True),
        (Reading.ERROR_TEXT, {"error": "no"}, {"error": {"code": 7, "message": "no"}}, True),
        (Reading.ERROR_TEXT, {"error": "no"}, {"detail": "never"}, False),
        (Reading.ERROR_TEXT, {"code": 7}, {"code": 7}, False),
        (Reading.TIMESTAMP_MS, "2026-11-20 23:24:22.146", "2026-11-20T23:24:22.146000", True),
        (Reading.TIMESTAMP_MS, "2026-11-20 23:24:22.146", "2026-11-20T23:24:22.146Z", False),
    ],
)
def test_a_reading_makes_equal_what_it_says_and_nothing_else(
    reading: Reading, control: Found, candidate: Found, equal: bool
) -> None:
    """Two values that cannot be read so are never equal by that reading."""
    assert agree(reading, control, candidate) is equal


def token(claims: str) -> str:
    """An unsigned JWT with these claims."""
    from base64 import urlsafe_b64encode

    return "e30." + urlsafe_b64encode(claims.encode()).decode().rstrip("=") + ".c2ln"


def test_two_tokens_are_equal_but_for_their_times() -> None:
    """What a login issues differs in iat and exp only."""
    first = token('{"sub": "a", "app_metadata": {"role": "ADMIN"}, "iat": 1, "exp": 2}')
    later = token('{"iat": 11, "exp": 12, "sub": "a", "app_metadata": {"role": "ADMIN"}}')
    other = token('{"iat": 11, "exp": 12, "sub": "b", "app_metadata": {"role": "ADMIN"}}')
    assert agree(Reading.JWT, first, later)
    assert not agree(Reading.JWT, first, other)
    assert not agree(Reading.JWT, "a.b.c", "a.b.c")
    assert not agree(Reading.JWT, "a.é.c", "a.b.c")


@given(st.sampled_from(Reading), st.text() | st.none() | st.integers() | st.lists(st.none()), st.text())
def test_no_value_makes_a_reading_raise(reading: Reading, control: Found, candidate: str) -> None:
    """Readings are total: they see what backends send."""
    assert agree(reading, control, candidate) in (True, False)
