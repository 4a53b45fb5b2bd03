"""Shares as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.share import WHOLE, parse_share, show_share
from gateway.rollout import flag


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("5%", 500),
        ("0.01%", 1),
        ("100%", WHOLE),
        ("100.00%", WHOLE),
        ("0%", 0),
        ("12.5 %", 1250),
        (" 500 ", 500),
        ("0", 0),
        ("10000", WHOLE),
    ],
)
def test_share_is_a_percentage_or_a_count(text: str, share: int) -> None:
    """A percentage carries its sign, a count of 1/10,000 carries nothing."""
    assert parse_share(text) == share


@pytest.mark.parametrize(
    "text", ["", "five", "5.5", "-5%", "1e2", "5%%", "%", "0.005%", "101%", "10001", "٥%", "5\n%\n5", "1_000", "inf%"]
)
def test_nonsense_is_refused_with_a_sentence(text: str) -> None:
    """What is neither is refused, and the sentence repeats what was written."""
    answer = parse_share(text)
    assert isinstance(answer, str)
    assert repr(text) in answer


@given(st.integers(0, WHOLE))
def test_every_share_can_be_read_back(share: int) -> None:
    """The text that is shown for a share means that share."""
    assert parse_share(show_share(share)) == share


def test_whole_is_the_same_as_in_the_flags() -> None:
    """The command line counts in the same parts as the flags do."""
    assert WHOLE == flag.WHOLE
