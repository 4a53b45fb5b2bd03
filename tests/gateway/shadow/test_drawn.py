"""Answers to a write that show what the database drew for their own rows."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, Side
from gateway.shadow.rows import Written
from gateway.shadow.writeset import compare_write

ID, OTHER = "0779cf4d-5f52-458a-817d-91219fd29bbb", "fa71ab91-b514-4cac-ae36-a4012e87dde2"
MINE = {"id": ID, "seq": 7, "created_at": "2026-11-21T08:00:00.123456+00:00", "qty": 5}
LEGACYS = {"id": OTHER, "seq": 6, "created_at": "2026-11-21T08:00:00.987654+00:00", "qty": 5}
ROW = {"table": "public.lots", "op": "insert", "old": None, "new": MINE, "generated": ("id", "seq", "created_at")}


def judged(control: Any, candidate: Any, *, location: tuple[str, str] | None = None, row: Any = ROW) -> Verdict:
    """Two answers to a write that left these rows."""
    answers = []
    for side, body, place in zip(Side, (control, candidate), location or ("", ""), strict=True):
        fields = [(b"content-type", b"application/json")] + ([(b"location", place.encode())] if place else [])
        answers.append(Observation(side, 201, tuple(fields), json.dumps(body).encode(), 1.0))
    written = Written([row], [{"changes": 1, "row": LEGACYS, "known": True}])
    return compare_write(answers[0], answers[1], written, Rules(), today=date(2026, 11, 21))


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        ({"id": OTHER}, {"id": ID}),
        ({"lot": {"seq": 6}}, {"lot": {"seq": 7}}),
        ({"lotSeq": "6"}, {"lotSeq": "7"}),
        ({"at": "2026-11-21T08:00:00.987Z"}, {"at": "2026-11-21T08:00:00.123Z"}),
        ({"self": f"/lots/{OTHER}/6"}, {"self": f"/lots/{ID}/7"}),
    ],
    ids=["id", "number", "number in a text", "moment", "link"],
)
def test_what_each_sides_row_drew_differs_by_nature(control: Any, candidate: Any) -> None:
    """An answer that shows its row's own id is right, without a rule."""
    assert judged(control, candidate).outcome is Outcome.MATCHED


def test_a_location_with_the_rows_own_id_is_the_same_place() -> None:
    """201 says where the new thing is; the rest of the path still counts."""
    assert judged({}, {}, location=(f"/lots/{OTHER}", f"/lots/{ID}")).outcome is Outcome.MATCHED
    assert judged({}, {}, location=(f"/lots/{OTHER}", f"/lot/{ID}")).outcome is Outcome.MISMATCHED


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        ({"id": OTHER}, {"id": "3fae92d5-1d56-4df8-9f3d-0e6c6e4b41cb"}),
        ({"id": OTHER}, {"id": ID.upper()}),
        ({"id": OTHER}, {"id": None}),
        ({"qty": 6}, {"qty": 7}),
        ({"seq": 6}, {"seq": 8}),
        ({"seq": 6}, {"seq": "7"}),
        ({"at": "2026-11-21T08:00:00.987Z"}, {"at": "2026-11-21T08:00:00.123+00:00"}),
        ({"at": "2026-11-21T08:00:00.987Z"}, {"at": "2026-11-21T09:00:00.123Z"}),
    ],
    ids=["another id", "spelling", "null", "another field", "another number", "type", "zone", "hour"],
)
def test_anything_else_is_a_mismatch(control: Any, candidate: Any) -> None:
    """What the row does not have, or spelt in another way, a client would notice."""
    assert judged(control, candidate).outcome is Outcome.MISMATCHED


def test_what_a_handler_gave_is_not_drawn() -> None:
    """Only columns that the database fills in by itself excuse anything."""
    assert judged({"id": OTHER}, {"id": ID}, row={**ROW, "generated": ()}).outcome is Outcome.MISMATCHED
