"""The Supabase client the browser uses, pointed straight at legacy."""

import asyncio
import json

from .stack import NODE, OPERATOR_ID, REPOSITORY, Legacy, anon_key

SCRIPT = str(REPOSITORY / "tests" / "frontend" / "supabase_client.mjs")


async def run_client(url: str, key: str) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        NODE, SCRIPT, url, key, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out, err


async def test_supabase_js_signs_in_reads_inserts_and_hears_of_it(legacy: Legacy) -> None:
    """The real supabase-js does all the browser does, and sees its own insert as a change."""
    code, out, err = await run_client(legacy.base_url, anon_key())
    assert (code, err) == (0, b"")
    seen = json.loads(out)
    assert seen["user"] == {"id": OPERATOR_ID, "email": "operator@flowviz.com"}
    assert seen["selected"] == [
        {"lot_code": "MIX-BATCH-88", "weight_kg": 540, "created_at": "2026-11-20T08:45:57.404142+00:00"}
    ]
    assert seen["change"]["eventType"] == "INSERT"
    assert seen["change"]["new"] == seen["inserted"]


async def test_supabase_js_says_what_failed(legacy: Legacy) -> None:
    """A wrong key ends the script with a sentence and exit code 1."""
    code, out, err = await run_client(legacy.base_url, "wrong-key")
    assert (code, out) == (1, b"")
    assert err.decode().startswith("signing in failed: AuthApiError: Invalid API key")
