"""The two planes never share an address."""

import pytest

from gateway.proxy.server import bind


@pytest.mark.parametrize("second", ["127.0.0.1", "0.0.0.0"])
def test_two_planes_on_one_port_are_refused(second: str, free_port: int) -> None:
    """An address that is taken is an error, also when the other plane of the same process has it."""
    with bind(f"127.0.0.1:{free_port}"), pytest.raises(OSError, match="in use"):
        bind(f"{second}:{free_port}")
