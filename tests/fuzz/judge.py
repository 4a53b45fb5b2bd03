"""What must hold for every connection, whatever a client has sent. Pure; each verdict is a sentence.

Two strict readers, h11 and Node, read the client's bytes and the upstream's. What reached the upstream must be what
at least one of them reads and none of them reads otherwise; each answer must be that of its own request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.fuzz.client import OWN_ANSWER, Answered, Heard, read_answers
from tests.fuzz.corpus import Seen
from tests.fuzz.node import NodeReading
from tests.fuzz.reading import Headers, Reader, read_requests
from tests.fuzz.strictness import reason_for
from tests.fuzz.upstream import Arrived

_ABSOLUTE: Final = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
# What the gateway sets itself, or takes apart and puts together again.
_OWN: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"via", b"x-request-id"}
    | {b"host", b"transfer-encoding", b"content-length", b"connection", b"upgrade"}
)
# Its own answers: the client's fault, told before the connection ends; 426 is the ASGI front's to a WebSocket it lacks.
_REFUSALS: Final = frozenset({400, 408, 414, 426, 431})
_UNNAMED: Final = b"?"  # Node knows no name for a method of RTSP


@dataclass(frozen=True, slots=True)
class Outcome:
    """One connection: what was sent, what arrived, what was heard, and what the upstream itself found wrong."""

    sent: bytes
    arrived: tuple[Arrived, ...]
    heard: Heard
    troubles: tuple[str, ...] = ()


def verdicts(outcome: Outcome, node: NodeReading) -> list[str]:
    """Everything that is wrong with it."""
    h11 = read_requests(outcome.sent)
    return [
        *outcome.troubles,
        *_misread(outcome.arrived, h11, node),
        *_half_sent(outcome.arrived, outcome.heard),
        *_invented(outcome.arrived, h11),
        *_misanswered(outcome, h11),
        *_needless(outcome, h11, node),
    ]


def wire_verdicts(raw: bytes, node: NodeReading) -> list[str]:
    """Whether Node reads the whole requests of one upstream connection as h11 does."""
    h11 = Reader(forgiving=False)
    h11.feed(raw)
    whole = tuple(read.seen for read in h11.requests if read.whole)
    if node.fault is not None:
        return [f"Node cannot read what the upstream was sent: {node.fault}"]
    return [] if node.whole == whole else [f"Node reads {node.whole} where h11 reads {whole}"]


def _misread(arrived: Sequence[Arrived], h11: Reader, node: NodeReading) -> Iterator[str]:
    """Requests that were split, merged, moved or changed."""
    read_by_h11 = [read.seen for read in h11.requests if read.whole]
    for at, one in enumerate(arrived):
        if not one.read.whole:
            continue
        seen = one.read.seen
        by_h11, by_node = read_by_h11[at : at + 1], node.whole[at : at + 1]
        for name, read in (("h11", by_h11), ("Node", by_node)):
            if read and not _same(seen, read[0]):
                yield f"request {at + 1} is {seen}, {name} reads {read[0]}"
        if not by_h11 and h11.fault is None:
            yield f"request {at + 1} is {seen}, h11 reads none"
        if not by_node and node.fault is None and at >= node.begun:  # a fault behind an upgrade Node keeps to itself
            yield f"request {at + 1} is {seen}, Node reads none"
        if not by_h11 and not by_node:
            yield f"request {at + 1} is {seen}, and nobody else reads it"


def _same(seen: Seen, read: Seen) -> bool:
    method = read.method in (seen.method, _UNNAMED)
    return method and seen.body == read.body and seen.target == _origin_form(read.target)


def _origin_form(target: bytes) -> bytes:
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def _half_sent(arrived: Sequence[Arrived], heard: Heard) -> Iterator[str]:
    """Requests that began upstream and never ended there, without the client being told or cut off."""
    for at, one in enumerate(arrived):
        if one.read.whole or one.early:
            continue
        if at + 1 < len(arrived):
            yield f"request {at + 1} never ended, and another came after it"
        if OWN_ANSWER in heard.raw and not heard.ended:
            yield f"request {at + 1} was refused half way, and the connection goes on"


def _invented(arrived: Sequence[Arrived], h11: Reader) -> Iterator[str]:
    """Header fields that the client has not sent."""
    for one, read in zip(arrived, h11.requests, strict=False):
        more = _fields(one.read.headers) - _fields(read.headers)
        if more:
            yield f"fields that nobody sent: {sorted(more)}"


def _fields(headers: Headers) -> Counter[tuple[bytes, bytes]]:
    return Counter((name, value.strip(b" \t")) for name, value in headers if name not in _OWN)


def _misanswered(outcome: Outcome, h11: Reader) -> Iterator[str]:
    """Answers that are no HTTP, somebody else's, missing, or the gateway's own where it has no reason."""
    arrived = outcome.arrived
    answers = read_answers(outcome.heard, [one.read.method for one in arrived if one.read.whole or one.early])
    broken_upload = bool(arrived) and arrived[-1].early and not arrived[-1].read.whole
    if isinstance(answers, str):
        if not broken_upload:  # an answer that began before its request broke is cut
            yield answers
        return
    served = [answer for answer in answers if answer.serial is not None]
    expected = [one.serial for one in arrived if one.read.whole or one.early]
    got = [answer.serial for answer in served]
    if got != expected and not (broken_upload and got == expected[:-1]):
        yield f"answers {got} to requests {expected}"
    yield from _own_answers(answers, outcome.heard)
    if not outcome.heard.ended and h11.fault is None and len(answers) < sum(read.whole for read in h11.requests):
        yield "a request is not answered"


def _own_answers(answers: Sequence[Answered], heard: Heard) -> Iterator[str]:
    for at, answer in enumerate(answers):
        if answer.serial is not None:
            continue
        if answer.status not in _REFUSALS:
            yield f"answer {at + 1} is {answer.status} {answer.code}"
        elif at + 1 < len(answers) or not heard.ended:
            yield f"the connection goes on after {answer.status} {answer.code}"


def _needless(outcome: Outcome, h11: Reader, node: NodeReading) -> Iterator[str]:
    """A refusal of what both others read as the same request, for no reason that is written down."""
    at = sum(one.read.whole or one.early for one in outcome.arrived)
    refused = OWN_ANSWER in outcome.heard.raw
    if not refused or at >= min(len(h11.requests), len(node.whole)) or not h11.requests[at].whole:
        return
    read = h11.requests[at]
    if read.seen == node.whole[at] and reason_for(read, outcome.sent) is None:
        yield f"request {at + 1} is refused, and both others read {read.seen}"
