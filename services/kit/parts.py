"""The parts one running app shares between its requests, and the typed way to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from services.kit.database import Database
from services.kit.token import Signer, Verifier


@dataclass(frozen=True, slots=True)
class Parts:
    """`signer` is None where only a JWKS is known: such an app verifies tokens and issues none.

    `alerts`: somebody wants to hear of QC decisions that are no PASS.
    """

    database: Database
    verifier: Verifier
    signer: Signer | None
    alerts: bool = False


def parts_of(request: Request) -> Parts:
    """The parts of the app that serves this request."""
    return cast(Parts, request.app.state.parts)
