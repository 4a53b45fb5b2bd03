"""Each payload of the corpus is refused or arrives as it must, on both fronts, whole and cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest

from gateway.proxy.server import FRONTS, Front
from tests.fuzz.client import OWN_ANSWER
from tests.fuzz.corpus import (
    INNER,
    Payload,
    Seen,
    ask,
    chunked,
    chunks,
    codings,
    get,
    lengths,
    lines,
    passes,
    post,
    posted,
    targets,
)
from tests.fuzz.judge import Outcome, verdicts, wire_verdicts
from tests.fuzz.lane import Lane, lane
from tests.fuzz.node import NodeReader, node_reader

FAMILIES = {
    module.__name__.rpartition(".")[2]: module.PAYLOADS for module in (lengths, codings, chunks, lines, targets)
}
PIPELINES = (
    passes("plain", ask() + post(b"Content-Length: 5\r\n", b"hello") + INNER, get(), posted(), get(b"/admin")),
    passes(
        "chunks",
        chunked(b'5;a="b"\r\nhello\r\n0\r\nX: y\r\n\r\n') * 2 + ask(b"Connection: close\r\n"),
        posted(),
        posted(),
        get(),
        ends=True,
    ),
    passes(
        "lengths", post(b"Content-Length: %d\r\n" % len(INNER), INNER) + b"\r\n" + INNER, posted(INNER), get(b"/admin")
    ),
    passes("a fault behind", ask() + ask() + post(b"Content-Length: +5\r\n", b"hello"), get(), get(), ends=True),
    passes("a fault in chunks behind", ask() + chunked(b"5\r\nhello\r\n0x0\r\n\r\n") + INNER, get(), ends=True),
)


def whole(outcome: Outcome) -> tuple[Seen, ...]:
    """The requests that reached the upstream whole."""
    return tuple(one.read.seen for one in outcome.arrived if one.read.whole)


def own_status(outcome: Outcome) -> int:
    """The status of the gateway's own answer, 0 where it has given none."""
    last = outcome.heard.raw.rpartition(b"HTTP/1.1 ")[2]
    return int(last[:3]) if OWN_ANSWER in last else 0


def differs(payload: Payload, outcome: Outcome, *, in_one_piece: bool) -> str | None:
    """What is not as the payload says; cut in pieces, a request that turns out bad may have begun upstream."""
    if whole(outcome) != payload.seen:
        return f"arrived: {whole(outcome)}"
    if payload.ends != outcome.heard.ended:
        return f"the connection {'ended' if outcome.heard.ended else 'goes on'}"
    status = own_status(outcome)
    if status != payload.status and not (payload.ends and status in (0, 400)):
        return f"status {status}"
    if in_one_piece and payload.status and outcome.arrived:
        return f"begun upstream: {outcome.arrived}"
    return None


async def send_all(
    one: Lane, node: NodeReader, pieces: Sequence[tuple[Payload, tuple[bytes, ...]]]
) -> dict[str, list[str]]:
    """Send each payload in its pieces; what is wrong, by name."""
    outcomes = [await one.send(segments) for _, segments in pieces]
    wires = one.take_wires()
    readings = await node.read([*(outcome.sent for outcome in outcomes), *wires])
    wrong: dict[str, list[str]] = {}
    for (payload, segments), outcome, reading in zip(pieces, outcomes, readings, strict=False):
        difference = differs(payload, outcome, in_one_piece=len(segments) == 1)
        found = [*verdicts(outcome, reading), *([] if difference is None else [difference])]
        if found:
            wrong[f"{payload.name} {[len(segment) for segment in segments]}"] = found
    for raw, reading in zip(wires, readings[len(pieces) :], strict=True):
        if found := wire_verdicts(raw, reading):
            wrong[repr(raw)] = found
    return wrong


def cut(sent: bytes, *places: int) -> tuple[bytes, ...]:
    """The bytes in pieces."""
    return tuple(sent[a:b] for a, b in pairwise(sorted({0, len(sent), *places})))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("front", FRONTS)
async def test_a_payload_is_refused_or_arrives_as_it_must(front: Front, family: str) -> None:
    """In one segment: what is refused has not even begun upstream; the rest are exactly the requests it names."""
    async with lane(front) as one, node_reader() as node:
        assert await send_all(one, node, [(payload, (payload.sent,)) for payload in FAMILIES[family]]) == {}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("front", FRONTS)
async def test_no_segmentation_changes_what_a_payload_becomes(front: Front, family: str) -> None:
    """Cut at random places: the same whole requests arrive, the same connections end."""
    rng = Random(11)
    pieces = [
        (payload, cut(payload.sent, *(rng.randrange(len(payload.sent)) for _ in range(rng.choice((1, 1, 2, 5))))))
        for payload in FAMILIES[family]
    ]
    async with lane(front) as one, node_reader() as node:
        assert await send_all(one, node, pieces) == {}


@pytest.mark.parametrize("front", FRONTS)
async def test_pipelines_may_be_cut_anywhere(front: Front) -> None:
    """At every position: the same requests, in the same order, the same end."""

    async def every_position(payload: Payload) -> dict[str, list[str]]:
        async with lane(front) as one, node_reader() as node:
            return await send_all(one, node, [(payload, cut(payload.sent, at)) for at in range(1, len(payload.sent))])

    assert [found for found in await asyncio.gather(*map(every_position, PIPELINES)) if found] == []


def test_names_of_payloads_are_their_own() -> None:
    """A name leads to one payload, and the corpus has at least 150 of them."""
    names = [payload.name for family in FAMILIES.values() for payload in family]
    assert len(names) == len(set(names)) >= 150
