"""Testers see where the time went."""

from gateway.message import Side
from gateway.proxy.timing import server_timing


def test_both_parts_are_told_in_milliseconds() -> None:
    """One metric for the gateway, one for the side that answered."""
    assert server_timing(0.00042, Side.LEGACY, 0.0121) == b"gateway;dur=0.42, legacy;dur=12.10"
    assert server_timing(0.0, Side.NEW, 1.5) == b"gateway;dur=0.00, new;dur=1500.00"
