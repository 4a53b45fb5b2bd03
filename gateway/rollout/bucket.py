"""Which of the 10,000 buckets a caller falls into.

Do not improve this function: a change of one bit moves every caller of every canary to another side.
`tests/gateway/rollout/test_bucket.py` pins its values.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

BUCKETS = 10_000
_LONGEST = 128  # bytes of a key that is remembered


def bucket(group: str, key: bytes) -> int:
    """The caller's bucket in a route group: BLAKE2b-64 of group, NUL and key, big-endian, modulo 10,000."""
    return int.from_bytes(blake2b(group.encode() + b"\0" + key, digest_size=8).digest()) % BUCKETS


def place_of(group: str, key: bytes) -> int:
    """The same; whoever has been here a moment ago is remembered."""
    return _remembered(group, key) if len(key) <= _LONGEST else bucket(group, key)


_remembered = lru_cache(maxsize=8_192)(bucket)
