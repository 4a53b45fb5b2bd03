"""What can be done to become known."""

from __future__ import annotations

from services.auth import repository, rules
from services.auth.errors import NO_SECRET, USER_NOT_FOUND
from services.auth.schemas import LoggedIn, Login
from services.kit.errors import Refused
from services.kit.token import Signer
from services.kit.unit import WriteSession


async def log_in(session: WriteSession, login: Login, *, signer: Signer | None, now: float) -> LoggedIn:
    """Note the time of the login and hand out a token. Legacy asks for no password, so neither does this."""
    if signer is None:
        raise Refused(NO_SECRET)
    email = rules.email(login.email)
    user = None if email is None else await repository.note_login(session, email)
    if user is None:
        raise Refused(USER_NOT_FOUND)
    token = signer.sign(sub=user["id"], email=user["email"], person_role=user["role"], now=now)
    return {"user": user, "token": token}
