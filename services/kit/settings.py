"""What the environment says to the new side, read once when the app is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError


class SettingError(Exception):
    """The environment cannot be used; the message names the variable and what it must hold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`pool_size` counts connections per pool: one for reads, one for writes, one for rehearsals.

    Alerts about QC decisions go to `alert_url`; without it none is raised, as in legacy.
    """

    database_url: URL
    jwt_secret: str | None = field(repr=False)
    jwks_url: str | None
    pool_size: int
    alert_url: str | None = None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read SERVICES_DATABASE_URL (or DATABASE_URL), SUPABASE_JWT_SECRET and the SERVICES_ ones below."""
    secret = environment.get("SUPABASE_JWT_SECRET") or None
    jwks_url = environment.get("SERVICES_JWKS_URL") or None
    if secret is None and jwks_url is None:
        raise SettingError("the new side needs SUPABASE_JWT_SECRET or SERVICES_JWKS_URL")
    if jwks_url is not None and not jwks_url.startswith(("https://", "http://")):
        raise SettingError("SERVICES_JWKS_URL must be an http or https URL")
    pool_size = environment.get("SERVICES_POOL_SIZE") or "10"
    if not pool_size.isdecimal() or int(pool_size) < 1:
        raise SettingError("SERVICES_POOL_SIZE must be a number above 0")
    alert_url = environment.get("SERVICES_ALERT_URL") or None
    if alert_url is not None and not alert_url.startswith(("https://", "http://")):
        raise SettingError("SERVICES_ALERT_URL must be an http or https URL")
    return Settings(_database_url(environment), secret, jwks_url, int(pool_size), alert_url)


def _database_url(environment: Mapping[str, str]) -> URL:
    written = environment.get("SERVICES_DATABASE_URL") or environment.get("DATABASE_URL")
    if not written:
        raise SettingError("the new side needs SERVICES_DATABASE_URL or DATABASE_URL")
    try:
        url = make_url(written)
    except ArgumentError:
        raise SettingError("SERVICES_DATABASE_URL is not a URL") from None  # the text may hold a password
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingError("SERVICES_DATABASE_URL must begin with postgresql://")
    return url.set(drivername="postgresql+psycopg")
