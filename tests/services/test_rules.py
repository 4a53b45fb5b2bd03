"""The pure rules: every value inside is taken, every value outside is named."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth import rules as auth
from services.health import rules as health
from services.kit import fields
from services.kit.wire import WireRow
from services.lots import rules as lots
from services.qc import rules as qc
from services.runs import rules as runs
from services.traceability import rules as traceability
from services.traceability.schemas import Kin

storable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
not_texts = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.text()), st.just({}))
not_numbers: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.just([]), st.sampled_from(["", "1,5", "NaN", "1e3", "0x1F", "٣", " 1"])
)


@given(st.decimals(0, 10_000, places=2))
def test_weight_within_bounds_is_kept_exactly(weight: Decimal) -> None:
    """A weight sent as a string keeps the scale it shows."""
    kept = lots.weight_kg(str(weight))
    assert (kept, str(kept)) == (weight, str(weight))


@given(st.integers(0, 1_000_000))
def test_weight_sent_as_a_number_is_what_javascript_reads(cents: int) -> None:
    """A JSON number loses the zeros at its end, as in Node: 540.0 is stored as 540."""
    kept = lots.weight_kg(cents / 100)
    assert kept * 100 == cents
    assert str(kept) == f"{cents / 100:.2f}".rstrip("0").rstrip(".")


@given(st.one_of(st.floats(max_value=0, exclude_max=True), st.floats(min_value=10_000, exclude_min=True)))
def test_weight_out_of_bounds_is_refused(weight: float) -> None:
    """Less than nothing and more than ten tonnes are no weights, and neither is infinity."""
    with pytest.raises(ValueError, match="must be"):
        lots.weight_kg(weight)


@given(st.integers(0, 9_999), st.integers(1, 9))
def test_third_decimal_of_a_weight_is_refused(kilos: int, thousandths: int) -> None:
    """Two decimals, however they are written."""
    for weight in (f"{kilos}.00{thousandths}", float(f"{kilos}.00{thousandths}")):
        with pytest.raises(ValueError, match="at most 2 decimals"):
            lots.weight_kg(weight)


@given(st.integers(-500, 1000))
def test_temperature_with_one_decimal_is_taken(tenths: int) -> None:
    """-50 to 100 degrees, for lots and for decisions."""
    for read in (lots.temperature_c, qc.temperature_c):
        assert read(tenths / 10) * 10 == tenths


@pytest.mark.parametrize("value", [-50.1, 100.1, "-51", 101, 20.25, "20.25"])
def test_temperature_outside_is_refused(value: object) -> None:
    """Out of bounds, or more than one decimal."""
    for read in (lots.temperature_c, qc.temperature_c):
        with pytest.raises(ValueError, match="must"):
            read(value)


@given(not_numbers)
def test_what_is_no_number_is_refused(value: object) -> None:
    """Booleans, exponents in strings and PostgreSQL's other spellings are not numbers here."""
    with pytest.raises(ValueError, match="must be a number"):
        fields.decimal(value)


@given(storable.filter(lambda code: 1 <= len(code) <= 100))
def test_code_of_1_to_100_characters_is_taken(code: str) -> None:
    """Characters are code points, whatever their bytes."""
    assert lots.lot_code(code) == runs.run_code(code) == code


@pytest.mark.parametrize("code", ["", "x" * 101, "a\0b", 7, None, ["A"]])
def test_bad_code_is_refused(code: object) -> None:
    """Empty, too long, not storable, or no text."""
    for read in (lots.lot_code, runs.run_code):
        with pytest.raises(ValueError, match="must"):
            read(code)


@given(st.text())
def test_only_the_listed_words_are_taken(word: str) -> None:
    """The closed lists are exact, in upper case."""
    for read, words in ((lots.lot_type, lots.TYPES), (qc.decision, qc.DECISIONS), (runs.status, runs.STATUSES)):
        if word not in words:
            with pytest.raises(ValueError, match="must be one of"):
                read(word)
        assert [read(known) for known in sorted(words)] == sorted(words)


@given(storable)
def test_hold_and_fail_need_notes(notes: str) -> None:
    """Ten characters that are not blanks around them; a PASS explains itself."""
    enough = len(notes.strip()) >= 10
    assert qc.is_explained("HOLD", notes) is qc.is_explained("FAIL", notes) is enough
    assert qc.is_explained("PASS", notes)


def test_hold_without_notes_is_not_explained() -> None:
    """Null is as little as nothing."""
    assert not qc.is_explained("HOLD", None)
    assert qc.is_explained("PASS", None)


@given(st.uuids())
def test_uuid_is_read_in_its_usual_spellings(value: uuid.UUID) -> None:
    """With and without hyphens, in both cases."""
    for spelling in (str(value), value.hex, str(value).upper(), f"{{{value}}}"):
        assert fields.identifier(spelling) == runs.run_id(spelling) == value


@given(st.one_of(not_texts, st.text(max_size=20)))
def test_what_is_no_uuid_is_refused(value: object) -> None:
    """Numbers and short texts name nothing."""
    with pytest.raises(ValueError, match="must be a uuid"):
        fields.identifier(value)
    if isinstance(value, str):
        assert runs.run_id(value) is None


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-15, 15))
def test_time_is_read_in_any_zone(value: datetime, hours: int) -> None:
    """A zone is honoured, and a time without one is UTC."""
    assert fields.moment(value.isoformat()) == value
    assert fields.moment(value.replace(tzinfo=None).isoformat()) == value
    if value.year not in (1, 9999):
        assert fields.moment(value.astimezone(timezone(timedelta(hours=hours))).isoformat()) == value


@pytest.mark.parametrize("value", ["", "yesterday", "2026-13-01", 1_700_000_000, None, "9999-12-31T23:59:59-05:00"])
def test_what_is_no_time_is_refused(value: object) -> None:
    """Words PostgreSQL would take, numbers, and moments after its calendar and Python's."""
    with pytest.raises(ValueError, match="ISO 8601"):
        fields.moment(value)


@pytest.mark.parametrize("value", [{"a": ["\0"]}, {"\0": 1}, {"a": {"b": float("inf")}}])
def test_document_jsonb_cannot_hold_is_refused(value: object) -> None:
    """NUL anywhere, or a number beyond a double."""
    with pytest.raises(ValueError, match=r"NUL|too large"):
        fields.document(value)


@pytest.mark.parametrize("value", [[], "{}", 1, True, None])
def test_document_is_an_object(value: object) -> None:
    """A list or a text of JSON is no document."""
    with pytest.raises(ValueError, match="must be an object"):
        fields.document(value)


@given(st.one_of(not_texts, st.just("a\0")))
def test_what_is_no_email_is_nobodys(value: object) -> None:
    """It leads to an unknown user, as in legacy, not to an error."""
    assert auth.email(value) is None
    assert auth.email("a@b") == "a@b"


def test_health_time_is_truncated_to_milliseconds() -> None:
    """JavaScript's form of a time."""
    now = datetime(2026, 11, 20, 23, 24, 22, 999_999, UTC)
    assert health.report(now) == {"status": "ok", "timestamp": "2026-11-20T23:24:22.999Z"}


@given(st.lists(st.sampled_from([Kin.PARENT, Kin.CHILD]), max_size=6))
def test_trace_keeps_the_order_of_its_kin(relations: list[Kin]) -> None:
    """Parents and children stay in the order the database gives them."""
    kin: list[tuple[Kin, WireRow]] = [(relation, {"n": n}) for n, relation in enumerate(relations)]
    assert traceability.arrange(kin) is None
    trace = traceability.arrange([(Kin.CENTRAL, {"n": -1}), *kin])
    assert trace is not None
    assert list(trace) == ["central", "parents", "children"]
    assert trace["parents"] == [row for relation, row in kin if relation is Kin.PARENT]
    assert trace["children"] == [row for relation, row in kin if relation is Kin.CHILD]
