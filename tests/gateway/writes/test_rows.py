"""What differs in the rows alone is found and named, whatever leads to them; what differs by nature is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

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

TABLES = Path(__file__).with_name("shop.sql").read_text()
CAPTURED = ("orders", "items", "events", "history", "stock")
ORDER = "INSERT INTO orders (code, amount) VALUES ('A', 12.345)"
ITEMS = "INSERT INTO items SELECT id, line, 'S' || line, 1 FROM orders, generate_series(1, 2) line WHERE code = 'A'"
EVENT = "INSERT INTO events (what) VALUES ('order A')"
SOLD = "UPDATE stock SET left_over = left_over - 1, sold_at = now() WHERE sku = 'S1'"
GONE = "DELETE FROM stock WHERE sku = 'S2'"
UPSERT = "INSERT INTO stock VALUES ('S3', 5) ON CONFLICT (sku) DO "
WHOLE = (ORDER, ITEMS, EVENT, SOLD)


@pytest.fixture(scope="module")
def shop(database_url: str) -> Iterator[str]:
    """A database with tables of every form: drawn ids, references, audit, moments; each test leaves it as it was."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(TABLES.encode())
        for table in CAPTURED:
            connection.execute(f"SELECT strangler.capture('shop.{table}')".encode())
    yield database_url
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA shop CASCADE")


async def judged(shop: str, news: Sequence[str], legacys: Sequence[str], *, apart: bool = False) -> Verdict:
    """The verdict on a write of both sides that give the same answer; legacy's statements may commit one by one."""

    async def writes(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            await session._connection.execute(text("SET LOCAL search_path = shop"))
            for statement in news:
                await session._connection.execute(text(statement))
        return Response()

    async with running(with_handler(writes)) as side:
        told = (await rehearse(side, "/api/tried")).of("rehearsed")
        with psycopg.connect(shop, autocommit=apart, options="-c search_path=shop") as connection:
            for statement in legacys:
                connection.execute(statement.encode())
        seen = await told["look"](())
    with psycopg.connect(shop, options="-c search_path=shop") as connection:
        connection.execute("DELETE FROM items; DELETE FROM orders; DELETE FROM stock; DELETE FROM events")
        connection.execute("INSERT INTO stock SELECT 'S' || n, 10 FROM generate_series(1, 3) n")
    rows = told["rows"]
    written = Written(rows, seen[: len(rows)], unseen=told["unseen"], others=seen[len(rows) :])
    control, candidate = (Observation(side, 200, (), b"", 1.0) for side in (Side.LEGACY, Side.NEW))
    return compare_write(control, candidate, written, Rules(), today=date(2026, 11, 21))


def places(verdict: Verdict) -> list[tuple[str, str]]:
    return sorted((each.kind, each.where.replace("shop.", "")) for each in verdict.mismatches)


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
@pytest.mark.parametrize("both", [WHOLE, (GONE,), (f"{UPSERT}NOTHING",), (f"{UPSERT}UPDATE SET left_over = 5",)])
async def test_two_sides_that_write_the_same_match(shop: str, both: Sequence[str], apart: bool) -> None:
    """Ids, what refers to them, the copies of a row in an audit and moments of `now()` are each side's own."""
    verdict = await judged(shop, both, both, apart=apart)
    assert not verdict.mismatches, verdict


def without(left_out: str) -> tuple[str, ...]:
    return tuple(statement for statement in WHOLE if statement is not left_out)


@pytest.mark.parametrize(
    ("news", "found"),
    [
        (
            (ORDER.replace("12.345", "12.35"), ITEMS, EVENT, SOLD),
            ["value history/copy", "value orders/amount", "value orders/twice"],
        ),
        ((ORDER, ITEMS.replace("(1, 2)", "(1, 1)"), EVENT, SOLD), ["missing items"]),
        ((ORDER, ITEMS.replace("(1, 2)", "(1, 3)"), EVENT, SOLD), ["extra items"]),
        ((ORDER, ITEMS.replace("line, 1", "line, line"), EVENT, SOLD), ["value items/pieces"]),
        (without(EVENT), ["missing events"]),
        ((*WHOLE, EVENT), ["extra events"]),
        ((ORDER, ITEMS, EVENT.replace("order", "Order"), SOLD), ["value events/what"]),
        (without(SOLD), ["missing stock"]),
        ((ORDER, ITEMS, EVENT, SOLD.replace("now()", "now() + interval '2 hours'")), ["value stock/sold_at"]),
        ((ORDER, ITEMS, EVENT, SOLD.replace(", sold_at = now()", "")), ["type stock/sold_at"]),
        (
            (ORDER, ITEMS, EVENT, SOLD.replace("S1", "S2")),
            ["missing stock", "type stock/sold_at", "value stock/left_over"],
        ),
        ((*WHOLE, GONE), ["missing stock"]),
    ],
)
async def test_rows_that_differ_are_named_where_the_answers_agree(
    shop: str, news: Sequence[str], found: list[str]
) -> None:
    """By table and column, and nothing beside them."""
    verdict = await judged(shop, news, WHOLE)
    assert [f"{kind} {where.removeprefix('rows/')}" for kind, where in places(verdict)] == found


@pytest.mark.parametrize(
    ("news", "legacys", "found"),
    [
        ([SOLD], [SOLD, GONE], ("extra", "rows/stock")),
        ([f"{UPSERT}NOTHING"], [f"{UPSERT}UPDATE SET left_over = 5"], ("missing", "rows/stock")),
    ],
    ids=["a row that only legacy deletes", "an upsert that does nothing"],
)
async def test_what_only_legacy_changes_is_found(
    shop: str, news: Sequence[str], legacys: Sequence[str], found: tuple[str, str]
) -> None:
    """By the transaction that changed a row of both, or by the row that stood in the way."""
    assert places(await judged(shop, news, legacys)) == [found]


@pytest.mark.parametrize(
    ("news", "found"),
    [
        ([EVENT.replace("order", "Order")], ("value", "rows/events/what")),
        ([EVENT, "INSERT INTO events (what, why) VALUES ('x', 'y')"], ("extra", "rows/events")),
    ],
)
async def test_a_row_to_which_nothing_leads_is_looked_for_among_those_that_came(
    shop: str, news: Sequence[str], found: tuple[str, str]
) -> None:
    """Also where legacy commits each statement by itself: somebody else's rows are none of the new side's."""
    other = "INSERT INTO events (what, why) VALUES ('another caller', 'some reason')"
    assert places(await judged(shop, news, [other, EVENT], apart=True)) == [found]


async def test_a_new_row_that_somebody_changes_at_once_is_not_comparable(shop: str) -> None:
    """What refers to it is older: it was not made so. Where legacy did both in one transaction it was."""
    changed = "UPDATE orders SET amount = 99"
    assert (await judged(shop, WHOLE, (*WHOLE, changed), apart=True)).outcome is Outcome.NOT_COMPARABLE
    assert (await judged(shop, WHOLE, (*WHOLE, changed))).outcome is Outcome.MISMATCHED
