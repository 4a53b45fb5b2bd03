"""Tests of what leans on how transports end run on both loops: the gateway's own (uvloop) and asyncio's.

A folder's conftest imports the hook; a module asks for both loops with `ON_BOTH_LOOPS = True`.
"""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Function
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops for a module that wants them, asyncio's for any other."""
    if getattr(item.module, "ON_BOTH_LOOPS", False):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
