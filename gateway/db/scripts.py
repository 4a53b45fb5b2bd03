"""Runs the scripts of one history with Alembic. Who may do so now, and where the scripts lie, is not known here."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from gateway.db.engine import database_url

_alembic_is_one_per_process: Final = threading.Lock()  # its `op` and `context` are globals


def run(url: str, folder: Path) -> bool:
    """Bring a database to the newest revision; False where it is at one that none of the scripts leads to."""
    with _alembic_is_one_per_process:
        try:
            command.upgrade(config_of(url, folder), "head")
        except CommandError:
            return False
    return True


def config_of(url: str, folder: Path) -> Config:
    """What Alembic has to know; a percent sign is written twice in it."""
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    full = database_url(url).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", full.replace("%", "%%"))
    return config
