"""Plays the demo from the first start to the last stop, and tells what happens on the way.

The order: PostgreSQL, its data, legacy, the schema, the gateway; stopping goes the other way round.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.demo.ask import answers
from gateway.cli.demo.database import Database, bring_up_to_date
from gateway.cli.demo.files import Folder, read_object, write_object
from gateway.cli.demo.parts import Child, Part, Program
from gateway.cli.demo.secrets import Secrets, keep_secrets
from gateway.cli.demo.signals import Wish
from gateway.cli.demo.supervise import Say, stop_all, supervise
from gateway.cli.demo.teller import Teller
from gateway.cli.demo.token import working_token
from gateway.cli.demo.traffic import Traffic
from gateway.cli.output import Code, Trouble
from gateway.db.embedded import EmbeddedPostgresError
from gateway.db.engine import DatabaseDown
from gateway.db.migrate import MigrationRefused

_READY_S = 60.0  # a cold start on a slow machine


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the demo plays: every address is free, every file it needs is there."""

    here: Path
    node: str
    folder: Folder
    listen: tuple[str, int]
    admin: tuple[str, int]
    legacy: tuple[str, int]
    traffic: float

    @property
    def legacy_url(self) -> str:
        """Where the legacy app is reached."""
        return _url(self.legacy)

    @property
    def gateway_url(self) -> str:
        """Where the frontend connects."""
        return _url(self.listen)

    @property
    def admin_url(self) -> str:
        """Where people and programs connect."""
        return _url(self.admin)


def play(setting: Setting, *, wish: Wish, teller: Teller, announce: Callable[[dict[str, Any]], None]) -> None:
    """Start everything, keep it alive, and stop everything when somebody wishes so."""
    parts: list[Part] = []
    traffic = Traffic(setting.gateway_url, per_second=setting.traffic) if setting.traffic else None
    try:
        notes = _start(setting, parts, wish=wish, say=teller.say)
        if notes is not None:
            write_object(setting.folder.notes, notes)
            announce(notes)
            if traffic is not None:
                traffic.start()
            supervise(parts, wish=wish, say=teller.say, meanwhile=lambda: _show(traffic, teller))
    except (EmbeddedPostgresError, DatabaseDown, MigrationRefused) as error:
        if not wish.to_stop:  # Ctrl-C also ends what prepares the database: that is no failure
            raise Trouble(Code.UNREACHABLE, "database", str(error)) from error
    finally:
        teller.say(f"stopping ({wish.why})" if wish.why else "stopping")
        if traffic is not None:
            traffic.stop()
        _stop(parts, wish=wish)


def _start(setting: Setting, parts: list[Part], *, wish: Wish, say: Say) -> dict[str, Any] | None:
    """Start every part, noting each in `parts` first; None when somebody wished to stop meanwhile."""
    secrets = keep_secrets(setting.folder)
    database = Database(setting.folder.postgres)
    parts.append(database)
    say("starting PostgreSQL")
    failure = database.start()
    if failure is not None:
        raise EmbeddedPostgresError(failure)
    if wish.to_stop:
        return None
    url = database.fill(setting.here / "legacy")
    legacy = Child(_legacy(setting, secrets, url))
    _begin(legacy, parts, say=say)
    bring_up_to_date(url)
    # before the gateway, which shows a first token of its own when there is none
    token = working_token(url, read_object(setting.folder.notes))
    gateway = Child(_gateway(setting, secrets, url))
    if wish.to_stop:
        return None
    _begin(gateway, parts, say=say)
    if not all(_becomes_ready(child, wish=wish) for child in (legacy, gateway)):
        return None
    return {
        "gateway_url": setting.gateway_url,
        "admin_url": setting.admin_url,
        "admin_token": token,
        "legacy_url": setting.legacy_url,
        "database_url": url,
        "anon_key": secrets.anon_key,
    }


def _show(traffic: Traffic | None, teller: Teller) -> None:
    if traffic is not None:
        teller.status(traffic.status())


def _stop(parts: list[Part], *, wish: Wish) -> None:
    try:
        stop_all(parts[::-1], wish=wish)
    except EmbeddedPostgresError as error:
        raise Trouble(Code.UNREACHABLE, "not_stopped", str(error)) from error


def _begin(child: Child, parts: list[Part], *, say: Say) -> None:
    parts.append(child)
    say(f"starting {child.name}")
    failure = child.start()
    if failure is not None:
        raise Trouble(Code.UNREACHABLE, "part_not_started", f"{child.name}: {failure}")


def _becomes_ready(child: Child, *, wish: Wish) -> bool:
    until = time.monotonic() + _READY_S
    while not wish.to_stop:
        if child.is_ready():
            return True
        if not child.is_alive() or time.monotonic() > until:
            why = child.last_words() if not child.is_alive() else f"did not answer within {_READY_S:.0f} s"
            sentence = f"{child.name} {why}; the end of {child.program.log}:\n{child.log_tail()}"
            raise Trouble(Code.UNREACHABLE, "part_not_ready", sentence)
        wish.pause()
    return False


def _legacy(setting: Setting, secrets: Secrets, database_url: str) -> Program:
    host, port = setting.legacy
    environment = {
        "DATABASE_URL": database_url,
        "SUPABASE_JWT_SECRET": secrets.jwt_secret,
        "HOST": host,
        "PORT": str(port),
    }
    return Program(
        name="legacy",
        command=(setting.node, str(setting.here / "legacy" / "server.js")),
        environment=_with(environment),
        log=setting.folder.logs / "legacy.log",
        answers=lambda: answers(setting.legacy_url, "/api/health"),
    )


def _gateway(setting: Setting, secrets: Secrets, database_url: str) -> Program:
    options = {
        "--legacy": setting.legacy_url,
        "--new": "services.app:build",
        "--contracts": "contracts",
        "--listen": _address(setting.listen),
        "--admin": _address(setting.admin),
        "--database-url": database_url,
        "--state": str(setting.folder.root),
        "--drain-s": "3",
    }
    words = [word for option in options.items() for word in option]
    environment = {"SERVICES_DATABASE_URL": database_url, "SUPABASE_JWT_SECRET": secrets.jwt_secret}
    return Program(
        name="gateway",
        command=(sys.executable, "-m", "gateway", "run", *words),
        environment=_with(environment),
        log=setting.folder.logs / "gateway.log",
        answers=lambda: answers(setting.admin_url, "/readyz") and answers(setting.gateway_url, "/api/health"),
    )


def _with(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **more}


def _address(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(address: tuple[str, int]) -> str:
    host, port = address
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # listened on, not connected to
    return f"http://{_address((reachable, port))}"
