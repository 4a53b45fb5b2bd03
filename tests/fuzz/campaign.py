"""Many mutated connections, judged at both ends; what is wrong is made short and printed as an entry of the corpus."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count

from gateway.proxy.server import Front
from tests.fuzz.client import OWN_ANSWER
from tests.fuzz.grammar import Connection, connection
from tests.fuzz.judge import Outcome, verdicts, wire_verdicts
from tests.fuzz.lane import Lane, lane
from tests.fuzz.minimise import minimise
from tests.fuzz.node import NodeReader, node_reader

LANES = 8
_BATCH = 16  # connections of a lane that are judged together


@dataclass(frozen=True, slots=True)
class Found:
    """What was not as it must be: a client's connection, which `seed` makes again; else one upstream, or a log line."""

    seed: str
    segments: tuple[bytes, ...]
    verdicts: tuple[str, ...]
    by_client: bool = True


@dataclass(slots=True)
class Campaign:
    """What a run has done. `requests` reached the upstream whole, `refused` are the gateway's own answers."""

    seed: int
    mutations: int = 0
    connections: int = 0
    requests: int = 0
    refused: int = 0
    found: list[Found] = field(default_factory=list)


class _Errors(logging.Handler):
    """What the gateway logs as a bug of its own, in place of any output."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(logging.Formatter().format(record))


@contextmanager
def _errors() -> Iterator[_Errors]:
    root, handler = logging.getLogger(), _Errors()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)


@dataclass(frozen=True, slots=True)
class _Sent:
    seed: str
    connection: Connection
    outcome: Outcome


async def run(front: Front, *, seed: int, mutations: int, most_found: int = 10) -> Campaign:
    """Send connections until they hold that many mutations, or that many of them were served wrongly."""
    campaign = Campaign(seed)
    with _errors() as errors:
        await _run(campaign, front, mutations, most_found)
    campaign.found += [Found(f"{seed}/?", (), (told,), by_client=False) for told in errors.told]
    return campaign


async def _run(campaign: Campaign, front: Front, mutations: int, most_found: int) -> None:
    numbers = count()
    async with node_reader() as node, AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(lane(front)) for _ in range(LANES)]
        lock = asyncio.Lock()  # Node answers one batch after the other

        async def work(one: Lane) -> None:
            while campaign.mutations < mutations and len(campaign.found) < most_found:
                batch = [await _send(one, f"{campaign.seed}/{next(numbers)}") for _ in range(_BATCH)]
                async with lock:
                    campaign.found += await _judged(one, node, batch)
                _add(campaign, batch)

        await asyncio.gather(*(work(one) for one in lanes))


async def _send(one: Lane, seed: str) -> _Sent:
    made = connection(seed)
    return _Sent(seed, made, await one.send(made.segments))


async def _judged(one: Lane, node: NodeReader, batch: list[_Sent]) -> list[Found]:
    wires = one.take_wires()
    readings = await node.read([*(sent.outcome.sent for sent in batch), *wires])
    found = [
        Found(sent.seed, sent.connection.segments, tuple(wrong))
        for sent, reading in zip(batch, readings, strict=False)
        if (wrong := verdicts(sent.outcome, reading))
    ]
    for raw, reading in zip(wires, readings[len(batch) :], strict=True):
        if wrong := wire_verdicts(raw, reading):
            found.append(Found(f"{batch[0].seed}...", (raw,), tuple(wrong), by_client=False))
    return found


def _add(campaign: Campaign, batch: list[_Sent]) -> None:
    for sent in batch:
        campaign.connections += 1
        campaign.mutations += sent.connection.mutations
        campaign.requests += sum(one.read.whole for one in sent.outcome.arrived)
        campaign.refused += sent.outcome.heard.raw.count(OWN_ANSWER)


@asynccontextmanager
async def _bench(front: Front) -> AsyncIterator[tuple[Lane, NodeReader]]:
    with _errors():
        async with node_reader() as node, lane(front, patience_s=0.5) as one:
            yield one, node


async def shorten(front: Front, found: Found) -> Found | None:
    """The same finding as one segment, as short as it can be; None when it does not come again so."""
    if not found.by_client:
        return None
    async with _bench(front) as (one, node):
        wanted = _kind(found.verdicts[0])

        async def fails(sent: bytes) -> bool:
            return wanted in map(_kind, await one.judge([sent], node))

        sent = b"".join(found.segments)
        if not await fails(sent):
            return None
        short = await minimise(sent, fails)
        return Found(found.seed, (short,), tuple(await one.judge([short], node)))


def _kind(verdict: str) -> str:
    """What a verdict says, whatever request it says it of."""
    return re.sub(r"[0-9]+|Seen\(.*|\[.*", "", verdict)


def as_entry(found: Found) -> Iterator[str]:
    """Lines for a corpus file, with what was wrong above them."""
    for verdict in found.verdicts:
        yield f"    # {verdict}"
    sent = "".join(f"\n        {segment!r}" for segment in found.segments)
    if found.by_client:
        yield f'    refused("found by seed {found.seed}",{sent}),'
    else:
        yield f"    # seed {found.seed}, upstream:{sent}"
