"""Where the things of this folder are when nobody says it: the state folder, the admin plane, the database.

An option wins, then the variable, then strangler.yaml, then what a demo in this folder has noted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.demo.files import Folder, read_object
from gateway.cli.output import Code, Trouble

DEFAULT_ADMIN_URL = "http://127.0.0.1:9901"


@dataclass(frozen=True, slots=True)
class AdminPlane:
    """Where the admin plane is, and the token that opens it (None: nobody gave one)."""

    url: str
    token: str | None


def state_folder() -> Path:
    """The state folder of the current folder."""
    return Path(os.environ.get("STRANGLER_STATE") or _file_setting("state") or ".strangler")


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
    named = _file_setting("database_url") or read_object(Folder(state_folder()).notes).get("database_url")
    if named:
        return str(named)
    from gateway.db.embedded import EmbeddedPostgres

    embedded = EmbeddedPostgres(Folder(state_folder()).postgres)
    if embedded.is_running():
        return embedded.url
    sentence = "which database? give --database-url or STRANGLER_DATABASE_URL, or start a gateway in this folder"
    raise Trouble(Code.WRONG, "no_database", sentence)


def _file_setting(name: str) -> Any:
    """One key of strangler.yaml, without asking for the others; a broken file is `run`'s to complain about."""
    import yaml

    from gateway.settings import FILE

    try:
        content = yaml.safe_load(FILE.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content.get(name) if isinstance(content, dict) else None
