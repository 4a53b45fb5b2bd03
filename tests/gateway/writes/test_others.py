"""Rows that legacy's transaction writes and the new side does not are mismatches; what others write is none."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select
from starlette.requests import Request
from starlette.responses import Response

from gateway.diff.verdict import Kind, Outcome
from gateway.routing.route import Effect
from services.kit.auth import ANONYMOUS
from services.kit.body import fields_of
from services.kit.guard import permitted
from services.kit.reply import answer
from services.kit.unit import writing
from services.lots.tables import LOT, lots
from tests.gateway.proxy.harness import Served, route
from tests.legacy.stack import Legacy
from tests.services.rehearsals import Handler, with_handler

from .both import both, send

CREATE = route("lots.create", "POST /api/lots", effect=Effect.WRITE, rehearsed=True)
# legacy's sessions know no strangler.run: what stands behind this condition only legacy does
ONLY_LEGACYS = """
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, what text);
SELECT strangler.capture('public.audit');
CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO audit (what) VALUES ('made ' || new.lot_code); RETURN NULL; END $$;
CREATE TRIGGER audited AFTER INSERT ON lots FOR EACH ROW
  WHEN (%s coalesce(current_setting('strangler.run', true), '') = '') EXECUTE FUNCTION audited();
"""


@pytest.fixture
def audited(database: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A database in which legacy's writes leave an audit row each, and rehearsals none."""
    database.execute(ONLY_LEGACYS % "")
    yield database
    database.execute("DROP TRIGGER audited ON lots; DROP FUNCTION audited(); DROP TABLE audit")


@pytest.fixture
def audited_alike(database: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """One in which both do."""
    database.execute(ONLY_LEGACYS % "true OR")
    yield database
    database.execute("DROP TRIGGER audited ON lots; DROP FUNCTION audited(); DROP TABLE audit")


async def created(served: Served) -> str:
    """A lot that somebody makes; its code."""
    code = uuid.uuid4().hex
    assert (await send(served, "POST", "/api/lots", {"lot_code": code, "weight_kg": 12})).status == 201
    return code


def instead(handler: Handler) -> FastAPI:
    """The new side with another handler for POST /api/lots."""
    app = with_handler(handler, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    return app


async def test_a_row_that_legacy_alone_writes_is_a_mismatch(legacy: Legacy, audited: psycopg.Connection) -> None:
    """It stands beside the row that both have written: the transaction that made both is legacy's."""
    async with both(legacy.base_url) as served:
        code = await created(served)
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    (mismatch,) = finding.verdict.mismatches
    assert (mismatch.kind, mismatch.where, mismatch.candidate) == (Kind.MISSING, "rows/audit", None)
    assert f"made {code}" in (mismatch.control or "")


async def test_rows_that_both_write_and_nothing_leads_to_are_no_mismatch(
    legacy: Legacy, audited_alike: psycopg.Connection
) -> None:
    """An audit row has a number that the database draws: the new side's takes legacy's place."""
    async with both(legacy.base_url) as served:
        await created(served)
        (finding,) = await served.found(1)
    assert finding.verdict.outcome in (Outcome.MATCHED, Outcome.ALLOWED), finding.verdict


async def test_a_handler_that_stores_nothing_is_found_by_the_id_of_legacys_answer(legacy: Legacy) -> None:
    """It answers as legacy does, with an id of its own making."""

    async def pretends(request: Request) -> Response:
        fields = await fields_of(request)
        async with writing(request, ANONYMOUS) as session:
            row = await session.first(select(*LOT.columns).limit(1))
            assert row is not None
            made = {**LOT.row(row), **fields, "id": str(uuid.uuid4())}
        return answer(request, 201, made)

    async with both(legacy.base_url, app=instead(pretends), routes=[CREATE]) as served:
        code = await created(served)
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    (missing,) = [each for each in finding.verdict.mismatches if each.where.startswith("rows/")]
    assert (missing.kind, missing.where) == (Kind.MISSING, "rows/lots")
    assert code in (missing.control or "")


async def test_what_another_caller_writes_between_the_halves_is_nobodys_mismatch(
    legacy: Legacy, database: psycopg.Connection
) -> None:
    """Its rows are of another transaction."""

    async def busy(request: Request) -> Response:
        fields = await fields_of(request)
        async with writing(request, ANONYMOUS) as session:
            row = LOT.row(await session.add(insert(lots).returning(*LOT.columns), fields))
        with permitted():  # somebody else's
            database.execute("INSERT INTO lots (lot_code) VALUES (%s)", [uuid.uuid4().hex])
        return answer(request, 201, row)

    async with both(legacy.base_url, app=instead(busy)) as served:
        await created(served)
        (finding,) = await served.found(1)
    assert finding.verdict.outcome in (Outcome.MATCHED, Outcome.ALLOWED), finding.verdict
