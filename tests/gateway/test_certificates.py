"""A private authority's file is read anew after SIGHUP: certificates change while the gateway runs."""

from __future__ import annotations

import http.server
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.running import CLIENT, Running, eventually, start_gateway
from tests.gateway.upstream.certificates import Authority


class Answers(http.server.BaseHTTPRequestHandler):
    """Says hello, and closes: each request needs a handshake."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def legacy(authority: Authority) -> Iterator[int]:
    """A server on localhost whose certificate an authority has signed."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = authority.server("localhost").wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """The file that the setting names."""
    return tmp_path / "trusted.pem"


@pytest.fixture(params=["1", "2"], ids=["one process", "two workers"])
def gateway(
    ca: Path, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Running, Authority, Authority]]:
    """A gateway that trusts another authority than legacy's; then the two."""
    right, wrong = Authority(tmp_path, "right"), Authority(tmp_path, "wrong")
    ca.write_bytes(wrong.file.read_bytes())
    (tmp_path / "contracts").mkdir()
    with legacy(right) as port:
        running = start_gateway(
            *(
                "--legacy",
                f"https://localhost:{port}",
                "--legacy-ca",
                str(ca),
                "--contracts",
                str(tmp_path / "contracts"),
            ),
            *("--breaker-misses", "0", "--workers", request.param, "--database-url", database),
            state=tmp_path / "state",
        )
        yield running, right, wrong
        assert running.stop() == 0


def test_an_authority_is_trusted_from_the_reload_on(gateway: tuple[Running, Authority, Authority], ca: Path) -> None:
    """Whom the file names by then is trusted, whom it does not name any more is not."""
    running, right, wrong = gateway
    assert running.get("/").json()["code"] == "legacy_unreachable"
    ca.write_bytes(right.file.read_bytes())
    running.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: {running.get("/").status_code for _ in range(6)} == {200})
    ca.write_bytes(wrong.file.read_bytes())
    running.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: {running.get("/").status_code for _ in range(6)} == {502})


def test_what_was_counted_stays_counted_after_a_reload(gateway: tuple[Running, Authority, Authority], ca: Path) -> None:
    """The connections are others then, but a counter that falls would show as a burst."""
    running, right, _ = gateway
    for _ in range(6):
        assert running.get("/").json()["code"] == "legacy_unreachable"
    assert eventually(lambda: figure(running, "misses", 'cause="tls_unknown_ca"') == 6)
    ca.write_bytes(right.file.read_bytes())
    running.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: running.get("/").status_code == 200)
    assert eventually(lambda: figure(running, "opened", 'pool="clients"') >= 1)
    assert figure(running, "misses", 'cause="tls_unknown_ca"') >= 6


def figure(running: Running, name: str, label: str) -> float:
    """What /metrics says of the pools to legacy."""
    lines = CLIENT.get(running.admin + "/metrics").text.splitlines()
    return sum(
        float(one.split()[-1]) for one in lines if one.startswith(f"strangler_pool_{name}_total{{") and label in one
    )


def test_a_file_that_is_no_certificate_changes_nothing(gateway: tuple[Running, Authority, Authority], ca: Path) -> None:
    """Who was trusted is trusted still, and /readyz says what was refused."""
    running, right, _ = gateway
    ca.write_bytes(right.file.read_bytes())
    running.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: {running.get("/").status_code for _ in range(6)} == {200})
    ca.write_text("no certificate\n")
    running.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: running.ready()["not_reloaded"] != [])
    assert {running.get("/").status_code for _ in range(6)} == {200}
