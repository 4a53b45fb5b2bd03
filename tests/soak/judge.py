"""Decides whether what a client got is what its request should have got; knows no sockets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.soak.ledger import Wrong
from tests.soak.plan import EXCUSING, NAME, Fate, Plan, answer_body
from tests.soak.wire import Head


class Ending(Enum):
    """How what came for a request ended."""

    CLEAN = "ended cleanly"
    BROKEN = "was broken off"
    NOTHING = "never began"
    SILENCE = "did not come in time"
    MANGLED = "is no HTTP"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for one request; no head where none was whole."""

    ending: Ending
    head: Head | None = None
    body: bytes = b""
    why: str = ""

    @property
    def status(self) -> int:
        return int(self.head.line.split(b" ")[1]) if self.head else 0

    @property
    def by_gateway(self) -> bool:
        return self.head is not None and not self.head.values(NAME)

    @property
    def closes(self) -> bool:
        """Whether no further answer can come on the connection."""
        if self.head is None or self.ending is not Ending.CLEAN:
            return True
        return b"close" in b",".join(self.head.values(b"connection")).lower()


def judge(plan: Plan, answer: Answer, *, legacy_was_out: bool) -> tuple[Wrong, str] | None:
    """What is wrong with an answer, and a sentence about it."""
    may_fail = legacy_was_out or plan.fate in EXCUSING
    told = f"{plan.name} ({plan.method} {plan.path}, {plan.fate.value}, {plan.framing.value}, {plan.size} bytes)"
    if answer.ending is Ending.MANGLED:
        return Wrong.CROSSED, f"the answer to {told} {answer.ending.value}: {answer.why}"
    if answer.by_gateway:
        fine = may_fail and answer.status in (502, 503, 504) and answer.ending is Ending.CLEAN
        return None if fine else (Wrong.LOST, f"{told}: {answer.status} {answer.body[:200]!r}, {answer.ending.value}")
    if answer.head is not None and (wrong := _of_another(plan, answer)):
        return Wrong.CROSSED, f"{told}: {wrong}"
    if answer.ending is Ending.CLEAN:
        return _if_cut(plan, answer, told)
    breaks = answer.ending is Ending.BROKEN or (answer.ending is Ending.NOTHING and plan.fate is Fate.RESET_WITHIN)
    if may_fail and breaks:
        return None
    return Wrong.LOST, f"the answer to {told} {answer.ending.value} after {len(answer.body)} bytes of body"


def _of_another(plan: Plan, answer: Answer) -> str:
    assert answer.head is not None
    if answer.head.values(NAME) != [plan.name.encode()]:
        return f"named {answer.head.values(NAME)!r}"
    if answer.status != plan.status:
        return f"status {answer.status}"
    if not answer_body(plan).startswith(answer.body):
        return f"{len(answer.body)} bytes that are another's"
    return ""


def _if_cut(plan: Plan, answer: Answer, told: str) -> tuple[Wrong, str] | None:
    if plan.fate is not Fate.RESET_WITHIN and len(answer.body) == plan.size:
        return None
    return Wrong.CUT, f"the answer to {told} ended cleanly after {len(answer.body)} bytes"
