"""Two answers become one verdict, whatever they hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.compare import MAX_DIFFERENCES, compare
from gateway.diff.judging import MAX_SHOWN
from gateway.diff.readers import Reading
from gateway.diff.rules import Rules, Scope
from gateway.diff.verdict import Kind, Mismatch, Outcome
from gateway.failure import Failure
from gateway.message import Side
from tests.gateway.diff.answers import JSON, TODAY, answer, found, judged, only, rule

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=5)
)


@given(DOCUMENTS)
def test_a_document_matches_itself_however_it_is_written(document: Any) -> None:
    """White space and the order of keys mean nothing."""
    import json

    shuffled = json.dumps(document, indent=3, sort_keys=True).encode()
    assert judged(document, shuffled).outcome is Outcome.MATCHED


@given(DOCUMENTS, DOCUMENTS)
def test_both_directions_agree_on_whether_two_documents_differ(one: Any, other: Any) -> None:
    """Nobody is the control by nature."""
    forth, back = judged(one, other), judged(other, one)
    assert forth.outcome is back.outcome
    assert bool(forth.mismatches) == bool(back.mismatches)


@given(DOCUMENTS, st.data())
def test_one_planted_change_is_found_where_it_was_planted(document: Any, data: st.DataObject) -> None:
    """A value that is put anywhere in a document is the one mismatch."""
    place: list[str | int] = []
    at = holder = {"root": document}
    key: Any = "root"
    while isinstance(at[key], list | dict) and at[key] and data.draw(st.booleans()):
        at = at[key]
        key = data.draw(st.sampled_from(range(len(at)) if isinstance(at, list) else sorted(at)))
        place.append(key)
    before = answer(Side.LEGACY, holder)
    at[key] = {"planted": "here"}
    verdict = compare(before, answer(Side.NEW, holder), Rules(), today=TODAY)
    assert verdict.outcome is Outcome.MISMATCHED
    assert len(verdict.mismatches) >= 1
    spelled = [str(part).replace("~", "~0").replace("/", "~1") for part in ("body", "root", *place)]
    shared = [mismatch.where for mismatch in verdict.mismatches]
    if all(isinstance(part, str) for part in place) and all(where.isprintable() for where in spelled):
        assert all(where.startswith("/".join(spelled)) for where in shared)


@pytest.mark.parametrize(
    ("control", "candidate", "kind"),
    [
        (b"[1]", b"[true]", Kind.TYPE),
        (b"[0]", b"[false]", Kind.TYPE),
        (b"[null]", b"[0]", Kind.TYPE),
        (b'["540.0"]', b"[540.0]", Kind.TYPE),
        (b"[[]]", b"[{}]", Kind.TYPE),
        (b"[9007199254740993]", b"[9007199254740992]", Kind.VALUE),
        (b"[0.1]", b"[0.10000000000000001]", Kind.VALUE),
        (b'["a"]', b'["A"]', Kind.VALUE),
        (b'["\\u00e9"]', b'["e\\u0301"]', Kind.VALUE),
    ],
)
def test_what_json_tells_apart_is_told_apart(control: bytes, candidate: bytes, kind: Kind) -> None:
    """True is no number, a text is no number, and no digit is rounded away."""
    assert found(judged(control, candidate)) == [(kind, "body/0")]


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        (b"[1, 100]", b"[1.0, 1e2]"),
        (b"[0.5]", b"[5e-1]"),
        (b"[-0]", b"[0.0]"),
        (b"[12345678901234567890123]", b"[1.2345678901234567890123e22]"),
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'),
        (b'["\\u00e9"]', '["é"]'.encode()),
        (b"\xef\xbb\xbf[1]", b"[1]"),
    ],
)
def test_what_json_calls_equal_matches(control: bytes, candidate: bytes) -> None:
    """Numbers are compared as numbers, exactly; the order of keys, escapes and a byte order mark are no content."""
    assert judged(control, candidate).outcome is Outcome.MATCHED


def test_missing_is_what_new_lacks_and_extra_what_only_new_has() -> None:
    """A null is a value: its absence is a difference."""
    verdict = judged({"a": None, "b": 1}, {"b": 1, "c": 2})
    assert verdict.mismatches == (
        Mismatch(Kind.MISSING, "body/a", "null", None),
        Mismatch(Kind.EXTRA, "body/c", None, "2"),
    )


def test_slashes_and_tildes_in_keys_are_escaped_in_places() -> None:
    """A place can be read back, as a JSON pointer can."""
    assert only(judged({"a/b~c": 1}, {"a/b~c": 2})).where == "body/a~1b~0c"


def test_long_values_are_cut_and_unprintable_ones_made_harmless() -> None:
    """A report shows 200 characters at most, none of which can move a cursor or break an encoder."""
    mismatch = only(judged({"a": "x" * 1_000}, b'{"a": "\\u001b[2J\\ud800\\u202e"}'))
    assert mismatch.control is not None
    assert len(mismatch.control) == 200
    assert mismatch.candidate == '"\\u001b[2J\\ud800\\u202e"'


def test_hostile_keys_cannot_harm_a_place() -> None:
    """A place is cut and cleaned as values are."""
    where = only(judged({}, {"\x00" + "k" * 5_000: 1})).where
    assert where.startswith("body/\\u0000kkk")
    assert len(where) == 500


def test_only_so_many_mismatches_are_kept_and_the_others_counted() -> None:
    """A verdict stays small."""
    verdict = judged({f"k{at}": 1 for at in range(250)}, {f"k{at}": 2 for at in range(250)})
    assert len(verdict.mismatches) == MAX_SHOWN
    assert verdict.reason == f"{MAX_SHOWN} of 250 mismatches are shown"


def test_too_many_allowed_differences_are_not_comparable() -> None:
    """Where a rule would have to allow more than anybody looked at, nothing is said."""
    count = MAX_DIFFERENCES + 1
    verdict = judged(
        {"a": {f"k{at}": 1 for at in range(count)}},
        {"a": {f"k{at}": 2 for at in range(count)}},
        rule("body/a/*", Kind.VALUE),
    )
    assert verdict.outcome is Outcome.NOT_COMPARABLE


def test_a_failure_of_legacy_is_not_comparable() -> None:
    """Without a control there is nothing to be judged by; the reason is the failure's code."""
    control = answer(Side.LEGACY, failure=Failure.LEGACY_TIMEOUT)
    for candidate in (answer(Side.NEW), answer(Side.NEW, failure=Failure.NEW_RESET)):
        verdict = compare(control, candidate, Rules(), today=TODAY)
        assert (verdict.outcome, verdict.reason) == (Outcome.NOT_COMPARABLE, "legacy_timeout")


def test_a_failure_of_new_is_a_mismatch_that_no_rule_allows() -> None:
    """A rule about the status is about answers."""
    rules = Rules((rule("status", Kind.STATUS),))
    verdict = compare(answer(Side.LEGACY), answer(Side.NEW, failure=Failure.NEW_CRASHED), rules, today=TODAY)
    assert verdict.outcome is Outcome.MISMATCHED
    assert verdict.mismatches == (Mismatch(Kind.STATUS, "status", "200", '"new_crashed"'),)
    assert verdict.reason == "new_crashed"


def test_a_client_that_left_says_nothing_about_new() -> None:
    """Only failures of the new side itself count against it."""
    verdict = compare(answer(Side.LEGACY), answer(Side.NEW, failure=Failure.CLIENT_GONE), Rules(), today=TODAY)
    assert verdict.outcome is Outcome.NOT_COMPARABLE


def test_equal_bytes_are_equal_without_being_read() -> None:
    """The fast path takes what no parser would."""
    assert judged(b"{not json", b"{not json").outcome is Outcome.MATCHED


def test_equal_beginnings_of_cut_bodies_are_not_equal() -> None:
    """A body past the cap is not comparable, also when what was kept is the same."""
    control = answer(Side.LEGACY, b"[1", truncated=True)
    verdict = compare(control, answer(Side.NEW, b"[1", truncated=True), Rules(), today=TODAY)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.NOT_COMPARABLE,
        "legacy: the body is longer than what is kept of one",
    )


def test_a_certain_difference_counts_although_the_body_cannot_be_read() -> None:
    """Another status stays a mismatch, and the reason says what was not compared."""
    control = answer(Side.LEGACY, b"{")
    verdict = compare(control, answer(Side.NEW, [1], status=201), Rules(), today=TODAY)
    assert verdict.outcome is Outcome.MISMATCHED
    assert verdict.reason.startswith("legacy: the body is not JSON")


def test_an_allowed_difference_beside_an_unreadable_body_is_not_comparable() -> None:
    """Unreadable is never counted as allowed."""
    control = answer(Side.LEGACY, b"{")
    rules = Rules((rule("status", Kind.STATUS),))
    verdict = compare(control, answer(Side.NEW, [1], status=201), rules, today=TODAY)
    assert verdict.outcome is Outcome.NOT_COMPARABLE
    assert len(verdict.allowed) == 1


def test_a_success_beside_an_error_is_one_difference_of_the_body() -> None:
    """A lot beside an error message is not a list of missing fields."""
    control = answer(Side.LEGACY, {"id": 1, "code": "A"}, status=201)
    verdict = compare(control, answer(Side.NEW, {"error": "no"}, status=422), Rules(), today=TODAY)
    assert found(verdict) == [(Kind.STATUS, "status"), (Kind.VALUE, "body")]


def test_two_errors_are_compared_field_by_field() -> None:
    """The sentence of an error is where its difference is."""
    control = answer(Side.LEGACY, {"error": "duplicate key"}, status=500)
    verdict = compare(control, answer(Side.NEW, {"error": "exists"}, status=409), Rules(), today=TODAY)
    assert found(verdict) == [(Kind.STATUS, "status"), (Kind.VALUE, "body/error")]


def test_json_beside_a_page_is_a_difference_of_type() -> None:
    """What the content type says decides how a body is read."""
    page = answer(Side.LEGACY, b"<p>no</p>", headers=((b"content-type", b"text/html"),))
    verdict = compare(page, answer(Side.NEW, {"error": "no"}), Rules(), today=TODAY)
    assert found(verdict) == [(Kind.HEADER, "header/content-type"), (Kind.TYPE, "body")]


def test_texts_and_bytes_are_compared_as_a_whole() -> None:
    """Text shows its beginning, bytes their number and digest."""
    text = ((b"content-type", b"text/plain; charset=iso-8859-1"),)
    mismatch = only(
        compare(answer(Side.LEGACY, b"\xe9", headers=text), answer(Side.NEW, b"e", headers=text), Rules(), today=TODAY)
    )
    assert (mismatch.kind, mismatch.control) == (Kind.VALUE, '"é"')
    png = ((b"content-type", b"image/png"),)
    mismatch = only(
        compare(
            answer(Side.LEGACY, b"\x89PNG", headers=png), answer(Side.NEW, b"\x89", headers=png), Rules(), today=TODAY
        )
    )
    assert mismatch.kind is Kind.SIZE
    assert mismatch.control is not None
    assert mismatch.control.startswith('"4 bytes')


def test_no_body_beside_one_is_missing_or_extra() -> None:
    """An empty body is no JSON that cannot be read."""
    assert found(judged([1], b"")) == [(Kind.MISSING, "body")]
    assert found(judged(b"", [1])) == [(Kind.EXTRA, "body")]


def test_a_body_without_a_content_type_is_json_only_when_it_is() -> None:
    """Nobody has to name JSON for it to be compared as such, and other text stays text."""

    def unnamed(control: bytes, candidate: bytes) -> Outcome:
        legacy, new = answer(Side.LEGACY, control, headers=()), answer(Side.NEW, candidate, headers=())
        return compare(legacy, new, Rules(), today=TODAY).outcome

    assert unnamed(b'{"a":1}', b'{"a": 1}') is Outcome.MATCHED
    assert unnamed(b"{a", b"{b") is Outcome.MISMATCHED


@pytest.mark.parametrize("charset", [b"utf-16", b"klingon"])
def test_json_in_a_charset_that_cannot_be_read_is_not_comparable(charset: bytes) -> None:
    """JSON is UTF-8; what calls itself otherwise is not guessed at."""
    headers = ((b"content-type", b"application/json; charset=" + charset),)
    verdict = compare(
        answer(Side.LEGACY, [1], headers=headers), answer(Side.NEW, [2], headers=headers), Rules(), today=TODAY
    )
    assert verdict.outcome is Outcome.NOT_COMPARABLE


def test_an_allowed_difference_is_never_called_matched() -> None:
    """It keeps the mismatch, the reason and the place of the rule."""
    verdict = judged({"w": "540.0"}, {"w": 540}, rule("body/w", reading=Reading.NUMBER))
    assert verdict.outcome is Outcome.ALLOWED
    (allowance,) = verdict.allowed
    assert (allowance.because, allowance.rule) == ("the test says so", "differences.yaml:2")
    assert allowance.mismatch == Mismatch(Kind.TYPE, "body/w", '"540.0"', "540")


def test_an_expired_rule_allows_nothing_and_the_reason_says_so() -> None:
    """The last day still counts; the day after does not."""
    expired = rule("body/w", Kind.VALUE, until=date(2026, 11, 20))
    verdict = judged({"w": 1}, {"w": 2}, expired)
    assert verdict.outcome is Outcome.MISMATCHED
    assert verdict.reason == "the rule in differences.yaml:2 would allow body/w, but ended on 2026-11-20"
    assert judged({"w": 1}, {"w": 2}, expired, today=date(2026, 11, 20)).outcome is Outcome.ALLOWED


def test_every_rule_that_hits_is_seen_in_the_verdict() -> None:
    """Hits are counted from verdicts, so the last rule must not drown in the hits of the first."""
    control = {"a": {f"k{at}": 1 for at in range(300)}, "b": 1}
    candidate = {"a": {f"k{at}": 2 for at in range(300)}, "b": 2}
    verdict = judged(
        control, candidate, rule("body/a/*", Kind.VALUE, origin="f:1"), rule("body/b", Kind.VALUE, origin="f:2")
    )
    assert {allowance.rule for allowance in verdict.allowed} == {"f:1", "f:2"}
    assert len(verdict.allowed) == MAX_SHOWN + 1


def test_a_rule_is_limited_to_the_statuses_and_cases_it_names() -> None:
    """A rule for a contract case never allows anything on live traffic."""
    statuses = Rules((rule("status", scope=Scope(legacy=500, new=409)),))
    new = answer(Side.NEW, status=409)
    assert compare(answer(Side.LEGACY, status=500), new, statuses, today=TODAY).outcome is Outcome.ALLOWED
    assert compare(answer(Side.LEGACY, status=200), new, statuses, today=TODAY).outcome is Outcome.MISMATCHED
    cased = rule("body/a", Kind.VALUE, scope=Scope(cases=frozenset({"one"})))
    assert judged({"a": 1}, {"a": 2}, cased, case="one").outcome is Outcome.ALLOWED
    assert judged({"a": 1}, {"a": 2}, cased).outcome is Outcome.MISMATCHED


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([b"gzip", b"deflate", b"br", b"", b"x"]))
def test_no_bytes_make_it_raise(one: bytes, other: bytes, coding: bytes) -> None:
    """Any two bodies in any coding end in a verdict."""
    headers = (*JSON, (b"content-encoding", coding), (b"Set-Cookie", one[:20]), (b"location", other[:20]))
    verdict = compare(
        answer(Side.LEGACY, one, headers=headers), answer(Side.NEW, other, headers=headers), Rules(), today=TODAY
    )
    assert verdict.outcome in tuple(Outcome)
