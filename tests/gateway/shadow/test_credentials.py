"""What a caller showed of its secrets is hidden wherever an answer repeats it."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.message import Headers, Observation, OutboundRequest, Side
from gateway.shadow.finding import Finding
from gateway.shadow.record import Exchange, Recorder
from gateway.shadow.redact import Keyed
from tests.gateway.shadow.test_record import JSON, NO_RULES, NOW

SECRET = "correct-horse-battery"
FORM: Headers = ((b"content-type", b"application/x-www-form-urlencoded"),)


def echoed(
    *, headers: Headers = (), target: bytes = b"/a", body: Any = None, answer: Headers = (), said: str
) -> Finding:
    """The finding on an answer that says something, beside another one that does not."""
    asked = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = OutboundRequest("POST", target, headers, asked, "http", "::1")
    control, candidate = (Observation(side, 200, answer, b"", 1.0) for side in (Side.LEGACY, Side.NEW))
    verdict = Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, "body/you", json.dumps(said), '"else"'),))
    exchange = Exchange("r", "id", "shadow", 1, Side.LEGACY, target, request, control, candidate, verdict)
    return Recorder(Keyed(b"k")).finding(exchange, NO_RULES, NOW)


@pytest.mark.parametrize(
    "given",
    [
        {"headers": ((b"authorization", b"Bearer " + SECRET.encode()),)},
        {"headers": ((b"Authorization", SECRET.encode()),)},
        {"headers": ((b"authorization", b"Basic " + b64encode(b"bob:" + SECRET.encode())),)},
        {"headers": ((b"cookie", b"lang=en; sid=" + SECRET.encode()),)},
        {"headers": ((b"cookie", b"a=" + SECRET.encode()),)},
        {"headers": ((b"x-api-key", SECRET.encode()),)},
        {"target": b"/a?x=1&token=" + SECRET.encode()},
        {"target": b"/a?code=" + SECRET.replace("-", "%2D").encode()},
        {"headers": JSON, "body": {"user": {"password": SECRET}}},
        {"headers": FORM, "body": b"user=bob&password=" + SECRET.encode()},
        {"answer": ((b"set-cookie", b"sid=" + SECRET.encode() + b"; Path=/"),)},
    ],
    ids=lambda given: str(next(iter(given.values())))[:40],
)
def test_an_answer_that_repeats_a_credential_shows_none(given: dict[str, Any]) -> None:
    """As a value of its own and within a sentence: with the token that stands for it everywhere."""
    for said in (SECRET, f"the token {SECRET} has ended"):
        shown = echoed(**given, said=said).verdict.mismatches[0].control
        assert shown == json.dumps(said.replace(SECRET, Keyed(b"k")(SECRET)))


def test_what_a_caller_says_of_itself_stays_readable() -> None:
    """A language in a cookie, an address in a header, and a password that is a short word are no secrets elsewhere."""
    headers = (
        (b"cookie", b"lang=en-US; sid=dark"),
        (b"x-auth-request-email", b"alice@example.com"),
        (b"x-auth-request-user", b"alice"),
    )
    for said in ("en-US", "dark", "alice@example.com", "alice", "admin"):
        finding = echoed(headers=headers, body={"password": "admin"}, said=said)
        assert finding.verdict.mismatches[0].control == json.dumps(said)


def test_a_caller_with_a_thousand_cookies_costs_no_more_than_one_with_a_hundred() -> None:
    """Whoever has as many of them has made them up."""
    cookies = "; ".join(f"sid{n}={SECRET}{n}" for n in range(1_000))
    finding = echoed(headers=((b"cookie", cookies.encode()),), said=f"{SECRET}0")
    assert SECRET not in str(finding.verdict)
