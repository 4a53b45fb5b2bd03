"""Every statement about users."""

from __future__ import annotations

from sqlalchemy import bindparam, func, update

from services.auth.tables import USER, users
from services.kit.unit import WriteSession
from services.kit.wire import WireRow

_NOTE_LOGIN = (
    update(users)
    .where(users.c.email == bindparam("login_email"))
    .values(last_login=func.now())
    .returning(*USER.columns)
)


async def note_login(session: WriteSession, email: str) -> WireRow | None:
    """Set the time of the last login and return the user; None when nobody has this email."""
    row = await session.change(_NOTE_LOGIN, {"login_email": email})
    return None if row is None else USER.row(row)
