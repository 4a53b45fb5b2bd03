"""Findings that wait for the store: bounded in number and bytes, written in batches, dropped when it is down."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from gateway.shadow.budget import Budget
from gateway.shadow.finding import EvidenceSink, Found
from gateway.shadow.served import Served, ServedKind
from gateway.telemetry import count, log

BATCH: Final = 500
FLUSH_S: Final = 2.0  # a batch costs about the same however few it holds, and shares the interpreter with clients
STORE_S: Final = 10.0  # how long the store may take over one batch


class Pending:
    """Takes findings without waiting; `flush` brings them to the store for ever."""

    def __init__(self, sink: EvidenceSink, *, most: int, held_bytes: int, flush_s: float = FLUSH_S) -> None:
        self._sink = sink
        self._flush_s = flush_s
        self._most = most
        self._findings: deque[tuple[Found, int]] = deque()  # with what each weighs
        self._held = Budget(held_bytes)
        self._why = ""  # the store fails, as far as is told
        self.served = Served()
        self._found, self._many = asyncio.Event(), asyncio.Event()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._findings)

    def add(self, finding: Found) -> None:
        """Keep a finding for the store, or drop it, counted, when there is no room for it."""
        weight = finding.weight
        if len(self._findings) >= self._most:
            count("evidence_dropped.queue_full")
        elif not self._held.take(weight):
            count("evidence_dropped.bytes")
        else:
            self._findings.append((finding, weight))
            self._found.set()
            if len(self._findings) * 2 >= min(self._most, 2 * BATCH):
                self._many.set()

    def saw(self, kind: ServedKind) -> None:
        """Keep for the store that legacy has served a request of this kind, which nobody compared."""
        self.served.saw(kind)
        self._found.set()

    async def flush(self) -> None:
        """Store what is found, for ever: after a while, or at once when there is enough for a batch."""
        while True:
            await self._found.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._many.wait(), self._flush_s)
            self._found.clear()
            self._many.clear()
            await self.store_all()

    async def store_all(self) -> None:
        """Store what waits now; what comes meanwhile is the next batch's, or one batch would follow upon the other."""
        left = len(self._findings)
        while left > 0 and self._findings:
            batch = [self._findings.popleft() for _ in range(min(BATCH, len(self._findings)))]
            left -= len(batch)
            try:
                await self._store([finding for finding, _ in batch])
            finally:
                self._held.give(sum(weight for _, weight in batch))
        kinds = self.served.give()
        if kinds and not await self._stored(self._sink.store_served(kinds), 0):
            self.served.take_back(kinds)

    async def _store(self, findings: list[Found]) -> None:
        await self._stored(self._sink.store(findings), len(findings))

    async def _stored(self, storing: Awaitable[None], findings: int) -> bool:
        """Whether the store has it; findings that it has not are dropped, and counted by why."""
        try:
            async with asyncio.timeout(STORE_S):
                await storing
        except TimeoutError as slow:  # first: a store that is known to be there may raise what is both
            self._lost("store_slow", findings, str(slow))
        except ConnectionError as down:
            self._lost("store_down", findings, str(down))
        except Exception as bug:  # noqa: BLE001 - evidence that cannot be written is lost, the mirror is not
            count("evidence_dropped.bug", findings)
            log("evidence_failed", level=logging.ERROR, bug=bug)
        else:
            if self._why:
                log("evidence_stored_again")
            self._why = ""
            return True
        return False

    def _lost(self, cause: str, findings: int, why: str) -> None:
        """Count what the store has not taken, and say why once, until it is another reason or is over."""
        count(f"evidence_dropped.{cause}", findings)
        why = why or cause
        if why != self._why:
            log("evidence_dropped", level=logging.WARNING, cause=cause, why=why)
        self._why = why
