"""How the admin plane answers: JSON, and errors with a stable code, a sentence and the request id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.rollout.flag import Flag
from gateway.telemetry import request_id


def problem(
    status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """An error; `more` holds what a program can use, such as `reasons` or `current`."""
    error = {"code": code, "message": message, "request_id": request_id.get(), **more}
    return JSONResponse({"error": error}, status, headers=headers)


def etag(flag: Flag) -> dict[str, str]:
    """The header that names a flag's version."""
    return {"etag": f'"{flag.version}"'}


def unknown_route() -> JSONResponse:
    return problem(404, "unknown_route", "There is no such route.")


async def database_down(_request: Request, error: Exception) -> Response:
    """The database's failures, in the sentence that `db.engine` has found for them."""
    return problem(503, "database_down", f"Nothing can be read or changed now: {error}.", headers={"retry-after": "1"})


async def refused_by_router(_request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return problem(405, "method_not_allowed", "This cannot be done here.", headers=error.headers)
    return problem(404, "not_found", "There is nothing here.")
