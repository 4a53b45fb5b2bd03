"""A few seconds of the soak, and proof that it sees what it is there for."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from gateway.proxy.server import Front
from tests.soak.__main__ import report
from tests.soak.judge import Answer, Ending, judge
from tests.soak.ledger import Ledger, Wrong
from tests.soak.plan import NAME, Fate, Framing, Plan, answer_body
from tests.soak.session import Soak, soak
from tests.soak.wire import Head

PLAN = Plan("7-1", "GET", "/reads/7-1", None, Framing.SIZED, 100, Framing.SIZED, Fate.WHOLE)
BODY = answer_body(PLAN)


def answer(name: bytes = b"7-1", body: bytes = BODY, ending: Ending = Ending.CLEAN, status: int = 200) -> Answer:
    """An answer of a side."""
    return Answer(ending, Head(b"HTTP/1.1 %d OK" % status, ((NAME, name),)), body)


def refusal(status: int) -> Answer:
    """An answer of the gateway's own."""
    return Answer(Ending.CLEAN, Head(b"HTTP/1.1 %d No" % status, ()))


@pytest.mark.parametrize("front", ["edge", "asgi"])
async def test_nothing_is_lost_doubled_crossed_or_cut(front: Front, tmp_path: Path) -> None:
    """While flags flip, sides fail and the gateway restarts, each client gets its own whole answer."""
    wanted = Soak(seconds=6, seed=4711, front=front, gateway_restart_s=2.5, legacy_restart_s=inf)
    outcome = await soak(wanted, tmp_path)
    assert outcome.ledger.is_clean, "\n".join(report(outcome))
    assert outcome.ledger.answers["200"] > 100
    assert outcome.ledger.counts["flips"] > 10
    assert outcome.ledger.counts["restarts of the gateway"] >= 1


@pytest.mark.parametrize(
    ("got", "wrong"),
    [
        (answer(), None),
        (answer(name=b"7-2"), Wrong.CROSSED),
        (answer(body=BODY[:50] + b"?" * 50), Wrong.CROSSED),
        (answer(status=204), Wrong.CROSSED),
        (Answer(Ending.MANGLED), Wrong.CROSSED),
        (answer(body=BODY[:99]), Wrong.CUT),
        (answer(body=BODY[:99], ending=Ending.BROKEN), Wrong.LOST),
        (Answer(Ending.NOTHING), Wrong.LOST),
        (Answer(Ending.SILENCE), Wrong.LOST),
        (refusal(502), Wrong.LOST),
    ],
)
def test_each_kind_of_wrong_answer_is_seen(got: Answer, wrong: Wrong | None) -> None:
    """An answer that is another's, not whole, broken off or not there is wrong where no fault was injected."""
    found = judge(PLAN, got, legacy_was_out=False)
    assert (found and found[0]) == wrong


def test_a_fault_of_legacy_excuses_a_failure_but_no_cut() -> None:
    """A 502 and a break are due to a reset within the answer; a clean end of half an answer is not, nor is a 500."""
    plan = replace(PLAN, fate=Fate.RESET_WITHIN)
    assert judge(plan, refusal(502), legacy_was_out=False) is None
    assert judge(plan, answer(body=BODY[:50], ending=Ending.BROKEN), legacy_was_out=False) is None
    for wrong, got in ((Wrong.CUT, answer(body=BODY[:50])), (Wrong.LOST, refusal(500))):
        found = judge(plan, got, legacy_was_out=True)
        assert found is not None
        assert found[0] is wrong


def test_a_write_that_is_seen_twice_or_copied_is_doubled() -> None:
    """Both sides count together."""
    ledger = Ledger()
    ledger.see_unsafe("7-1", side="legacy", copied=False)
    assert ledger.is_clean
    ledger.see_unsafe("7-1", side="new", copied=False)
    ledger.see_unsafe("7-2", side="new", copied=True)
    assert ledger.wrong == {Wrong.DOUBLED: 2}
