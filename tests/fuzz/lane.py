"""A gateway with a strict upstream behind it, through which one client connection goes at a time.

One at a time, so that whatever reaches the upstream is that connection's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from gateway.proxy.server import Front
from tests.fuzz.client import OWN_ANSWER, Heard, read_answers, talk
from tests.fuzz.judge import Outcome, verdicts
from tests.fuzz.node import NodeReader
from tests.fuzz.reading import read_requests
from tests.fuzz.upstream import Upstream, strict_upstream
from tests.gateway.proxy import harness

_SETTLED_S = 0.005
_CUT_S = 10.0  # in which the gateway lets go of a request whose client has gone


class Lane:
    """Made by `lane`."""

    def __init__(self, port: int, upstream: Upstream, busy: Callable[[], bool], patience_s: float) -> None:
        self._port = port
        self._busy = busy
        self._patience_s = patience_s
        self._upstream = upstream
        self._ended: list[bytes] = []

    async def send(self, segments: Sequence[bytes]) -> Outcome:
        """Have one connection, from its first byte to its end."""
        sent = b"".join(segments)
        methods = [read.method for read in read_requests(sent).requests if read.whole]

        def settled(raw: bytes) -> bool:
            """Whether there is no reason to expect more."""
            if OWN_ANSWER in raw:
                return False  # the end must come
            answered = raw.count(b"x-serial:") >= len(methods)
            return answered and not isinstance(read_answers(Heard(raw, ended=False), methods), str)

        heard = await talk(self._port, segments, settled=settled, patience_s=self._patience_s)
        await self._let_go()
        troubles = tuple(self._troubles())
        self._ended += [bytes(wire.raw[: wire.reader.whole_bytes]) for wire in self._upstream.take_closed()]
        return Outcome(sent, tuple(self._upstream.take()), heard, troubles)

    async def judge(self, segments: Sequence[bytes], node: NodeReader) -> list[str]:
        """Have one connection and say what is wrong with it."""
        outcome = await self.send(segments)
        (reading,) = await node.read([outcome.sent])
        return verdicts(outcome, reading)

    def take_wires(self) -> list[bytes]:
        """The whole requests of each connection to the upstream that has ended, as bytes; each is told once."""
        wires, self._ended = self._ended, []
        return wires

    async def _let_go(self) -> None:
        deadline = asyncio.get_running_loop().time() + _CUT_S
        while self._busy() or any(wire.half_sent and not wire.gone for wire in self._upstream.wires):
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(0.001)
        await asyncio.sleep(_SETTLED_S)  # what has left the gateway arrives

    def _troubles(self) -> Iterator[str]:
        for wire in self._upstream.wires:
            if wire.reader.fault is not None:
                yield f"h11 cannot read what the upstream was sent: {wire.reader.fault}"
            elif wire.half_sent and not wire.gone:
                yield "a request of a client that has gone is kept open"


@asynccontextmanager
async def lane(front: Front, *, patience_s: float = 10.0) -> AsyncIterator[Lane]:
    """Serve one; `patience_s` is for what must come."""
    before, harness.front = harness.front, front
    try:
        async with strict_upstream() as upstream, harness.gateway(f"http://127.0.0.1:{upstream.port}") as served:
            harness.front = before
            yield Lane(served.port, upstream, served.busy, patience_s)
    finally:
        harness.front = before
