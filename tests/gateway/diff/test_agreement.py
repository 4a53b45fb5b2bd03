"""What agrees at a glance matches when it is read; whatever might not is left to be read."""

import pytest

from gateway.diff.agreement import agree
from gateway.diff.compare import compare
from gateway.diff.noise import judge_again
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.failure import Failure
from gateway.message import Headers, Observation, Side
from tests.gateway.diff.answers import JSON, TODAY, answer
from tests.gateway.diff.corpus import pairs

DATED: Headers = (*JSON, (b"Date", b"Sat, 21 Nov 2026 10:00:00 GMT"), (b"ETag", b'"1"'))
COOKIES: Headers = (*JSON, (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"))


def new(headers: Headers = JSON, *, body: object = b"[1]", status: int = 200, truncated: bool = False) -> Observation:
    """The new side's answer."""
    return answer(Side.NEW, body, status=status, headers=headers, truncated=truncated)


@pytest.mark.parametrize(
    "candidate",
    [
        new(),
        new(DATED),
        new((*reversed(JSON), (b"server", b"other"), (b"x-powered-by", b"us"))),
        new((*JSON, (b"content-length", b"3"))),
    ],
)
def test_equal_bytes_agree_whatever_names_the_server_or_the_moment(candidate: Observation) -> None:
    """Most answers: nothing of them is read."""
    control = answer(Side.LEGACY, b"[1]")
    assert agree(control, candidate, Rules())
    assert compare(control, candidate, Rules(), today=TODAY) == Verdict(Outcome.MATCHED)


@pytest.mark.parametrize(
    "candidate",
    [
        new(status=201),
        new(body=b"[1] "),
        new(truncated=True),
        new((*JSON, (b"content-encoding", b"gzip"))),
        new((*JSON, (b"Location", b"/a"))),
        new(((b"CONTENT-TYPE", b"text/plain"),)),
        new(()),
        new(COOKIES),
        answer(Side.NEW, failure=Failure.NEW_TIMEOUT),
    ],
)
def test_whatever_might_differ_does_not_agree(candidate: Observation) -> None:
    """Status, bytes, their coding, the headers that matter, and an answer that is none."""
    assert not agree(answer(Side.LEGACY, b"[1]"), candidate, Rules())
    assert not agree(candidate._replace(side=Side.LEGACY), new(), Rules())


def test_lines_of_one_name_are_left_to_be_read() -> None:
    """Their order and number may matter: a set of them tells neither."""
    control = answer(Side.LEGACY, b"[1]", headers=COOKIES)
    assert not agree(control, new((*JSON, (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"a=1"))), Rules())
    assert not agree(new(COOKIES), new((*COOKIES, (b"Set-Cookie", b"b=2"))), Rules())


def test_two_failures_do_not_agree() -> None:
    """Neither side has said anything."""
    failed = answer(Side.NEW, failure=Failure.NEW_TIMEOUT)
    assert not agree(failed._replace(side=Side.LEGACY), failed, Rules())


def test_a_header_that_the_route_wants_compared_matters() -> None:
    """In whatever case it is sent."""
    control, candidate = answer(Side.LEGACY, b"[1]"), new((*JSON, (b"X-Extra", b"1")))
    assert agree(control, candidate, Rules())
    assert not agree(control, candidate, Rules(headers=frozenset({"x-extra"})))


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_was_planted_agrees(seed: int) -> None:
    """Whatever pair of the corpus is no match is left to be read; an answer agrees with itself, unless it is cut."""
    for pair in pairs(seed):
        rules = Rules(pair.rules)
        assert pair.outcome is Outcome.MATCHED or not agree(pair.control, pair.candidate, rules), pair
        repeated = len(dict(pair.control.headers)) < len(pair.control.headers)
        itself = agree(pair.control, pair.control._replace(side=Side.NEW), rules)
        assert itself is not (repeated or pair.control.truncated), pair


@pytest.mark.parametrize("seed", range(3))
def test_a_second_answer_that_agrees_with_the_first_changes_no_verdict(seed: int) -> None:
    """So that nobody has to judge again where legacy, asked again, has sent the same bytes."""
    for pair in pairs(seed):
        rules = Rules(pair.rules)
        again = pair.control._replace(headers=(*pair.control.headers, (b"Date", b"Sat, 21 Nov 2026 10:00:00 GMT")))
        if agree(pair.control, again, rules):
            first = compare(pair.control, pair.candidate, rules, today=TODAY)
            assert judge_again(first, pair.control, [again], pair.candidate, rules, today=TODAY) == first, pair.name
