"""Row level security, as a legacy on Supabase has it: what a look is not shown is not comparable, and no mismatch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response

from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, Side
from gateway.shadow.rows import Written
from gateway.shadow.writeset import compare_write
from services.kit.auth import ANONYMOUS
from services.kit.unit import writing
from tests.services.asgi import running
from tests.services.rehearsals import rehearse, with_handler

SECURED = """
CREATE ROLE caller NOLOGIN;
CREATE ROLE pooler LOGIN NOINHERIT;
GRANT caller TO pooler;
CREATE SCHEMA secured;
GRANT USAGE ON SCHEMA secured TO caller, pooler;
CREATE TABLE secured.notes (code text PRIMARY KEY, owner text, body text);
CREATE TABLE secured.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA secured TO caller;
ALTER TABLE secured.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secured.notes USING (owner = current_setting('request.jwt.claims', true)::json->>'sub');
SELECT strangler.capture('secured.notes'), strangler.capture('secured.log');
"""
CLAIMS = """SELECT set_config('role', 'caller', true), set_config('request.jwt.claims', '{"sub": "ann"}', true)"""
NOTE = "INSERT INTO secured.notes VALUES ('n', 'ann', 'hello')"
LOG = "INSERT INTO secured.log (what) VALUES ('made n')"


@pytest.fixture
def secured(database: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A table of which each caller sees their own rows, and one without policies."""
    database.execute(SECURED.encode())
    yield database
    database.execute("DROP SCHEMA secured CASCADE")
    database.execute("DROP ROLE pooler; DROP ROLE caller")


async def judged(secured: psycopg.Connection, *legacys: str) -> Verdict:
    """The verdict on a note that a caller makes by their own role, where legacy has executed these."""

    async def writes(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            for statement in (CLAIMS.replace(":", r"\:"), NOTE, LOG):
                await session._connection.execute(text(statement))
        return Response()

    async with running(with_handler(writes)) as side:
        told = (await rehearse(side, "/api/tried")).of("rehearsed")
        for statement in legacys:
            secured.execute(statement.encode())
        seen = await told["look"](())
    rows = told["rows"]
    assert [row["op"] for row in rows] == ["insert", "insert"]
    written = Written(rows, seen[: len(rows)], unseen=told["unseen"], others=seen[len(rows) :])
    control, candidate = (Observation(side, 200, (), b"", 1.0) for side in (Side.LEGACY, Side.NEW))
    return compare_write(control, candidate, written, Rules(), today=date(2026, 11, 21))


@pytest.fixture(params=["postgres", "pooler"])
def connected_as(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch, database_url: str) -> str:
    """Who the new side connects as: one whom no policy holds back, or one who may do nothing without a role."""
    role = str(request.param)
    environment.setenv("SERVICES_DATABASE_URL", database_url.replace("//postgres:@", f"//{role}:@"))
    return role


@pytest.mark.parametrize(
    ("legacys", "outcome"),
    [
        (NOTE, Outcome.MATCHED),
        (NOTE.replace("hello", "Hello"), Outcome.MISMATCHED),
    ],
)
async def test_a_row_that_its_caller_sees_is_compared(
    secured: psycopg.Connection, connected_as: str, legacys: str, outcome: Outcome
) -> None:
    """With the caller's role and claims where the connection's own do not show it."""
    verdict = await judged(secured, legacys, LOG)
    assert verdict.outcome is outcome, verdict


async def test_a_row_that_its_caller_does_not_see_is_not_comparable(
    secured: psycopg.Connection, connected_as: str
) -> None:
    """Legacy has stored it for somebody else: only who sees it may say so."""
    verdict = await judged(secured, NOTE.replace("ann", "bob"), LOG)
    if connected_as == "postgres":
        assert [each.where for each in verdict.mismatches] == ["rows/secured.notes/owner"]
    else:
        assert verdict.outcome is Outcome.NOT_COMPARABLE
        assert "secured.notes" in verdict.reason


async def test_a_look_without_any_right_is_not_comparable(secured: psycopg.Connection, connected_as: str) -> None:
    """The right to read is taken between the two halves: an error of the look's is no mismatch, and no bug."""
    verdict = await judged(secured, "REVOKE SELECT ON secured.notes FROM caller", NOTE.replace("hello", "Hello"), LOG)
    assert verdict.outcome is (Outcome.MISMATCHED if connected_as == "postgres" else Outcome.NOT_COMPARABLE), verdict
