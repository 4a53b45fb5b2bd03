"""Says who is asking. A caller without a bearer token is anonymous; one that is shown must be good."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from starlette.requests import Request

from services.kit.errors import INVALID_TOKEN, Refused
from services.kit.parts import parts_of
from services.kit.token import BadToken, Claims

_BEARER = re.compile(r"Bearer(?:\s+(.*))?\Z", re.IGNORECASE)
_log = logging.getLogger("services")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `claims` is None for an anonymous caller."""

    claims: Claims | None


ANONYMOUS = Caller(None)


async def caller_of(request: Request) -> Caller:
    """The caller of a request. Another scheme than Bearer is nobody's, as in legacy."""
    shown = _BEARER.match(request.headers.get("authorization", ""))
    if shown is None:
        return ANONYMOUS
    try:
        return Caller(await parts_of(request).verifier.claims((shown[1] or "").strip()))
    except BadToken as bad:
        _log.info("a bearer token was refused: %s", bad)
        raise Refused(INVALID_TOKEN) from bad
