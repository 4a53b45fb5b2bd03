"""Findings wait for the store in bounded numbers, and not until they have to be dropped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import pytest

from gateway.db.engine import DatabaseSlow
from gateway.diff.verdict import Outcome
from gateway.shadow.finding import Found
from gateway.shadow.pending import BATCH, Pending
from gateway.shadow.served import ServedKind
from gateway.telemetry import JsonLines, counters
from tests.gateway.db.test_evidence import finding
from tests.gateway.proxy.harness import until


@pytest.fixture(autouse=True)
def counted() -> Iterator[Mapping[str, int]]:
    """The counters, from zero."""
    counters.clear()
    yield counters
    counters.clear()


class Sink:
    """A store that keeps what it is given, or fails as it is told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.served: list[dict[ServedKind, int]] = []
        self.fails: Exception | None = None

    async def store(self, findings: Sequence[Found]) -> None:
        if self.fails is not None:
            raise self.fails
        self.batches.append(len(findings))

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        if self.fails is not None:
            raise self.fails
        self.served.append(dict(kinds))


@pytest.mark.parametrize("most", [100, 10_000])
async def test_a_burst_is_stored_before_it_has_to_be_dropped(counted: Mapping[str, int], most: int) -> None:
    """Half of what may wait, or a batch, is stored at once and not after a while."""
    sink = Sink()
    waiting = Pending(sink, most=most, held_bytes=2**30, flush_s=3_600.0)
    flushing = asyncio.create_task(waiting.flush())
    for _ in range(4):
        for _ in range(most // 2 if most < BATCH else BATCH):
            waiting.add(finding(Outcome.MATCHED))
        await until(lambda: not len(waiting))
    flushing.cancel()
    with suppress(asyncio.CancelledError):
        await flushing
    assert sum(sink.batches) == 4 * min(most // 2, BATCH)
    assert not [name for name in counted if name.startswith("evidence_dropped")]


async def test_what_comes_while_a_batch_is_stored_waits_for_others() -> None:
    """Under steady traffic there is always something: a batch at once for each would store without an end."""

    class Slow(Sink):
        async def store(self, findings: Sequence[Found]) -> None:
            waiting.add(finding(Outcome.MATCHED))
            await asyncio.sleep(0)
            await super().store(findings)

    sink = Slow()
    waiting = Pending(sink, most=10_000, held_bytes=2**30, flush_s=3_600.0)
    flushing = asyncio.create_task(waiting.flush())
    for _ in range(BATCH):
        waiting.add(finding(Outcome.MATCHED))
    await until(lambda: bool(sink.batches))
    for _ in range(20):
        await asyncio.sleep(0)
    flushing.cancel()
    with suppress(asyncio.CancelledError):
        await flushing
    assert (sink.batches, len(waiting)) == ([BATCH], 1)


async def test_what_has_no_room_or_no_store_is_dropped_and_counted(counted: Mapping[str, int]) -> None:
    """By number, by bytes, and when the store is down, slow or broken; the next batch is stored."""
    sink = Sink()
    few, small = Pending(sink, most=2, held_bytes=2**30), Pending(sink, most=10, held_bytes=1)
    for _ in range(3):
        few.add(finding())
    small.add(finding())
    for failure in (ConnectionError(), TimeoutError(), DatabaseSlow("locked"), RuntimeError("a bug")):
        sink.fails = failure
        await few.store_all()
        few.add(finding())
    sink.fails = None
    await few.store_all()
    assert sink.batches == [1]
    assert {name.partition(".")[2]: number for name, number in counted.items()} == {
        "queue_full": 1,
        "bytes": 1,
        "store_down": 2,
        "store_slow": 2,
        "bug": 1,
    }


async def test_why_the_store_takes_nothing_is_told_once_and_that_it_does_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A counter says that findings are lost; the log says that the disk is full, and when that was over."""
    caplog.set_level("INFO")
    sink = Sink()
    pending = Pending(sink, most=10, held_bytes=2**30)
    full, locked = ConnectionError("the disk of the database is full"), DatabaseSlow("it did not answer in time")
    for failure in (full, full, locked, TimeoutError(), None, None):
        sink.fails = failure
        pending.add(finding())
        await pending.store_all()
    said = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert [(one["event"], one.get("cause"), one.get("why")) for one in said] == [
        ("evidence_dropped", "store_down", "the disk of the database is full"),
        ("evidence_dropped", "store_slow", "it did not answer in time"),
        ("evidence_dropped", "store_slow", "store_slow"),
        ("evidence_stored_again", None, None),
    ]
