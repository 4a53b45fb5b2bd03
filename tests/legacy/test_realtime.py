"""Supabase Realtime on the wire: the Phoenix protocol in both forms, and who hears of which lot."""

import asyncio
import json
import uuid
from typing import Any

import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from .phoenix import LOTS, TOPIC, phoenix
from .stack import Legacy, anon_key, person_claims, signed


async def insert_lot(legacy: Legacy, lot_code: str, **values: Any) -> None:
    """Inserts a lot as another process would."""
    connection = await psycopg.AsyncConnection.connect(legacy.database_url)
    async with connection:
        await connection.execute(
            "INSERT INTO lots (lot_code, lot_type, weight_kg, metadata, created_at)"
            " VALUES (%s, %s, 540.0, '{\"ticket\": 9007199254740993}', '2026-11-20T23:24:22.146123Z')",
            (lot_code, values.get("lot_type", "MIX")),
        )


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_inserted_lot_is_delivered(legacy: Legacy, version: str) -> None:
    """A lot inserted by anybody arrives with the ids the join was given."""
    lot_code = str(uuid.uuid4())
    async with phoenix(legacy, version) as client:
        reply = await client.join(LOTS)
        assert reply["status"] == "ok"
        [subscription] = reply["response"]["postgres_changes"]
        assert {**LOTS, "id": subscription["id"]} == subscription
        assert await client.next_event("presence_state") == {}
        assert await client.next_event("system") == {
            "message": "Subscribed to PostgreSQL",
            "status": "ok",
            "extension": "postgres_changes",
            "channel": "lots-feed",
        }
        await insert_lot(legacy, lot_code)
        change = await client.next_event("postgres_changes")
        assert change["ids"] == [subscription["id"]]
        data = change["data"]
        assert (data["type"], data["schema"], data["table"], data["errors"]) == (
            "INSERT",
            "public",
            "lots",
            None,
        )
        assert data["commit_timestamp"].endswith("Z")
        assert data["columns"][:2] == [
            {"name": "id", "type": "uuid"},
            {"name": "lot_code", "type": "text"},
        ]
        assert data["record"]["lot_code"] == lot_code
        assert data["record"]["weight_kg"] == 540.0
        assert data["record"]["created_at"] == "2026-11-20T23:24:22.146123+00:00"


async def test_numbers_above_two_to_the_53_are_delivered_exactly(legacy: Legacy) -> None:
    """The row's JSON is PostgreSQL's own; Node does not read and write it again."""
    async with phoenix(legacy) as client:
        await client.join(LOTS)
        await client.next_event("system")
        await insert_lot(legacy, str(uuid.uuid4()))
        change = await client.next_event("postgres_changes")
        assert change["data"]["record"]["metadata"] == {"ticket": 9007199254740993}


async def test_filter_keeps_other_lots_away(legacy: Legacy) -> None:
    """A subscription with a filter hears of matching rows only."""
    async with phoenix(legacy) as client:
        await client.join({**LOTS, "filter": "lot_type=eq.RAW"})
        await client.next_event("system")
        await insert_lot(legacy, str(uuid.uuid4()), lot_type="MIX")
        wanted = str(uuid.uuid4())
        await insert_lot(legacy, wanted, lot_type="RAW")
        change = await client.next_event("postgres_changes")
        assert change["data"]["record"]["lot_code"] == wanted


@pytest.mark.parametrize(
    "wish",
    [{**LOTS, "event": "*"}, {"event": "INSERT", "schema": "public"}, {**LOTS, "table": "*"}],
)
async def test_broader_wishes_hear_of_lots_too(legacy: Legacy, wish: dict[str, str]) -> None:
    """Every event, and every table of the schema, include an inserted lot."""
    async with phoenix(legacy) as client:
        await client.join(wish)
        await client.next_event("system")
        await insert_lot(legacy, str(uuid.uuid4()))
        assert (await client.next_event("postgres_changes"))["data"]["table"] == "lots"


@pytest.mark.parametrize("wish", [{**LOTS, "event": "UPDATE"}, {**LOTS, "table": "users"}])
async def test_other_wishes_do_not(legacy: Legacy, wish: dict[str, str]) -> None:
    """An update or another table is not an inserted lot."""
    async with phoenix(legacy) as client, phoenix(legacy) as witness:
        for one, wanted in ((client, wish), (witness, LOTS)):
            await one.join(wanted)
            await one.next_event("system")
        await insert_lot(legacy, str(uuid.uuid4()))
        await witness.next_event("postgres_changes")
        assert await client.is_silent()


async def test_rolled_back_insert_is_never_announced(legacy: Legacy) -> None:
    """A shadow write that is undone stays unseen by browsers."""
    kept = str(uuid.uuid4())
    async with phoenix(legacy) as client:
        await client.join(LOTS)
        await client.next_event("system")
        connection = await psycopg.AsyncConnection.connect(legacy.database_url)
        async with connection:
            await connection.execute("INSERT INTO lots (lot_code) VALUES ('UNDONE')")
            await connection.rollback()
        await insert_lot(legacy, kept)
        change = await client.next_event("postgres_changes")
        assert change["data"]["record"]["lot_code"] == kept


async def test_left_topic_is_silent(legacy: Legacy) -> None:
    """Leaving is answered, the channel closes, and nothing more is delivered."""
    async with phoenix(legacy) as client, phoenix(legacy) as witness:
        for one in (client, witness):
            await one.join(LOTS)
            await one.next_event("system")
        await client.send("2", TOPIC, "phx_leave", {})
        assert await client.receive() == ("1", "2", TOPIC, "phx_reply", {"status": "ok", "response": {}})
        assert await client.receive() == ("1", "1", TOPIC, "phx_close", {})
        await insert_lot(legacy, str(uuid.uuid4()))
        await witness.next_event("postgres_changes")
        assert await client.is_silent()


async def test_joining_twice_closes_the_first(legacy: Legacy) -> None:
    """A topic is joined once per socket, as in Phoenix."""
    async with phoenix(legacy) as client:
        await client.join(LOTS)
        await client.next_event("system")
        await client.send("9", TOPIC, "phx_join", {"config": {}})
        assert (await client.receive())[3] == "phx_close"
        assert (await client.receive())[1:4:2] == ("9", "phx_reply")


async def test_heartbeat_is_answered(legacy: Legacy) -> None:
    """supabase-js gives up a socket whose heartbeat is not answered."""
    async with phoenix(legacy) as client:
        await client.send("7", "phoenix", "heartbeat", {})
        assert await client.receive() == (
            "1",
            "7",
            "phoenix",
            "phx_reply",
            {"status": "ok", "response": {}},
        )


async def test_good_access_token_changes_nothing_and_a_bad_one_closes(legacy: Legacy) -> None:
    """A renewed token is checked when it comes."""
    async with phoenix(legacy) as client:
        await client.join(LOTS, access_token=signed(person_claims()))
        await client.next_event("system")
        await client.send("2", TOPIC, "access_token", {"access_token": signed(person_claims())})
        assert await client.is_silent()
        await client.send("3", TOPIC, "access_token", {"access_token": "bad"})
        assert (await client.next_event("system"))["status"] == "error"
        assert await client.next_event("phx_close") == {}


@pytest.mark.parametrize(
    ("wish", "extra", "reason"),
    [
        (LOTS, {"access_token": "bad"}, "InvalidJWTToken: jwt malformed"),
        ({**LOTS, "filter": "weight_kg=gt.1"}, {}, "unsupported filter: weight_kg=gt.1"),
        ({}, {}, "a postgres_changes entry needs an event"),
    ],
)
async def test_bad_join_is_refused(legacy: Legacy, wish: dict[str, str], extra: dict[str, str], reason: str) -> None:
    """A wish that cannot be honoured is refused, never ignored."""
    async with phoenix(legacy) as client:
        assert await client.join(wish, **extra) == {"status": "error", "response": {"reason": reason}}


async def test_unknown_topic_is_refused(legacy: Legacy) -> None:
    """Only joined topics take messages."""
    async with phoenix(legacy) as client:
        await client.send("4", "realtime:other", "access_token", {})
        assert (await client.receive())[4] == {"status": "error", "response": {"reason": "unmatched topic"}}


@pytest.mark.parametrize("frame", ["{", "null", "[1]", '{"topic": "a"}'])
async def test_unreadable_message_closes_the_socket(legacy: Legacy, frame: str) -> None:
    """What is no Phoenix message ends this socket and no other."""
    async with phoenix(legacy) as client, phoenix(legacy) as other:
        await client.socket.send(frame)
        with pytest.raises(ConnectionClosed) as closed:
            await client.socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
        assert await other.is_silent()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/realtime/v1/websocket", 401),
        ("/realtime/v1/websocket?apikey=bad", 401),
        (f"/realtime/v1/websocket?apikey={anon_key()}&vsn=3.0.0", 400),
        (f"/realtime/v1/other?apikey={anon_key()}", 404),
    ],
)
async def test_refused_upgrade_is_a_plain_answer(legacy: Legacy, target: str, status: int) -> None:
    """A socket that may not open is an HTTP answer with a JSON body."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(legacy.base_url.replace("http", "ws") + target):
            pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["message"]


async def test_nonsense_target_of_an_upgrade_does_not_end_the_process(legacy: Legacy) -> None:
    """A target that is no URL is a 400, and the app lives on."""
    reader, writer = await asyncio.open_connection(*legacy.address)
    writer.write(b"GET //[ HTTP/1.1\r\nHost: legacy\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    writer.close()
    await writer.wait_closed()
    async with phoenix(legacy) as client:
        assert await client.is_silent()
