"""The sides of the shadow trial, each a process of its own: `python -m tests.trials.sides PORT MODE MILLISECONDS`."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from typing import Final

import uvloop

DOCUMENT: Final = {"lots": [{"id": at, "code": f"LOT-{at:05}", "kg": at * 1.5, "ok": True} for at in range(300)]}
PIECE: Final = b"x" * 65_536


class Mode(StrEnum):
    """How a side behaves."""

    WELL = "well"  # as legacy
    OTHERWISE = "otherwise"  # every row differs in one field
    HANGS = "hangs"
    RESETS = "resets"
    ENDLESS = "endless"  # streams for ever, as fast as it is read
    DRIPS = "drips"  # a byte now and then, for ever
    HUGE = "huge"  # 100 MB


def document(mode: Mode) -> bytes:
    """The JSON that a side answers with, 17 kB."""
    rows = DOCUMENT["lots"]
    if mode is Mode.OTHERWISE:
        rows = [{**row, "kg": row["kg"] + 1} for row in rows]  # type: ignore[operator]  # a number
    return json.dumps({"lots": rows}).encode()


class Server:
    """One side."""

    def __init__(self, mode: Mode, delay_s: float) -> None:
        self._mode = mode
        self._delay_s = delay_s
        body = document(mode)
        self._whole = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(self._delay_s)
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.HANGS:
            await asyncio.Event().wait()
        if self._mode is Mode.RESETS:
            writer.transport.abort()
            raise ConnectionResetError
        if self._mode in (Mode.WELL, Mode.OTHERWISE):
            writer.write(self._whole)
            await writer.drain()
            return
        length = b"content-length: 100000000\r\n" if self._mode is Mode.HUGE else b""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%b\r\n" % length)
        piece, pause_s = (b"x", 0.05) if self._mode is Mode.DRIPS else (PIECE, 0.0)
        for _ in range(100_000_000 // len(PIECE) if self._mode is Mode.HUGE else sys.maxsize):
            if writer.is_closing():
                break
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        raise ConnectionResetError  # who asked has left, or the length is not quite met


async def main(port: int, mode: Mode, delay_s: float) -> None:
    """Serve until killed."""
    server = await asyncio.start_server(Server(mode, delay_s).serve, "127.0.0.1", port, backlog=1_000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Mode(sys.argv[2]), float(sys.argv[3]) / 1000))
