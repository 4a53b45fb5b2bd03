"""Stores findings from a thread with a loop of its own: a conversation with the database keeps no client waiting.

A batch is a dozen statements, each of which builds, sends and reads on whatever loop runs it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.evidence import EvidenceStore
from gateway.shadow.finding import Found
from gateway.shadow.served import ServedKind

END_S: Final = 3.0


class StoredApart:
    """An evidence sink beside `store`, with connections of its own; the thread begins with the first findings."""

    def __init__(self, store: EvidenceStore, make_engine: Callable[[], AsyncEngine]) -> None:
        self._store = store
        self._make_engine = make_engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: AsyncEngine | None = None
        self._writer: EvidenceStore | None = None

    async def store(self, findings: Sequence[Found]) -> None:
        """Keep the findings; DatabaseDown when that cannot be done."""
        await self._there(lambda writer: writer.store(findings))

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        """Count what legacy served and nobody compared; DatabaseDown when that cannot be done."""
        await self._there(lambda writer: writer.store_served(kinds))

    async def aclose(self) -> None:
        """Close the connections and end the thread."""
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        ending = asyncio.run_coroutine_threadsafe(self._dispose(), loop)
        await asyncio.wait({asyncio.wrap_future(ending)}, timeout=END_S)
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join, END_S)

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="evidence", daemon=True)
            self._thread.start()
        return self._loop

    async def _there(self, keep: Callable[[EvidenceStore], Awaitable[None]]) -> None:
        """Have it kept on the other loop."""
        await self._store.load_key()  # of the mask that others hide with: nothing is kept that was hidden with another
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._keep(keep), self._begun()))

    async def _keep(self, keep: Callable[[EvidenceStore], Awaitable[None]]) -> None:
        if self._writer is None:
            self._engine = self._make_engine()
            self._writer = EvidenceStore(self._engine, self._store.mask.key)
        await keep(self._writer)

    async def _dispose(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
