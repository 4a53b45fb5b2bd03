"""A recheck excuses what legacy itself cannot keep still, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.compare import compare
from gateway.diff.noise import judge_again
from gateway.diff.rules import Rule, Rules
from gateway.diff.verdict import Kind, Outcome, Verdict
from gateway.failure import Failure
from gateway.message import Observation, Side
from tests.gateway.diff.answers import JSON, TODAY, answer, found, rule

UUID = "f2b8a7e-1111-4222-8333-944444444444"  # with a digit before it
DAY = "2026-11-21T07:00:"


def rechecked(control: Any, again: Any, candidate: Any, *rules: Rule) -> Verdict:
    """The verdict after a recheck; what is no observation is a JSON body with status 200."""
    one, two = (body if isinstance(body, Observation) else answer(Side.LEGACY, body) for body in (control, again))
    new = candidate if isinstance(candidate, Observation) else answer(Side.NEW, candidate)
    first = compare(one, new, Rules(rules), today=TODAY)
    return judge_again(first, one, [two], new, Rules(rules), today=TODAY)


def noise(verdict: Verdict) -> list[tuple[Kind, str]]:
    """Kind and place of all noise."""
    return [(mismatch.kind, mismatch.where) for mismatch in verdict.noise]


def test_a_field_legacy_cannot_keep_still_is_noise() -> None:
    """Nothing else differs, so the verdict is noise, which is neither matched nor mismatched."""
    verdict = rechecked({"id": 1, "served": 17}, {"id": 1, "served": 18}, {"id": 1, "served": 19})
    assert verdict.outcome is Outcome.NOISE
    assert verdict.mismatches == ()
    assert noise(verdict) == [(Kind.VALUE, "body/served")]


def test_what_legacy_keeps_still_stays_a_mismatch_beside_noise() -> None:
    """One field is excused, the other is not."""
    verdict = rechecked({"id": 1, "served": 17}, {"id": 1, "served": 18}, {"id": 2, "served": 19})
    assert verdict.outcome is Outcome.MISMATCHED
    assert found(verdict) == [(Kind.VALUE, "body/id")]
    assert noise(verdict) == [(Kind.VALUE, "body/served")]


@pytest.mark.parametrize(
    ("control", "again", "candidate", "kind"),
    [
        (1, 2, "3", Kind.TYPE),
        (1, 2, None, Kind.TYPE),
        ("2026-11-21T07:00:00.000Z", "2026-11-21T07:00:01.250Z", "2026-11-21 07:00:01+00", Kind.VALUE),
        ("2026-11-21T07:00:00.000Z", "2026-11-21T07:00:01.250Z", "2026-11-21T08:00:00.500Z", Kind.VALUE),
        ("2026-11-21T07:00:00.000Z", "2026-11-21T07:00:01.250Z", "2026-11-21T07:00:00Z", Kind.VALUE),
        ("3f2b8a7e-1111-4222-8333-944444444444", "1f2b8a7e-1111-4222-8333-944444444444", "7", Kind.VALUE),
        ("0f343b0931126a20", "77043b0931126a2a", "0f343b09", Kind.VALUE),
        ("11", "12", "twelve", Kind.VALUE),
        (None, "x", 5, Kind.TYPE),
    ],
)
def test_another_form_in_a_field_that_changes_is_no_noise(control: Any, again: Any, candidate: Any, kind: Kind) -> None:
    """What legacy says changes from moment to moment, how it says it does not."""
    assert found(rechecked({"a": control}, {"a": again}, {"a": candidate})) == [(kind, "body/a")]


@pytest.mark.parametrize(
    ("control", "again", "candidate"),
    [
        ("2026-11-21T07:00:00.000Z", "2026-11-21T07:00:01.250Z", "2026-11-21T07:00:00.611Z"),
        ("2026-11-21T07:00:00.12+00:00", "2026-11-21T07:00:01.2503+00:00", "2026-11-21T07:00:00+00:00"),
        (
            "3f2b8a7e-1111-4222-8333-944444444444",
            "1f2b8a7e-1111-4222-8333-944444444444",
            "a" * 8 + "-1111" * 3 + "-" + "b" * 12,
        ),
        ("Sat, 21 Nov 2026 07:00:00 GMT", "Sat, 21 Nov 2026 07:00:01 GMT", "Sat, 21 Nov 2026 07:00:01 GMT"),
        ("a sentence", "another", "a third"),
        (1, 2.5, 1e3),
        (None, "x", "y"),
        ([1, 2, 3], [3, 1, 2], [2, 3, 1]),
        ({"x": 1}, None, {"x": 2}),
    ],
)
def test_what_could_be_legacys_own_is_noise(control: Any, again: Any, candidate: Any) -> None:
    """A value of the same form in a field that changes."""
    assert rechecked({"a": control}, {"a": again}, {"a": candidate}).outcome is Outcome.NOISE


def test_a_field_that_new_lacks_is_missing_although_its_value_changes() -> None:
    """Noise is in the value, and new has none."""
    assert found(rechecked({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"b": 1})) == [(Kind.MISSING, "body/a")]
    assert found(rechecked({"b": 1}, {"b": 1, "a": 2}, {"b": 1, "c": 1})) == [(Kind.EXTRA, "body/c")]


def test_a_field_that_legacy_sometimes_leaves_out_may_be_left_out() -> None:
    """And may be there when legacy leaves it out at first."""
    assert rechecked({"a": 1, "b": 1}, {"b": 1}, {"b": 1}).outcome is Outcome.NOISE
    assert rechecked({"b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1}).outcome is Outcome.NOISE


ROWS: list[dict[str, Any]] = [{"id": at, "code": f"L{at}", "at": 100 + at} for at in range(5)]


def test_a_row_that_came_meanwhile_is_noise_and_one_that_only_new_has_is_not() -> None:
    """Each row that legacy gained excuses one that new has more."""
    newer = {"id": 9, "code": "L9", "at": 9}
    assert rechecked(ROWS, [newer, *ROWS], [newer, *ROWS]).outcome is Outcome.NOISE
    twice = rechecked(ROWS, [newer, *ROWS], [newer, newer, *ROWS])
    assert [kind for kind, _ in found(twice)] == [Kind.EXTRA]
    later = {"id": 10, "code": "L10", "at": 9}
    assert rechecked(ROWS, [later, newer, *ROWS], [newer, *ROWS]).outcome is Outcome.NOISE


def test_a_planted_change_is_found_in_rows_that_legacy_shuffles() -> None:
    """The order is noise, and says nothing about the rows."""
    shuffled = [ROWS[3], ROWS[0], ROWS[4], ROWS[1], ROWS[2]]
    other = [ROWS[2], ROWS[4], {**ROWS[1], "code": "X"}, ROWS[3], ROWS[0]]
    verdict = rechecked(ROWS, shuffled, other)
    assert found(verdict) == [(Kind.VALUE, "body/1/code")]
    assert noise(verdict) == [(Kind.ORDER, "body")]
    assert rechecked(ROWS, shuffled, [ROWS[2], ROWS[4], ROWS[1], ROWS[3], ROWS[0]]).outcome is Outcome.NOISE


def test_a_missing_row_is_found_among_rows_with_a_field_that_changes() -> None:
    """Rows are paired by what they keep."""
    later = [{**row, "at": 200 + row["id"]} for row in ROWS]
    lost = [{**row, "at": 300 + row["id"]} for row in ROWS if row["id"] != 2]
    assert found(rechecked(ROWS, later, lost)) == [(Kind.MISSING, "body/2")]


def test_rows_that_legacy_shuffles_may_each_have_a_field_that_changes() -> None:
    """No row is what it was, and yet only their order and that field are noise."""

    def rows(order: str, at: int, **other: Any) -> list[dict[str, Any]]:
        return [{"id": key, "code": f"L{key}", "at": at + int(key), **other} for key in order]

    control, again = rows("012345", 100), rows("351042", 200)
    assert rechecked(control, again, rows("204513", 300)).outcome is Outcome.NOISE
    planted = rows("204513", 300)
    planted[2]["code"] = "X"
    assert found(rechecked(control, again, planted)) == [(Kind.VALUE, "body/4/code")]


PICKS: list[dict[str, Any]] = [
    {"id": at, "name": f"thing {at}", "kg": at * 7, "sort": "ab"[at % 2]} for at in range(40)
]


def test_rows_that_legacy_draws_anew_are_noise_also_in_what_two_draws_share_by_chance() -> None:
    """A third draw shares other things."""
    first, second, third = (
        [PICKS[at] for at in draw] for draw in ((1, 2, 3, 4, 5), (11, 14, 12, 16, 18), (8, 2, 21, 23, 30))
    )
    assert rechecked({"a": first}, {"a": second}, {"a": third}).outcome is Outcome.NOISE
    odd = [*third[:4], {**PICKS[30], "id": "30"}]
    assert [kind for kind, _ in found(rechecked({"a": first}, {"a": second}, {"a": odd}))] == [Kind.TYPE]
    assert found(rechecked({"a": first}, {"a": second}, {"a": third[:4]}))
    lost = [{key: value for key, value in row.items() if key != "sort"} for row in third]
    assert {kind for kind, _ in found(rechecked({"a": first}, {"a": second}, {"a": lost}))} == {Kind.MISSING}


def test_a_field_that_stands_still_in_every_row_is_judged_among_fields_that_change() -> None:
    """Ids made for each answer are no other rows."""

    def rows(salt: str, last: int) -> dict[str, Any]:
        return {"a": [{"id": f"{salt}{at}", "trace": f"{salt}-{at}", "v": at if at < 4 else last} for at in range(5)]}

    assert rechecked(rows("x", 4), rows("y", 4), rows("z", 4)).outcome is Outcome.NOISE
    assert found(rechecked(rows("x", 4), rows("y", 4), rows("z", 5))) == [(Kind.VALUE, "body/a/4/v")]


def test_things_under_names_that_change_stay_as_many() -> None:
    """One of two is gone, whatever its name would have been."""
    two, others = {"by": {"a1234567": 1, "b1234567": 1}}, {"by": {"c1234567": 1, "d1234567": 1}}
    assert rechecked(two, others, {"by": {"e1234567": 1, "f1234567": 1}}).outcome is Outcome.NOISE
    assert found(rechecked(two, others, {"by": {"e1234567": 1}}))


@pytest.mark.parametrize(
    ("control", "again", "candidate"),
    [
        ("eu-west-1", "eu-west-2", "us-1"),
        ("a-1", "b-12", "c-3"),
        ("a-1234", "a-5678", "a-12ef"),
        ("ab:1f:2e", "ab:3c:4d", "cd:5a:6b"),
        ("took 0.0012 ms", "took 0.15 ms", "took 6.1e-05 ms"),
    ],
)
def test_what_is_drawn_may_be_any(control: str, again: str, candidate: str) -> None:
    """A short number in a name, or digits in hexadecimal, are no sign of how all of them are built."""
    assert rechecked({"a": control}, {"a": again}, {"a": candidate}).outcome is Outcome.NOISE


@pytest.mark.parametrize(
    ("control", "again", "same", "other"),
    [
        ("https://s3/b/a.pdf?sig=a1&d=1", "https://s3/b/a.pdf?sig=b2&d=2", "https://s3/b/a.pdf?sig=c3&d=3", "https://s3/b/b.pdf?sig=c3&d=3"),
        ("https://s3/b/a.pdf?sig=a1&d=1", "https://s3/b/a.pdf?sig=b2&d=2", "https://s3/b/a.pdf?sig=c3&d=4", "https://s3/b/a.pdf?sig=c3"),
        ("https://s3/a?sig=a1", "https://s3/a?sig=b2", "https://s3/a?sig=c3", "https://s3/a?sig=c3&all=1"),
        ("1.25 ms", "1.31 ms", "0.8 ms", "0.8 s"),
        ("for Ann at 10:01", "for Ann at 10:02", "for Ann at 10:03", "for Bob at 10:03"),
        ("read,write,admin", "write,admin,read", "admin,read,write", "admin,read"),
        (f"urn:uuid:3{UUID}", f"urn:uuid:1{UUID}", f"urn:uuid:0{UUID}", f"urn:guid:0{UUID}"),
        ("3-5f343b0931126a20", "3-77043b0931126a2a", "3-1234567890123456", "4-77043b0931126a2b"),
        ("00-5f343b0931126a20-01", "00-77043b0931126a2a-01", "00-67043b0931126a2c-01", "00-67043b0931126a2c-00"),
        ("report-1763712000.csv", "report-1763712001.csv", "report-17.csv", "report-1763712001.xlsx"),
        ("took 12.5ms", "took 9.25ms", "took 850.5\u00b5s", "took 9.25"),
        (f"at {DAY}00Z", f"at {DAY}01Z", f"at {DAY}02Z", f"at {DAY}02+00:00"),
        ("req_V1StGXR8_Z5jd-myT", "req_a9XbQ2_7Jk0Pz-Lc", "req_Q7mNs3Yd1_K0v-Pf", "rid_Q7mNs3Yd1_K0v-Pf"),
        ("V1StGXR8Z5jdHi6BmyT.png", "a9XbQ27Jk0PzR4tWmLc.png", "Q7mNs3Yd1K0vB8xTzPf.png", "Q7mNs3Yd1K0vB8xTzPf.jpg"),
        ("id: V1StGXR8Z5jd done", "id: a9XbQ27Jk0Pz done", "id: Q7mNs3Yd1K0v done", "id:  Q7mNs3Yd1K0v done"),
        ("/a?c=eyJ0IjoxN30=&n=4", "/a?c=eyJ0IjoxOH0=&n=4", "/a?c=eyJ0IjoxfQ==&n=4", "/a?c=eyJ0IjoxfQ==&n=5"),
    ],
)  # fmt: skip
def test_what_stands_still_in_a_text_that_changes_is_no_noise(control: str, again: str, same: str, other: str) -> None:
    """A link with a signature still has a path."""
    assert rechecked({"a": control}, {"a": again}, {"a": same}).outcome is Outcome.NOISE
    assert found(rechecked({"a": control}, {"a": again}, {"a": other})) == [(Kind.VALUE, "body/a")]


@pytest.mark.parametrize(
    ("kind", "text", "planted"),
    [
        (b"text/html", "<p><input value=%s><b>10 EUR</b></p>", ("10 EUR", "12 EUR")),
        (b"application/xml", "<a><at>%s</at><kg>10</kg></a>", ("<kg>10", "<kg>11")),
        (b"text/csv", "id,at,kg\n1,%s,10\n2,%s,20\n", (",20", ",21")),
        (b"text/plain", "reads_total{node=%s} 5", ("} 5", "} 6")),
    ],
)
def test_a_planted_change_is_found_beside_noise_in_one_line(kind: bytes, text: str, planted: tuple[str, str]) -> None:
    """Pages and XML often are one line, and a row of a table always is."""

    def page(side: Side, token: str) -> Observation:
        return answer(side, text.replace("%s", token).encode(), headers=((b"content-type", kind),))

    legacy = page(Side.LEGACY, "x4/Fa9=="), page(Side.LEGACY, "1Y/8+Qm=")
    assert rechecked(*legacy, page(Side.NEW, "s/Jk+2==")).outcome is Outcome.NOISE
    text = text.replace(*planted)
    assert found(rechecked(*legacy, page(Side.NEW, "s/Jk+2=="))) == [(Kind.VALUE, "body")]


@pytest.mark.parametrize(
    ("name", "value", "planted"),
    [
        (b"location", "https://%h/jobs/%s", ("jobs", "tasks")),
        (b"location", "/auth?state=%s&scope=b%20c", ("%20c", "")),
        (b"content-disposition", 'attachment; filename="e-%s.csv"', ("attachment", "inline")),
        (b"link", '</x?c=%s>; rel="next", </x>; rel="first"', (', </x>; rel="first"', "")),
        (b"x-total", "%s", ("%s", "")),
    ],
)
def test_what_stands_still_in_a_header_that_changes_is_no_noise(
    name: bytes, value: str, planted: tuple[str, str]
) -> None:
    """A redirect with a state in it still leads somewhere, and a header that is gone is gone."""

    def says(side: Side, token: str, host: str = "old") -> Observation:
        said = value.replace("%s", token).replace("%h", host).encode()
        return answer(side, {"a": 1}, headers=(*JSON, *([(name, said)] if said else [])))

    legacy = says(Side.LEGACY, "51"), says(Side.LEGACY, "62")
    assert rechecked(*legacy, says(Side.NEW, "73", "new:80")).outcome is Outcome.NOISE
    value = value.replace(*planted)
    assert found(rechecked(*legacy, says(Side.NEW, "73"))) == [(Kind.HEADER, f"header/{name.decode()}")]


def test_a_status_is_excused_only_when_legacy_gave_it_too() -> None:
    """A third status is nobody's noise."""
    down = answer(Side.LEGACY, {"error": "down"}, status=503)
    up = answer(Side.LEGACY, {"a": 1})
    assert rechecked(down, up, {"a": 1}).outcome is Outcome.NOISE
    assert found(rechecked(down, up, {"a": 2})) == [(Kind.VALUE, "body/a")]
    gone = answer(Side.NEW, {"error": "gone"}, status=404)
    assert Kind.STATUS in [kind for kind, _ in found(rechecked(up, down, gone))]
    assert found(rechecked(up, down, {"a": 2})) == [(Kind.VALUE, "body/a")]


def test_a_second_answer_that_says_nothing_excuses_nothing() -> None:
    """A failure, and a body that cannot be read."""
    for again in (
        answer(Side.LEGACY, failure=Failure.LEGACY_TIMEOUT),
        answer(Side.LEGACY, b"{"),
        answer(Side.LEGACY, b"[", truncated=True),
    ):
        assert found(rechecked({"a": 1}, again, {"a": 2})) == [(Kind.VALUE, "body/a")]


def test_a_page_is_judged_line_by_line() -> None:
    """A token in one line excuses that line and no other."""
    page = ((b"content-type", b"text/html"),)

    def html(side: Side, token: str, title: str) -> Observation:
        text = f"<html>\n<h1>{title}</h1>\n<input value={token}>\n</html>"
        return answer(side, text.encode(), headers=page)

    same = rechecked(html(Side.LEGACY, "a1", "T"), html(Side.LEGACY, "b2", "T"), html(Side.NEW, "c3", "T"))
    assert same.outcome is Outcome.NOISE
    other = rechecked(html(Side.LEGACY, "a1", "T"), html(Side.LEGACY, "b2", "T"), html(Side.NEW, "c3", "U"))
    assert found(other) == [(Kind.VALUE, "body")]


def test_a_line_that_is_gone_is_found_among_lines_that_change() -> None:
    """The rows of an export have a moment each; the first of them is missing."""

    def export(rows: range, minute: int) -> Observation:
        text = "".join(f"{row},2026-11-21T07:{minute}:00Z\n" for row in rows)
        return answer(Side.LEGACY, text.encode(), headers=((b"content-type", b"text/csv"),))

    assert rechecked(export(range(5), 1), export(range(5), 2), export(range(5), 3)).outcome is Outcome.NOISE
    assert found(rechecked(export(range(5), 1), export(range(5), 2), export(range(1, 5), 3))) == [(Kind.VALUE, "body")]
    assert found(rechecked(export(range(5), 1), export(range(5), 2), export(range(6), 3))) == [(Kind.VALUE, "body")]
    assert rechecked(export(range(5), 1), export(range(6), 2), export(range(6), 3)).outcome is Outcome.NOISE


def test_a_header_that_changes_by_itself_is_noise() -> None:
    """By name."""

    def aged(side: Side, age: int) -> Observation:
        return answer(side, {"a": 1}, headers=(*JSON, (b"cache-control", b"max-age=%d" % age)))

    assert rechecked(aged(Side.LEGACY, 60), aged(Side.LEGACY, 59), aged(Side.NEW, 58)).outcome is Outcome.NOISE
    assert found(rechecked(aged(Side.LEGACY, 60), aged(Side.LEGACY, 60), aged(Side.NEW, 58)))


def test_only_a_mismatch_is_judged_again() -> None:
    """What matched or was allowed stays that, whatever legacy says later."""
    assert rechecked({"a": 1}, {"a": 2}, {"a": 1}).outcome is Outcome.MATCHED
    allowing = rule("body/a", Kind.VALUE)
    assert rechecked({"a": 1}, {"a": 3}, {"a": 2}, allowing).outcome is Outcome.ALLOWED


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("abc", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_recheck_never_makes_it_raise_nor_a_match_of_a_mismatch(control: Any, again: Any, candidate: Any) -> None:
    """Whatever three answers hold; and nothing is excused when legacy says the same twice."""
    verdict = rechecked(control, again, candidate)
    first = compare(answer(Side.LEGACY, control), answer(Side.NEW, candidate), Rules(), today=TODAY)
    assert (verdict.outcome is Outcome.MATCHED) == (first.outcome is Outcome.MATCHED)
    assert rechecked(control, control, candidate) == first
    if again == candidate and first.outcome is Outcome.MISMATCHED:
        assert rechecked(control, answer(Side.LEGACY, candidate), candidate).outcome is Outcome.NOISE
