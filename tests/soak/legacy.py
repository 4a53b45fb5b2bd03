"""Legacy in the soak: a strict recording upstream that answers each request by its plan, faults included."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import Final

from tests.soak.ledger import Ledger, Wrong
from tests.soak.plan import NAME, UNSAFE, Fate, Framing, Plan, answer_body, plan_of, upload_body
from tests.soak.wire import BrokenOffError, Head, MangledError, Source, framed

_LINE: Final = re.compile(rb"([A-Z]+) (/\S*) HTTP/1\.1")
_NOW: Final = struct.pack("ii", 1, 0)  # linger for no time: closing is a reset
_GARBAGE: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
    b"HTTP/1.1 2 00\r\n\r\n",
)


class Legacy:
    """An upstream on one port that can go away and come back."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Listen, on the port of the last time."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Go away; every connection is reset."""
        assert self._server is not None
        self._server.close()
        for writer in [*self._writers]:
            _reset(writer)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        source = Source(lambda: reader.read(65536))
        try:
            while await self._exchange(source, writer):
                pass
        except MangledError as error:
            self._ledger.note(Wrong.CROSSED, f"legacy was sent what is no request: {error}")
        except BrokenOffError as error:
            self._ledger.counts["requests broken off at legacy"] += error.at_all
        except OSError:
            self._ledger.counts["answers legacy could not end"] += 1
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, source: Source, writer: asyncio.StreamWriter) -> bool:
        """Read a request and answer it; whether the connection goes on."""
        head = await source.head()
        plan = self._read(head)
        if plan.fate is Fate.EARLY:
            await _answer(plan, writer)
            await self._body(plan, head, source)
            return plan.framing is not Framing.UNTIL_CLOSE
        await self._body(plan, head, source)
        match plan.fate:
            case Fate.RESET_FIRST:
                _reset(writer)
                return False
            case Fate.RESET_WITHIN:
                await _answer_in_part(plan, writer)
                _reset(writer)
                return False
            case Fate.GARBAGE:
                writer.write(_GARBAGE[plan.size % len(_GARBAGE)])
                return False
            case _:
                await _answer(plan, writer)
        if plan.framing is Framing.UNTIL_CLOSE:
            await source.until_close()  # closing first could be a reset, which would take the answer with it
            return False
        return True

    def _read(self, head: Head) -> Plan:
        line = _LINE.fullmatch(head.line)
        if line is None or len(head.values(b"host")) != 1:
            raise MangledError(f"{head.line[:80]!r}, {len(head.values(b'host'))} hosts")
        plan = plan_of(head.value(NAME).decode())
        if (line[1].decode(), line[2].decode()) != (plan.method, plan.path):
            self._ledger.note(Wrong.CROSSED, f"legacy read {head.line!r} under the name {plan.name}")
        copied = bool(head.values(b"x-strangler-shadow"))
        self._ledger.copies += copied
        if plan.method in UNSAFE:
            self._ledger.see_unsafe(plan.name, side="legacy", copied=copied)
        return plan

    async def _body(self, plan: Plan, head: Head, source: Source) -> None:
        if await source.body(head.length) != upload_body(plan):
            self._ledger.note(Wrong.CROSSED, f"legacy got another body with {plan.name}")


async def _answer(plan: Plan, writer: asyncio.StreamWriter) -> None:
    field, pieces = framed(answer_body(plan), plan.framing)
    head = _head(plan, field)
    if plan.fate is Fate.EXTRA:  # in one write: an answer that comes later cannot be told from the next one's
        stray = b"HTTP/1.1 200 OK\r\n%b: stray\r\ncontent-length: 5\r\n\r\nstray" % NAME
        writer.write(head + b"".join(pieces) + stray)
        return
    for piece in pieces:
        writer.write(head + piece)
        head = b""
        await writer.drain()
    if plan.framing is Framing.UNTIL_CLOSE:
        writer.write_eof()


async def _answer_in_part(plan: Plan, writer: asyncio.StreamWriter) -> None:
    body = answer_body(plan)
    field, pieces = framed(body, plan.framing)
    if plan.framing is Framing.UNTIL_CLOSE:
        field = b""
    writer.write((_head(plan, field) + b"".join(pieces))[: -max(6, len(body) // 2)])
    await writer.drain()
    await asyncio.sleep(0.001 * (plan.size % 3))


def _head(plan: Plan, field: bytes) -> bytes:
    return b"HTTP/1.1 %d Soaked\r\n%b: %b\r\n%b\r\n" % (plan.status, NAME, plan.name.encode(), field)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    if not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
        writer.transport.abort()
