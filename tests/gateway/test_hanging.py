"""A new side that hangs: clients who wait for it count before their time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.gateway.backends import backend_of
from tests.gateway.running import CLIENT, eventually, start_gateway
from tests.gateway.test_way_back import ROUTE, WATCHED, Lots, Stage

PATIENCE_S = 8.0  # of the route: what waits for this was not noticed
CALLERS = 24


@dataclass(slots=True)
class Hanging(Lots):
    """Says nothing while `hangs`, and what it says after `takes_s`."""

    hangs: bool = False
    takes_s: float = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"chunked" in head:
                    await reader.readuntil(b"0\r\n\r\n")
                while self.hangs:  # noqa: ASYNC110 - a test in another thread says when it is over
                    await asyncio.sleep(0.05)
                await asyncio.sleep(self.takes_s)
                await self._answer(head.split(b" ", 2)[1], writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Hanging, Hanging, Path]]:
    """Legacy, new, and contracts of a route that may be read and one that writes."""
    for key, route in (("lots.get", ROUTE), ("lots.create", "route: POST /lots/{id}\neffect: write\n")):
        (tmp_path / "contracts" / key).mkdir(parents=True)
        more = f"stickiness: header:x-caller\ntimeout_s: {PATIENCE_S}\n"
        text = route.replace("stickiness: header:x-caller\n", "").replace("gate: {slack_ms: 5000}\n", "")
        (tmp_path / "contracts" / key / "route.yaml").write_text(text + more)
    with backend_of(Hanging, "legacy") as legacy, backend_of(Hanging, "new") as new:
        yield legacy, new, tmp_path / "contracts"


@pytest.mark.parametrize(
    "options", [("--front", "edge"), ("--front", "asgi"), ("--workers", "2")], ids=["edge", "asgi", "workers"]
)
def test_a_side_that_hangs_is_left_while_its_clients_wait(
    sides: tuple[Hanging, Hanging, Path], tmp_path: Path, options: tuple[str, str]
) -> None:
    """The route goes back long before anybody's time is up; who waits still is told, and counted as they end."""
    legacy, new, contracts = sides
    where = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts))
    gateway = start_gateway(*where, *options, state=tmp_path / "state", environment=WATCHED)
    try:
        stage = Stage(legacy, new, contracts, gateway)
        assert stage.ask(250) == [200] * 250  # legacy is known
        gateway.flip("lots.get", "new", sample=0)
        assert eventually(lambda: gateway.get("/lots/1").headers["x-strangler-side"] == "new")
        new.hangs = True
        with ThreadPoolExecutor(CALLERS) as callers:
            waiting = [callers.submit(gateway.get, f"/lots/{n}") for n in range(CALLERS)]
            assert eventually(lambda: gateway.stage("lots.get") == "legacy", within=PATIENCE_S - 2)
            rollback = stage.rollbacks()[0]
            assert (rollback["what"], rollback["failed"]) == ("latency", 0)
            assert rollback["slow"] > 0
            assert "of them still wait" in rollback["why"]
            assert not any(one.done() for one in waiting), "nobody's time was up"
            assert gateway.get("/lots/1").headers["x-strangler-side"] == "legacy"
            assert {one.result().status_code for one in waiting} == {504}
        assert eventually(lambda: stage.rollbacks()[0]["affected"] == CALLERS), str(stage.rollbacks()[0])
        assert stage.rollbacks()[0]["answered"] <= CALLERS + 10, "nobody was counted twice"
    finally:
        new.hangs = False
        gateway.stop()


@pytest.mark.parametrize("own", [30, 0], ids=["thirty times of legacy", "what evidence has"])
def test_a_slow_side_is_left_within_seconds_though_little_is_known_of_legacy(
    sides: tuple[Hanging, Hanging, Path], database: str, tmp_path: Path, own: int
) -> None:
    """Half a second beside a few milliseconds; nothing fails, and every late answer is counted as affected."""
    legacy, new, contracts = sides
    options = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts), "--database-url", database)
    gateway = start_gateway(*options, state=tmp_path / "state", environment=WATCHED)
    try:
        stage = Stage(legacy, new, contracts, gateway)
        gateway.flip("lots.get", "shadow", sample=0 if own else 10_000)
        assert stage.ask(30) == [200] * 30
        if not own:
            assert eventually(lambda: stage.compared() == 30)
            gateway.stop()
            again, token = tmp_path / "again", gateway.token
            gateway = stage.gateway = start_gateway(*options, state=again, token=token, environment=WATCHED)
        new.takes_s = 0.5
        assert gateway.flip("lots.get", "canary", canary=10_000, sample=0).status_code == 200
        begun, answers = monotonic(), list[int]()
        while gateway.stage("lots.get") == "canary" and monotonic() - begun < PATIENCE_S:
            answers += stage.ask(8)
        assert gateway.stage("lots.get") == "legacy"
        assert set(answers) == {200}
        rollback = stage.rollbacks()[0]
        assert (rollback["what"], rollback["failed"], rollback["mismatched"]) == ("latency", 0, 0)
        assert eventually(lambda: stage.rollbacks()[0]["affected"] == stage.rollbacks()[0]["slow"] > 0)
        newest = gateway.api("GET", "/api/routes/lots.get/history").json()["changes"][0]
        assert "; 0 of" not in newest["reason"]
    finally:
        gateway.stop()


def test_uploads_that_take_their_time_are_no_hanging_side(sides: tuple[Hanging, Hanging, Path], tmp_path: Path) -> None:
    """A body that comes slowly is the client's doing; one that is whole and gets no answer is the side's."""
    legacy, new, contracts = sides
    where = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts))
    gateway = start_gateway(*where, state=tmp_path / "state", environment=WATCHED)

    def slowly() -> Iterator[bytes]:
        yield b"{"
        assert eventually(lambda: over, within=60)
        yield b"}"

    def post(body: Iterator[bytes]) -> httpx.Response:
        return CLIENT.post(f"{gateway.data}/lots/1", content=body, timeout=2 * PATIENCE_S)

    over = False
    try:
        with ThreadPoolExecutor(CALLERS) as callers:
            assert {each.status_code for each in callers.map(post, [iter([b"{}"]) for _ in range(50)])} == {200}
            gateway.flip("lots.create", "new")
            waiting = [callers.submit(post, slowly()) for _ in range(CALLERS)]
            assert not eventually(lambda: gateway.stage("lots.create") == "legacy", within=3)
            new.hangs = over = True
            assert eventually(lambda: gateway.stage("lots.create") == "legacy", within=PATIENCE_S - 2)
            new.hangs = False
            assert {one.result().status_code for one in waiting} == {200}
    finally:
        over, new.hangs = True, False
        gateway.stop()
