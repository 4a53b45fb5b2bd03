"""The loops that tests of the relay run on."""

from tests.gateway.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
