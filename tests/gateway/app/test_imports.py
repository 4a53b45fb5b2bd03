"""A process imports what it uses: a start takes more than a second of processor time as it is."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("started", "spared"),
    [
        ("gateway.app.start", ["alembic", "joserfc", "httpx", "typer", "rich", "opentelemetry"]),
        ("gateway.app.fleet.worker", ["alembic", "joserfc", "starlette", "prometheus_client", "gateway.admin.app"]),
        ("gateway.shadow.comparer", ["sqlalchemy", "psycopg", "pydantic", "yaml", "uvicorn"]),
    ],
)
def test_a_process_is_spared_what_it_does_not_use(started: str, spared: list[str]) -> None:
    """A gateway without testers, traces or new tables; a worker, which has no admin plane; the comparer."""
    code = f"import sys, {started}; print([name for name in {spared} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
