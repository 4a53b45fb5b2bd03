"""The bucket function is pinned: a change of its values would move every caller of every canary."""

from collections import Counter

import pytest

from gateway.rollout.bucket import BUCKETS, bucket, place_of


@pytest.mark.parametrize(
    ("group", "key", "wanted"),
    [
        ("lots", b"a", 4297),
        ("lots", b"4f1c0c9e-0000-4000-8000-000000000001", 1750),
        ("runs", b"a", 541),
        ("", b"", 5896),
        ("lots", "é".encode(), 4837),
    ],
)
def test_bucket_values_never_change(group: str, key: bytes, wanted: int) -> None:
    """A caller keeps the bucket it has today, for ever."""
    assert bucket(group, key) == wanted


def test_callers_are_spread_evenly() -> None:
    """Each tenth of the buckets gets about a tenth of the callers."""
    tenths = Counter(bucket("lots", str(caller).encode()) * 10 // BUCKETS for caller in range(20_000))
    assert set(tenths) == set(range(10))
    assert all(1_800 < count < 2_200 for count in tenths.values())


def test_whoever_is_remembered_has_the_same_bucket() -> None:
    """Also once more callers have come than are remembered, and with keys that are too long for that."""
    for caller in [*range(10_000), *range(10_000)]:
        key = b"%d" % caller if caller % 10 else b"long" * 100 + b"%d" % caller
        assert place_of("lots", key) == bucket("lots", key)
    assert place_of("runs", b"1") == bucket("runs", b"1") != bucket("lots", b"1")
