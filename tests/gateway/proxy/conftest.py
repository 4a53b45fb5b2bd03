"""Both fronts are held to the same: each test of the data plane that serves a gateway runs once on either."""

from collections.abc import Iterator

import pytest

from gateway.proxy.server import FRONTS
from tests.gateway.loops import pytest_asyncio_loop_factories
from tests.gateway.proxy import harness

__all__ = ["pytest_asyncio_loop_factories"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses the harness's gateway once per front."""
    if getattr(metafunc.module, "gateway", None) is harness.gateway:
        metafunc.parametrize("served_by", [*FRONTS], indirect=True)


@pytest.fixture(autouse=True)  # of every test, or pytest would parametrize it and never run it
def served_by(request: pytest.FixtureRequest) -> Iterator[None]:
    """The front of this test."""
    harness.front = getattr(request, "param", "edge")
    yield
    harness.front = "edge"
