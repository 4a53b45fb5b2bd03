"""The bucket function is pinned: a change of its values would move every caller of every canary."""

from collections import Counter

import pytest

from gateway.rollout.bucket import BUCKETS, bucket


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
