"""`check` says whether a gateway would start."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.gateway.cli.conftest import Strangler

FREE = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")


@pytest.fixture
def legacy() -> Iterator[str]:
    """A backend that answers every HEAD with 404."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_good_settings_and_a_living_backend_are_a_yes(strangler: Strangler, legacy: str) -> None:
    """Everything in order ends with 0; that legacy has no page at / does not matter."""
    ran = strangler("check", "--legacy", legacy, *FREE)
    assert (ran.code, ran.err) == (0, "")
    assert "gave 404" in ran.out


def test_dead_backend_is_a_3_but_a_gateway_would_start(strangler: Strangler) -> None:
    """A backend that is down cannot be reached; the settings are still right."""
    ran = strangler("check", "--legacy", "http://127.0.0.1:1", *FREE, "--json")
    assert ran.code == 3
    assert ran.json["would_start"] is True


def test_every_place_of_a_backend_is_asked(strangler: Strangler, legacy: str, tmp_path: Path) -> None:
    """One of several that is down is told by its address; a socket's file is asked like any other."""
    ran = strangler("check", "--legacy", f"{legacy},http://127.0.0.1:1", *FREE)
    assert ran.code == 3
    assert f"{legacy} answers" in ran.out
    assert "http://127.0.0.1:1 cannot be reached" in ran.out
    ran = strangler("check", "--legacy", f"unix:{tmp_path}/none.sock", *FREE)
    assert ran.code == 3
    assert "none.sock cannot be reached: No such file" in ran.out


def test_certificates_that_are_none_are_a_2(strangler: Strangler, tmp_path: Path) -> None:
    """A gateway would not start with them."""
    ran = strangler("check", "--legacy", "https://127.0.0.1:1", "--legacy-ca", str(tmp_path / "ca.pem"), *FREE)
    assert ran.code == 2
    assert "ca.pem cannot be read: No such file or directory (--legacy-ca, STRANGLER_LEGACY_CA" in ran.err


def test_backend_that_speaks_no_http_is_a_3(strangler: Strangler) -> None:
    """A port where something else answers is told from one where nobody does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            connection.recv(100)
            connection.sendall(b"220 mail.example.com ESMTP\r\n")
            connection.close()

        thread = threading.Thread(target=greet)
        thread.start()
        ran = strangler("check", "--legacy", f"http://127.0.0.1:{server.getsockname()[1]}", *FREE)
        thread.join()
    assert ran.code == 3
    assert "does not speak HTTP" in ran.out


def test_busy_port_is_wrong_configuration(strangler: Strangler, legacy: str) -> None:
    """A port that is in use is named with its option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = strangler("check", "--legacy", legacy, "--listen", "127.0.0.1:0", "--admin", address)
    assert ran.code == 2
    assert "choose another with --admin" in " ".join(ran.out.split())


def test_broken_contracts_are_wrong_configuration(strangler: Strangler, legacy: str, tmp_path: Path) -> None:
    """A contract that cannot be read keeps a gateway down, so the answer names file and line."""
    folder = tmp_path / "contracts" / "lots.list"
    folder.mkdir(parents=True)
    (folder / "route.yaml").write_text("route: GET /api/lots\neffect: nonsense\n")
    ran = strangler("check", "--legacy", legacy, *FREE)
    assert ran.code == 2
    assert "contracts/lots.list/route.yaml:2" in ran.out


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("def build():\n    async def app(*_): ...\n    return app\n", "can be loaded"),
        ("def build():\n    raise KeyError('SECRET_SETTING')\n", "KeyError"),
        ("other = 1\n", "AttributeError"),
    ],
)
def test_new_side_is_loaded_as_run_would(
    strangler: Strangler,
    legacy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    says: str,
) -> None:
    """An app in the current folder is imported and its factory called; what it raises is a sentence."""
    name = f"newside_{len(module)}"  # a module of that name stays imported
    (tmp_path / f"{name}.py").write_text(module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    ran = strangler("check", "--legacy", legacy, "--new", f"{name}:build", *FREE)
    assert ran.code == (0 if says == "can be loaded" else 2)
    assert says in ran.out
    assert "Traceback" not in ran.out + ran.err
