"""Node's strict HTTP parser as a second reader of requests, in a process of its own."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.corpus import Seen
from tests.fuzz.reading import Headers

_PROGRAM: Final = Path(__file__).with_name("strict_node.cjs")
_NODE: Final = Path(__file__).parents[2] / ".venv/bin/node"


@dataclass(frozen=True, slots=True)
class NodeReading:
    """What Node made of one connection: its whole requests, how many began, what was wrong."""

    whole: tuple[Seen, ...]
    headers: tuple[Headers, ...]
    begun: int
    fault: str | None


class NodeReader:
    """Ask it with many connections at once: it answers in their order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self, connections: Sequence[bytes]) -> list[NodeReading]:
        """Read each connection's bytes from its first to its end."""
        assert self._process.stdin is not None
        writing = asyncio.ensure_future(self._write(connections))
        try:
            return [await self._one() for _ in connections]
        finally:
            await writing

    async def _write(self, connections: Sequence[bytes]) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        for raw in connections:
            stdin.write(json.dumps(b64encode(raw).decode()).encode() + b"\n")
            await stdin.drain()

    async def _one(self) -> NodeReading:
        assert self._process.stdout is not None
        read = json.loads(await self._process.stdout.readline())
        whole = [request for request in read["requests"] if request["whole"]]
        return NodeReading(
            tuple(_seen(request) for request in whole),
            tuple(_headers(request["headers"]) for request in whole),
            len(read["requests"]),
            read["fault"],
        )


def _seen(request: dict[str, str]) -> Seen:
    return Seen(request["method"].encode(), request["target"].encode("latin-1"), b64decode(request["body"]))


def _headers(raw: Sequence[str]) -> Headers:
    pairs = zip(raw[::2], raw[1::2], strict=True)
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs)


@asynccontextmanager
async def node_reader() -> AsyncIterator[NodeReader]:
    """Start one."""
    process = await asyncio.create_subprocess_exec(
        _NODE,
        _PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        yield NodeReader(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
