"""The whole gateway, as people run it: real processes, real legacy, real database, hurt in the ways that happen."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.db.embedded import ensure_database
from tests.gateway.db.fixtures import Mortal
from tests.gateway.domains import domain_named
from tests.gateway.proxy.harness import Reply
from tests.gateway.running import CLIENT, Running, eventually, start_gateway
from tests.legacy.stack import NODE, REPOSITORY, Legacy, anon_key, start_legacy, stop_legacy
from tests.ports import free_ports

LOT = "/api/traceability/MIX-BATCH-88"


@pytest.fixture(scope="module")
def domain(postgres: str) -> str:
    """The URL of a database with legacy's tables, the seeds and the gateway's tables."""
    return domain_named("app_test", postgres)


@pytest.fixture(scope="module")
def legacy(domain: str) -> Iterator[Legacy]:
    """The real Express app."""
    process, url = start_legacy(domain)
    yield Legacy(url, domain, process)
    stop_legacy(process)


@pytest.fixture(scope="module")
def gateway(legacy: Legacy, domain: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway in front of legacy, with the new side in its process."""
    options = ("--legacy", legacy.base_url, "--new", "services.app:build", "--contracts", "contracts")
    running = start_gateway(
        *options,
        "--database-url",
        domain,
        state=tmp_path_factory.mktemp("state"),
        environment={"SERVICES_DATABASE_URL": domain},
    )
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize(
    "target",
    [
        "/api/lots",
        LOT,
        "/api/traceability/nope",
        "/api/runs",
        "/api/runs/ce461d43-126d-4ef4-96d2-e2d396eff7d2",
        "/api/runs/otto",
        "/api/nope",
        "/",
    ],
)
def test_what_legacy_says_is_what_the_client_gets(gateway: Running, legacy: Legacy, target: str) -> None:
    """Status, body and headers are legacy's, apart from the ones the design names."""
    direct = CLIENT.get(legacy.base_url + target)
    through = gateway.get(target)
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    own = {"date", "connection", "keep-alive", "x-request-id", "x-strangler-side"}
    assert [pair for pair in through.headers.multi_items() if pair[0] not in own] == [
        pair for pair in direct.headers.multi_items() if pair[0] not in own
    ]
    assert through.headers["x-strangler-side"] == "legacy"


def test_the_real_supabase_client_works_through_the_gateway(gateway: Running) -> None:
    """supabase-js signs in, reads, inserts and hears of its insert, with only its URL changed."""
    script = REPOSITORY / "tests" / "frontend" / "supabase_client.mjs"
    done = subprocess.run([NODE, script, gateway.data, anon_key()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["change"]["new"]["lot_code"] == seen["inserted"]["lot_code"]
    assert seen["user"]["email"].endswith("@flowviz.com")


async def _one_after_another(url: str, over: asyncio.Event, seen: Callable[[int], Callable[[Reply], None]]) -> int:
    """Ask over one kept connection until told to stop; `seen` is told when a question begins and what came back."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    count = 0
    try:
        while not over.is_set():
            answered = seen(count)
            writer.write(f"GET {LOT} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = Reply(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(int(head.values(b"content-length")[0]))
            answered(head)
            count += 1
            await asyncio.sleep(0.05)  # leave some of the machine to the flips
    finally:
        writer.close()
    return count


async def test_two_hundred_flips_under_load_fail_nobody(gateway: Running) -> None:
    """32 connections read while the route is flipped 200 times: each answer is from a side the flag named meanwhile."""
    named: list[bytes] = [b"legacy"]
    in_force = 0  # the place in `named` of the last flip that was answered; later ones are on their way
    over = asyncio.Event()
    wrong: list[str] = []

    def seen(_: int) -> Callable[[Reply], None]:
        begun = in_force

        def answered(reply: Reply) -> None:
            if reply.status != 200 or reply.values(b"x-strangler-side")[0] not in named[begun:]:
                wrong.append(f"{reply.head!r} not of {named[begun:]}")

        return answered

    readers = [asyncio.create_task(_one_after_another(gateway.data, over, seen)) for _ in range(32)]
    version = gateway.api("GET", "/api/routes/traceability.get").json()["flag"]["version"]
    for number in range(200):
        stage = ("new", "legacy")[number % 2]
        named.append(stage.encode())
        change = {"stage": stage, "sample": 0, "force": True, "reason": "under load"}
        match = {"if-match": f'"{version}"'}
        flipped = await asyncio.to_thread(
            gateway.api, "PUT", "/api/routes/traceability.get/flag", json=change, headers=match
        )
        assert flipped.status_code == 200, flipped.text
        version = flipped.json()["flag"]["version"]
        in_force += 1
    over.set()
    counts = await asyncio.gather(*readers)
    assert wrong == []
    assert sum(counts) > 200
    assert gateway.stage("traceability.get") == "legacy"


def test_a_flip_reaches_another_gateway(gateway: Running, legacy: Legacy, domain: str, tmp_path: Path) -> None:
    """Two gateways on one database: what is flipped at one is in force at the other well under a second later."""
    options = ("--legacy", legacy.base_url, "--new", "services.app:build", "--contracts", "contracts")
    other = start_gateway(
        *options,
        "--database-url",
        domain,
        state=tmp_path,
        token=gateway.token,
        environment={"SERVICES_DATABASE_URL": domain},
    )
    try:
        assert gateway.flip("runs.list", "shadow", reason="both see it").status_code == 200
        assert eventually(lambda: other.stage("runs.list") == "shadow", within=4.0)
        assert other.api("POST", "/api/routes/runs.list/rollback").status_code == 200
        assert eventually(lambda: gateway.stage("runs.list") == "legacy", within=4.0)
    finally:
        assert other.stop() == 0


def test_a_difference_is_found_shown_and_allowed(legacy: Legacy, domain: str, gateway: Running, tmp_path: Path) -> None:
    """The walk of the README: shadow, a mismatch, a rule added while running, the same answer allowed."""
    contracts = tmp_path / "contracts"
    subprocess.run(["cp", "-r", REPOSITORY / "contracts", contracts], check=True)
    options = ("--legacy", legacy.base_url, "--new", "services.app:build", "--contracts", str(contracts))
    own = start_gateway(
        *options,
        "--database-url",
        domain,
        state=tmp_path / "state",
        token=gateway.token,
        environment={"SERVICES_DATABASE_URL": domain},
    )

    def outcomes() -> dict[str, int]:
        answer: dict[str, int] = own.api("GET", "/api/routes/traceability.get/mismatches").json()["verdicts"]
        return answer

    def found() -> list[dict[str, object]]:
        answer: list[dict[str, object]] = own.api("GET", "/api/routes/traceability.get/mismatches").json()["findings"]
        return answer

    try:
        assert own.flip("traceability.get", "shadow", sample=10_000).status_code == 200
        assert own.get("/api/traceability/FRZ-STORE-007").headers["x-strangler-side"] == "legacy"
        assert eventually(found)
        assert "9007199254740993" in json.dumps(found()[0])
        rules = contracts / "traceability.get" / "differences.yaml"
        rules.write_text(
            "allow:\n  - where: body/central/metadata/scale_ticket\n    as: float64\n"
            "    because: Node rounds above 2^53\n    owner: lots\n    until: 2027-06-30\n"
        )
        assert eventually(lambda: "contracts_reloaded" in (tmp_path / "state" / "gateway.log").read_text())
        own.get("/api/traceability/FRZ-STORE-007")
        assert eventually(lambda: outcomes().get("allowed", 0) >= 1), outcomes()
        assert len(found()) == 1
    finally:
        own.api("POST", "/api/routes/traceability.get/rollback")
        assert own.stop() == 0


def test_the_admin_plane_is_not_on_the_data_planes_port(gateway: Running) -> None:
    """Every path of the data plane belongs to legacy, with or without a token."""
    for path in ("/api/routes", "/readyz", "/healthz", "/metrics"):
        answer = gateway.get(path, authorization=f"Bearer {gateway.token}")
        assert answer.headers["x-powered-by"] == "Express"
        assert answer.status_code in (401, 404)


def test_a_gateway_lives_through_the_death_of_its_database(legacy: Legacy, mortal: Mortal, tmp_path: Path) -> None:
    """While PostgreSQL is dead requests go on by the last flags, flips are 503, and it recovers by itself."""
    url = ensure_database(mortal.embedded.url, "flags")
    options = ("--legacy", legacy.base_url, "--new", "services.app:build", "--contracts", "contracts")
    environment = {"SERVICES_DATABASE_URL": legacy.database_url}
    own = start_gateway(*options, "--database-url", url, state=tmp_path / "s", environment=environment)
    try:
        for stage in ("shadow", "canary", "new"):
            assert own.flip("runs.list", stage).status_code == 200
        assert own.get("/api/runs").headers["x-strangler-side"] == "new"
        assert eventually(lambda: '"new"' in _text(tmp_path / "s" / "flags.json"))
        mortal.kill()
        assert own.get("/api/runs").headers["x-strangler-side"] == "new"
        refused = own.flip("runs.list", "legacy")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_down")
        assert eventually(lambda: own.ready().get("fresh") is False)
        assert own.get("/api/runs").headers["x-strangler-side"] == "new"

        own.stop(signal.SIGKILL)  # and a gateway that starts now acts on the last-known-good file
        own = start_gateway(
            *options, "--database-url", url, state=tmp_path / "s", token=own.token, environment=environment
        )
        assert own.get("/api/runs").headers["x-strangler-side"] == "new"
        assert own.ready()["fresh"] is False

        mortal.start()
        assert eventually(lambda: own.ready().get("fresh") is True)
        assert own.flip("runs.list", "legacy").status_code == 200
        assert own.get("/api/runs").headers["x-strangler-side"] == "legacy"
    finally:
        own.stop(signal.SIGKILL)


def test_legacy_may_die_and_come_back(domain: str, gateway: Running, tmp_path: Path, free_port: int) -> None:
    """Dead legacy is a 502 with a code; once it is back, so are its answers, with nothing to be done."""
    process, url = start_legacy(domain, PORT=str(free_port))
    own = start_gateway("--legacy", url, "--database-url", domain, state=tmp_path, token=gateway.token)
    try:
        assert own.get("/api/health").status_code == 200
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        dead = own.get("/api/health")
        assert (dead.status_code, dead.json()["code"]) == (502, "legacy_unreachable")
        process, _ = start_legacy(domain, PORT=str(free_port))
        assert own.get("/api/health").status_code == 200
    finally:
        own.stop()
        stop_legacy(process)


def test_a_gateway_with_nothing_of_ours_proxies_everything(legacy: Legacy, tmp_path: Path) -> None:
    """`strangler run --legacy URL` alone: an embedded database in the state folder, no routes, legacy everywhere."""
    own = start_gateway("--legacy", legacy.base_url, "--contracts", str(_empty(tmp_path)), state=tmp_path / "state")
    try:
        assert own.get(LOT).headers["x-strangler-side"] == "legacy"
        assert own.token.startswith("sgw_")
        assert own.api("GET", "/api/routes").json()["routes"] == []
    finally:
        assert own.stop() == 0
    assert not (tmp_path / "state" / "postgres" / "data" / "postmaster.pid").exists()


def test_a_legacy_that_is_the_gateway_itself_is_508(domain: str, gateway: Running, tmp_path: Path) -> None:
    """A loop is answered at once with a code of its own."""
    data, admin = free_ports(2)
    own = start_gateway(
        *("--legacy", f"http://127.0.0.1:{data}", "--database-url", domain),
        state=tmp_path,
        token=gateway.token,
        ports=(data, admin),
    )
    try:
        answer = CLIENT.get(f"http://127.0.0.1:{data}/")
        assert (answer.status_code, answer.json()["code"]) == (508, "loop_detected")
    finally:
        own.stop()


def _empty(tmp_path: Path) -> Path:
    folder = tmp_path / "contracts"
    folder.mkdir()
    return folder


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
