"""The client's end: bytes out in the segments it is told, answers back as they stood, and h11's reading of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import h11

OWN_ANSWER: Final = b'"code": '  # stands in what the gateway says itself, and in nothing the upstream says
_QUIET_S: Final = 0.03  # for what must not


@dataclass(frozen=True, slots=True)
class Heard:
    """What one connection brought back; `ended` when it was the gateway that closed it."""

    raw: bytes
    ended: bool


class _Ear(asyncio.Protocol):
    def __init__(self) -> None:
        self.raw = bytearray()
        self.ended = False
        self.news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.raw += data
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.news.set()


async def talk(port: int, segments: Sequence[bytes], *, settled: Callable[[bytes], bool], patience_s: float) -> Heard:
    """Send the segments, each in a turn of its own, and listen until the gateway hangs up or `settled` stays true.

    `settled` is asked with the bytes so far; what must come and does not is waited for `patience_s` seconds.
    """
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_connection(_Ear, "127.0.0.1", port)
    try:
        for segment in segments:
            if ear.ended:
                break
            transport.write(segment)
            for _ in range(3):  # a turn to leave, one to arrive, one to be read
                await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await _listen(ear, settled)
        return Heard(bytes(ear.raw), ear.ended)
    finally:
        transport.abort()


async def _listen(ear: _Ear, settled: Callable[[bytes], bool]) -> None:
    while not ear.ended:
        ear.news.clear()
        try:
            async with asyncio.timeout(_QUIET_S if settled(bytes(ear.raw)) else None):
                await ear.news.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: the serial number of the request the upstream answered, or the code of the gateway's own."""

    status: int
    serial: int | None
    code: str | None


def read_answers(heard: Heard, methods: Sequence[bytes]) -> list[Answered] | str:
    """The answers to requests of these methods and of unknown ones after them, or what h11 finds wrong with them."""
    answers: list[Answered] = []
    rest = heard.raw
    while rest:
        known = methods[len(answers) : len(answers) + 1] or (b"GET", b"HEAD")
        try:
            read = _read_one(rest, known[0], ended=heard.ended)
        except h11.RemoteProtocolError as error:
            if len(known) == 1:
                return f"answer {len(answers) + 1}: {error}"
            try:
                read = _read_one(rest, known[1], ended=heard.ended)
            except h11.RemoteProtocolError as again:
                return f"answer {len(answers) + 1}: {again}"
        if read is None:
            break
        answer, rest = read
        answers.append(answer)
    return answers


def _read_one(data: bytes, method: bytes, *, ended: bool) -> tuple[Answered, bytes] | None:
    """The first answer and what follows it; None when no final answer has begun."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if ended:
        client.receive_data(b"")
    status, serial, own, body = 0, None, False, b""
    while True:
        match client.next_event():
            case h11.Response(status_code=status, headers=headers):
                named = dict(headers)
                serial = int(named[b"x-serial"]) if b"x-serial" in named else None
                own = named.get(b"content-type", b"").startswith(b"application/json")
            case h11.Data(data=more):
                body += more
            case h11.EndOfMessage():
                code = str(json.loads(body)["code"]) if own and body else None
                return Answered(status, serial, code), client.trailing_data[0]
            case h11.InformationalResponse():
                pass
            case _ if status:
                raise h11.RemoteProtocolError("the answer is cut")
            case _:
                return None
