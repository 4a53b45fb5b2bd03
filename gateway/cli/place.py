"""Where the things of this folder are when nobody says it: the state folder, the admin plane, the database.

An option wins, then the variable, then strangler.yaml, then what a demo in this folder has noted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo.files import Folder, read_object
from gateway.cli.output import Code, Trouble
from gateway.settings.file import one_of_file

DEFAULT_ADMIN_URL = "http://127.0.0.1:9901"
DEFAULT_LISTEN = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class AdminPlane:
    """Where the admin plane is, and the token that opens it (None: nobody gave one)."""

    url: str
    token: str | None


def state_folder() -> Path:
    """The state folder of the current folder."""
    return Path(os.environ.get("STRANGLER_STATE") or one_of_file("state") or ".strangler")


def known_admin_plane(url: str | None, token: str | None) -> AdminPlane:
    """The admin plane that is meant; a demo's token is sent to no other place than the demo's own."""
    notes = read_object(Folder(state_folder()).notes)
    noted_url, noted_token = notes.get("admin_url"), notes.get("admin_token")
    chosen = (url or (noted_url if isinstance(noted_url, str) else DEFAULT_ADMIN_URL)).rstrip("/")
    if token is None and isinstance(noted_token, str) and chosen == noted_url:
        token = noted_token
    return AdminPlane(chosen, token)


def known_database_url(url: str | None) -> str:
    """The database that is meant, or Trouble with a sentence on how to name one."""
    if url:
        return url
    named = one_of_file("database_url") or read_object(Folder(state_folder()).notes).get("database_url")
    if named:
        return str(named)
    from gateway.db.embedded import EmbeddedPostgres

    embedded = EmbeddedPostgres(Folder(state_folder()).postgres)
    if embedded.is_running():
        return embedded.url
    sentence = "which database? give --database-url or STRANGLER_DATABASE_URL, or start a gateway in this folder"
    raise Trouble(Code.WRONG, "no_database", sentence)


def known_override_secret(secret: str | None) -> str:
    """The secret that signs override tokens, or Trouble with a sentence on how to give it."""
    from gateway.settings.values import SECRET_BYTES  # not above: pydantic's settings are slow to import

    found = str(secret or one_of_file("override_secret") or "")
    if not found:
        sentence = (
            "no secret: give STRANGLER_OVERRIDE_SECRET or `override_secret:` in strangler.yaml, as the gateway has it"
        )
        raise Trouble(Code.WRONG, "no_secret", sentence)
    if len(found.encode()) < SECRET_BYTES:
        raise Trouble(Code.WRONG, "bad_secret", f"the override secret is shorter than {SECRET_BYTES} bytes")
    return found


def known_data_plane() -> str:
    """The URL of the data plane, by the setting `listen`."""
    return f"http://{os.environ.get('STRANGLER_LISTEN') or one_of_file('listen') or DEFAULT_LISTEN}"
