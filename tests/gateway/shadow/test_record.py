"""What is kept of an exchange: of its revision, redacted before it is queued, enough to ask it again."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime

import pytest

from gateway.diff.pattern import Pattern
from gateway.diff.rules import Keyed as Pairs
from gateway.diff.rules import Rule, Rules, Scope
from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.message import Headers, Observation, OutboundRequest, Side
from gateway.shadow.finding import AskedRequest, Finding
from gateway.shadow.record import MAX_BODY, MAX_HEADERS, Exchange, Recorder
from gateway.shadow.redact import Keyed
from gateway.shadow.revision import revision_of, rule_id

NOW = datetime(2026, 11, 21, tzinfo=UTC)
JSON: Headers = ((b"content-type", b"application/json"),)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiQURNSU4ifQ.c2lnbmF0dXJl"
NO_RULES = Rules()
RULE = Rule(Pattern.parse("body/kg"), frozenset({Kind.VALUE}), "why", "lots", date(2027, 1, 1), "file:2")


def exchange(
    *,
    target: bytes = b"/api/lots",
    headers: Headers = (),
    body: bytes | None = None,
    verdict: Verdict | None = None,
) -> Exchange:
    """A request that both sides have answered."""
    request = OutboundRequest("POST", target, headers, body, "http", "::1")
    control, candidate = (Observation(side, 200, (), b"", 1.0) for side in (Side.LEGACY, Side.NEW))
    mismatch = Mismatch(Kind.VALUE, "body/kg", "1", "2")
    found = verdict or Verdict(Outcome.MISMATCHED, (mismatch,))
    return Exchange("lots", "r1", "shadow", 1, Side.LEGACY, target, request, control, candidate, found)


def kept(one: Exchange, recorder: Recorder | None = None, rules: Rules = NO_RULES) -> Finding:
    """The finding on it."""
    return (recorder or Recorder()).finding(one, rules, NOW)


def asked(one: Exchange, recorder: Recorder | None = None) -> AskedRequest:
    """What is kept of its request."""
    request = kept(one, recorder).request
    assert request is not None
    return request


SECRETS = [
    exchange(headers=((b"authorization", b"Bearer s3cret"), (b"cookie", b"sid=s3cret"), (b"x-api-key", b"s3cret"))),
    exchange(headers=JSON, body=b'{"password": "s3cret", "kg": 1}'),
    exchange(headers=JSON, body=b'{"passw\\u006frd": "s3cret"}'),
    exchange(headers=JSON, body=b'[{"a": {"client_secret": ["s3cret"]}}]'),
    exchange(headers=JSON, body=b'{"payload": "{\\"token\\":\\"s3cret\\"}"}'),
    exchange(headers=((b"content-type", b"application/x-www-form-urlencoded"),), body=b"user=a&password=s3cret"),
    exchange(body=b"Authorization: Basic czNjcmV0OnMzY3JldA=="),
    exchange(headers=((b"x-note", b"Bearer s3cret"),)),
    exchange(target=b"/a?token=s3cret"),
    exchange(target=b"/reset-password/s3cret0123456789abcdef"),
    exchange(verdict=Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, "body/token", '"s3cret"', '"s3cret2"'),))),
    exchange(
        verdict=Verdict(
            Outcome.MISMATCHED, (Mismatch(Kind.MISSING, "body/sessions/s3cret0123456789abcdef", "{}", None),)
        )
    ),
    exchange(verdict=Verdict(Outcome.NOISE, noise=(Mismatch(Kind.VALUE, "body/token", '"s3cret"', '"s3cret2"'),))),
]


@pytest.mark.parametrize("one", SECRETS)
def test_no_secret_is_queued(one: Exchange) -> None:
    """Wherever it stood in the request or in the answers, what is queued for the store has none of it."""
    assert "s3cret" not in str(asdict(kept(one)))
    assert "czNjcmV0" not in str(asdict(kept(one)))


def test_equal_secrets_stay_equal_and_others_do_not() -> None:
    """A difference of two hidden values can still be seen, and one value followed through requests."""
    places = [("body/token", '"one"', '"two"'), ("body/pin", '"one"', '"one"')]
    found = kept(exchange(verdict=Verdict(Outcome.MISMATCHED, tuple(Mismatch(Kind.VALUE, *each) for each in places))))
    (one, two), (same, again) = ((each.control, each.candidate) for each in found.verdict.mismatches)
    assert one == same == again != two


def test_a_token_is_of_one_key_and_says_nothing_without_it() -> None:
    """Another installation's tokens are others, and a token that is hidden again stays what it is."""
    mine, theirs = Keyed(b"a" * 32), Keyed(b"b" * 32)
    assert mine("s3cret") == mine('"s3cret"') != theirs("s3cret")
    assert mine(mine("s3cret")) == mine("s3cret")
    assert mine("\ud800\0") != mine("")


def test_a_route_hides_what_it_names() -> None:
    """Names of the route's own are hidden in answers, bodies, queries and headers, and in no other route."""
    recorder = Recorder(names_of=lambda route: frozenset({"iban"}) if route == "lots" else frozenset())
    verdict = Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, "body/0/IBAN", '"HU42"', "1"),))
    one = exchange(
        target=b"/a?iban=HU42", headers=(*JSON, (b"iban", b"HU42")), body=b'{"iban":"HU42"}', verdict=verdict
    )
    assert "HU42" not in str(asdict(kept(one, recorder)))
    assert "HU42" in str(asdict(kept(replace(one, route="other"), recorder)))


@pytest.mark.parametrize("name", ["customer_name", "customerName", "Customer-Name", "CUSTOMERNAME", "customer%5Fname"])
def test_a_name_is_the_same_however_it_is_spelt(name: str) -> None:
    """The header of a name, its field and its parameter seldom have one spelling."""
    recorder = Recorder(names_of=lambda route: frozenset({"Customer_Name"}))
    assert "Alice" not in str(asdict(kept(exchange(target=f"/a?{name}=Alice".encode()), recorder)))


def test_a_request_is_kept_so_that_it_can_be_asked_again() -> None:
    """Method, target, the headers that matter and the body as it was; no credentials, and nothing of the connection."""
    headers: Headers = (
        *JSON,
        (b"authorization", f"Bearer {JWT}".encode()),
        (b"accept-language", b"hu"),
        (b"x-tenant", b"acme"),
        (b"host", b"h"),
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"x-strangler-shadow", b"1"),
        (b"content-length", b"8"),
        (b"user-agent", b"x"),
    )
    assert asked(exchange(headers=headers, body=b'{"kg":1.10}')) == AskedRequest(
        (("content-type", "application/json"), ("accept-language", "hu"), ("x-tenant", "acme")),
        '{"kg":1.10}',
        "",
        "ADMIN",
    )


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ((), b"x" * (MAX_BODY + 1), f"{MAX_BODY + 1} bytes"),
        ((), b"\xff\xfe", "no text"),
        ((), b"a\0b", "no text"),
        (((b"content-encoding", b"gzip"),), b"\x1f\x8b", "compressed"),
        (((b"content-type", b"multipart/form-data; boundary=x"),), b"--x", "no text"),
    ],
)
def test_a_body_that_is_not_kept_says_why(headers: Headers, body: bytes, why: str) -> None:
    """A request without its body would be another request."""
    found = asked(exchange(headers=headers, body=body))
    assert found.body is None
    assert why in found.left_out


def test_what_is_kept_of_a_request_is_bounded() -> None:
    """Headers by number and by length."""
    many = tuple((f"x-a{n}".encode(), b"1") for n in range(100))
    assert len(asked(exchange(headers=((b"x-long", b"y" * 5_000), *many))).headers) == MAX_HEADERS


@pytest.mark.parametrize("outcome", [Outcome.MATCHED, Outcome.ALLOWED, Outcome.NOISE])
def test_nothing_is_kept_of_a_request_nobody_looks_into(outcome: Outcome) -> None:
    """Only mismatches and what could not be compared keep their request."""
    assert kept(exchange(verdict=Verdict(outcome), body=b"x")).request is None


def test_a_finding_names_the_rules_that_hit_by_what_they_allow() -> None:
    """A rule that moves in its file, or is explained better, keeps its id; each hits once a request."""
    allowance = Allowance(Mismatch(Kind.VALUE, "body/kg", "1", "2"), "why", RULE.origin)
    found = kept(exchange(verdict=Verdict(Outcome.ALLOWED, (), (allowance, allowance))), rules=Rules((RULE,)))
    assert found.rules_hit == (rule_id(RULE),)
    assert rule_id(replace(RULE, origin="file:9", because="better", owner="me")) == rule_id(RULE)
    for other in (
        replace(RULE, where=Pattern.parse("body/g")),
        replace(RULE, kinds=frozenset({Kind.TYPE})),
        replace(RULE, scope=Scope(legacy=404)),
    ):
        assert rule_id(other) != rule_id(RULE)


def test_a_finding_is_of_the_rules_and_the_new_side_there_are() -> None:
    """Other rules, compared headers, keys of arrays or another new side make another revision; moved rules do not."""
    one = kept(exchange(), Recorder(new_version="a"), Rules((RULE,))).revision
    assert one == revision_of(Rules((replace(RULE, origin="file:9", because="x"),)), "a")
    others = [
        revision_of(Rules((RULE,)), "b"),
        revision_of(Rules(), "a"),
        revision_of(Rules((RULE,), frozenset({"x"})), "a"),
        revision_of(Rules((replace(RULE, until=date(2028, 1, 1)),)), "a"),
        revision_of(Rules((RULE,), arrays=(Pairs(Pattern.parse("body/lots"), (("id",),)),)), "a"),
        revision_of(Rules((RULE,), arrays=(Pairs(Pattern.parse("body/lots"), (("code",),)),)), "a"),
        revision_of(Rules((RULE,), arrays=(Pairs(Pattern.parse("body/runs"), (("id",),)),)), "a"),
    ]
    assert len({one, *others}) == 8


def test_rules_that_are_put_in_force_count_at_once() -> None:
    """A recorder knows no rules but those it is given."""
    recorder = Recorder()
    before = kept(exchange(), recorder, Rules())
    assert before.revision != kept(exchange(), recorder, Rules((RULE,))).revision


def test_what_findings_rest_on_stays_itself_until_rules_names_or_the_key_are_others() -> None:
    """It travels to another process once, so what has changed must be another one: the key comes with the database."""
    mask, names, rules = Keyed(b"a" * 32), frozenset[str](), Rules()
    recorder = Recorder(mask, names_of=lambda route: names)
    first = recorder.basis("lots", rules)
    assert recorder.basis("lots", rules) is first
    mask.key = b"b" * 32
    second = recorder.basis("lots", rules)
    names = frozenset({"iban"})
    third = recorder.basis("lots", rules)
    fourth = recorder.basis("lots", Rules((RULE,)))
    assert [each.mask.key[:1] for each in (first, second, third, fourth)] == [b"a", b"b", b"b", b"b"]
    assert (set(second.names), set(third.names), fourth.rules.rules) == (set(), {"iban"}, (RULE,))
