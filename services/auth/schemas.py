"""What a login looks like on the wire."""

from __future__ import annotations

from typing import TypedDict

from pydantic import ConfigDict

from services.kit.fields import Fields
from services.kit.wire import WireRow


class Login(Fields):
    """Whatever else a browser sends (a password, say) is ignored, as by legacy: nobody is locked out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    email: object = None


class LoggedIn(TypedDict):
    """The answer to a login; the order is the order of the keys."""

    user: WireRow
    token: str
