"""Findings are stored from a thread of their own, which ends with the gateway."""

import asyncio
import threading
from functools import partial

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.apart import StoredApart
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.evidence import EvidenceStore
from gateway.diff.verdict import Outcome
from tests.gateway.db.test_evidence import ROUTE, finding


def names() -> list[str]:
    """The threads of this process."""
    return [thread.name for thread in threading.enumerate()]


async def test_what_is_stored_apart_is_read_beside_it(engine: AsyncEngine) -> None:
    """The writer's connections are its own, the evidence is the same; nothing is left running."""
    store = EvidenceStore(engine)
    url = engine.url.render_as_string(hide_password=False)
    apart = StoredApart(store, partial(make_engine, url))
    assert "evidence" not in names()
    for _ in range(3):
        await apart.store([finding(), finding(Outcome.MATCHED)])
    assert "evidence" in names()
    assert await store.summary(ROUTE) == {Outcome.MATCHED: 3, Outcome.MISMATCHED: 3}
    await apart.aclose()
    assert "evidence" not in names()


async def test_a_database_that_is_down_is_told(engine: AsyncEngine) -> None:
    """As by the store itself; the mirror counts what it could not keep."""
    apart = StoredApart(EvidenceStore(engine), partial(make_engine, "postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(DatabaseDown):
        await apart.store([finding()])
    await apart.aclose()


async def test_the_loop_goes_on_while_findings_are_stored(engine: AsyncEngine) -> None:
    """The writer's loop is another one."""
    url = engine.url.render_as_string(hide_password=False)
    loops: list[asyncio.AbstractEventLoop] = []

    def made() -> AsyncEngine:
        loops.append(asyncio.get_running_loop())
        return make_engine(url)

    apart = StoredApart(EvidenceStore(engine), made)
    await apart.store([finding()])
    await apart.aclose()
    assert loops != [asyncio.get_running_loop()]
