"""backends.yaml says how both sides are made; they are started, seeded anew and stopped."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path

import pytest

from gateway.contract.backends import Backends, fill
from gateway.contract.files import Problem
from gateway.contract.launch import LaunchError, launched
from gateway.contract.load import load
from gateway.message import Side
from tests.gateway.contract.folders import TODAY, right, write

SERVER = """\
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([os.environ["WHERE"], os.environ["SECRET"], os.getcwd()]).encode())
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SIDE = """\
  command: [python, server.py, "{port}"]
  cwd: side
  env: {WHERE: "{database_url}", SECRET: "{jwt_secret}"}
  ready: /
"""
BACKENDS = f"""\
databases:
  schema: [side/schema.sql]
  seed: side/seed.sql
  reset: [public, auth]
  keep: public.alembic_version
legacy:
{SIDE}new:
{SIDE}"""


def folder(tmp_path: Path, backends: str) -> Path:
    """A contracts folder with backends.yaml, beside the files it names."""
    side = tmp_path / "side"
    side.mkdir(exist_ok=True)
    (side / "server.py").write_text(SERVER)
    (side / "schema.sql").write_text("create table lots ();")
    (side / "seed.sql").write_text("insert into lots default values;")
    return write(tmp_path, {"backends.yaml": backends})


def backends_of(tmp_path: Path, text: str = BACKENDS) -> Backends:
    """The backends of a file's text."""
    backends = right(load(folder(tmp_path, text), today=TODAY)).backends
    assert backends is not None
    return backends


class Databases:
    """Takes scripts and remembers them, as a database would run them."""

    def __init__(self) -> None:
        self.scripts: list[tuple[str, str]] = []

    async def run(self, url: str, script: str) -> None:
        self.scripts.append((url, script))


def test_backends_say_everything_that_is_needed(tmp_path: Path) -> None:
    """Paths are relative to the folder above contracts/."""
    backends = backends_of(tmp_path)
    assert backends.schema == (tmp_path / "side/schema.sql",)
    assert (backends.reset, backends.keep) == (("public", "auth"), ("public.alembic_version",))
    assert backends.sides[Side.LEGACY].command == ("python", "server.py", "{port}")
    assert backends.sides[Side.NEW].cwd == tmp_path / "side"


@pytest.mark.parametrize(
    ("before", "after", "line", "sentence"),
    [
        ("schema: [side/schema.sql]", "schema: [../../etc/passwd]", 2, "schema: '../../etc/passwd' leads out of the"),
        ("schema: [side/schema.sql]", "schema: [/etc/passwd]", 2, "schema: '/etc/passwd' leads out of the project"),
        ("schema: [side/schema.sql]", "schema: [side/nope.sql]", 2, "schema: there is no file nope.sql"),
        ("reset: [public, auth]", 'reset: ["x\'; drop"]', 4, 'reset: "x\'; drop" is not a plain lower-case name'),
        ("public.alembic_version", "alembic_version", 5, "keep: 'alembic_version' is not a plain lower-case name"),
        ('"{port}"]', '"{prt}"]', 7, "{prt} is none of database_url, port, jwt_secret"),
        ("  cwd: side\n", "  cwd: ..\n", 8, "cwd: '..' leads out of the project"),
        ("ready: /", "ready: health", 10, "ready must be a path"),
        ("  ready: /\nnew:", "new:", 7, "ready is missing"),
        ("  cwd: side\n", "  app: services.app:build\n", 7, "legacy must have either command or app"),
        ('command: [python, server.py, "{port}"]', "app: services.app", 7, "app is 'services.app', it must be mod"),
        ("{WHERE:", "{W-E:", 9, "'W-E' is no name of an environment variable"),
        ("new:\n" + SIDE, "", 1, "new is missing"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, before: str, after: str, line: int, sentence: str) -> None:
    """No path leads out of the project, and no name becomes SQL."""
    text = BACKENDS.replace(before, after, 1)
    assert text != BACKENDS
    found = load(folder(tmp_path, text), today=TODAY)
    assert isinstance(found, list)
    assert (found[0].file, found[0].line) == ("contracts/backends.yaml", line)
    assert found[0].sentence.startswith(sentence)


def test_only_known_placeholders_are_filled() -> None:
    """Other braces belong to whoever wrote them."""
    assert fill("{port} {a} {} {port}", {"port": "1", "a": "{port}"}) == "1 {port} {} 1"


async def test_both_sides_run_on_databases_of_their_own(tmp_path: Path) -> None:
    """Each is made, seeded anew when asked, and dropped; each side knows only its own."""
    databases = Databases()
    admin = "postgresql://postgres@/postgres?host=/tmp/pg"
    async with launched(backends_of(tmp_path), admin_url=admin, run_sql=databases.run, jwt_secret="s") as sides:
        said = {side: await asyncio.to_thread(ask, url) for side, url in sides.urls.items()}
        before = len(databases.scripts)
        await sides.reset()
        seeded = databases.scripts[before:]
    urls = {side: url for side in Side if (url := said[side].split('"')[1])}
    assert urls[Side.LEGACY] != urls[Side.NEW]
    assert all(url.endswith("?host=/tmp/pg") and "/strangler_contract_" in url for url in urls.values())
    assert sorted(url for url, _ in seeded) == sorted(urls.values())
    assert all("'public', 'auth'" in script and "not in ('public.alembic_version')" in script for _, script in seeded)
    assert all(script.endswith("insert into lots default values;") for _, script in seeded)
    assert [script.split()[:2] for url, script in databases.scripts if url == admin] == [
        ["create", "database"],
        ["create", "database"],
        ["drop", "database"],
        ["drop", "database"],
    ]
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(ask, sides.urls[Side.LEGACY])


def ask(url: str) -> str:
    """What a side says of itself."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("[python, server.py", "[no-such-program", "legacy: no-such-program cannot be started"),
        ("[python, server.py", '[python, -c, "raise SystemExit(7)"', "legacy ended with code 7"),
        ("  cwd: side\n", "  cwd: side\n  prepare: [python, -c, \"raise SystemExit('no schema')\"]\n", "no schema"),
    ],
)
async def test_a_side_that_does_not_start_is_told_and_nothing_is_left(
    tmp_path: Path, before: str, after: str, sentence: str
) -> None:
    """The last lines of its output say why, and its database is dropped."""
    databases = Databases()
    backends = backends_of(tmp_path, BACKENDS.replace(before, after, 1))
    with pytest.raises(LaunchError, match=sentence):
        async with launched(backends, admin_url="postgresql:///p", run_sql=databases.run, jwt_secret="s"):
            pytest.fail("a side is missing")
    made = [script for _, script in databases.scripts if script.startswith("create database")]
    dropped = [script for _, script in databases.scripts if script.startswith("drop database")]
    assert len(made) == len(dropped) == 2


def test_a_contracts_folder_needs_no_backends(tmp_path: Path) -> None:
    """With --legacy and --new nothing is started."""
    assert right(load(write(tmp_path, {}), today=TODAY)).backends is None
    assert load(write(tmp_path, {"backends.yaml": "[]"}), today=TODAY) == [
        Problem("contracts/backends.yaml", 1, "the file must hold keys and values")
    ]
