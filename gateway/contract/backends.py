"""backends.yaml: how a contract run makes both sides when nobody gives their addresses. It starts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.contract.fields import Fields
from gateway.message import Side

PLACEHOLDERS = ("database_url", "port", "jwt_secret")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_APP = re.compile(r"[A-Za-z_][\w.]{0,199}:[A-Za-z_]\w{0,99}", re.ASCII)
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
_TABLE = re.compile(r"[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Backend:
    """One side as a process: either a command or an ASGI app factory (`module:factory`).

    `env`, `command` and `prepare` may hold {database_url}, {port} and {jwt_secret}. `prepare` runs once,
    after the database was made. `ready` is the path that answers below 500 once the side can be asked.
    """

    side: Side
    command: tuple[str, ...]
    app: str | None
    cwd: Path
    env: Mapping[str, str]
    ready: str
    prepare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backends:
    """Both sides, and the SQL files from which each one's own database is made.

    Before every case the tables of the schemas `reset` are emptied, but for `keep`, and seeded anew.
    """

    sides: Mapping[Side, Backend]
    schema: tuple[Path, ...]
    seed: tuple[Path, ...]
    reset: tuple[str, ...]
    keep: tuple[str, ...]


def backends_of(fields: Fields, *, root: Path) -> Backends | None:
    """The backends a file defines; its paths are relative to `root` and stay inside it."""
    databases = fields.fields("databases")
    schema = _files(databases, "schema", root)
    seed = _files(databases, "seed", root)
    reset = _names(databases, "reset", _SCHEMA) or ("public",)
    keep = _names(databases, "keep", _TABLE)
    if databases is not None:
        databases.finish()
    sides = {side: _backend(inner, side, root) for side in Side if (inner := fields.fields(side, required=True))}
    fields.finish()
    complete = {side: backend for side, backend in sides.items() if backend is not None}
    return Backends(complete, schema, seed, reset, keep) if len(complete) == len(Side) else None


def _backend(fields: Fields, side: Side, root: Path) -> Backend | None:
    command, app = fields.texts("command") or (), fields.text("app")
    prepare = fields.texts("prepare") or ()
    env = fields.mapping("env") or {}
    cwd = _inside(fields, "cwd", fields.text("cwd") or ".", root)
    ready = fields.text("ready", required=True)
    fields.finish()
    if bool(command) == bool(app):
        fields.wrong(f"{side} must have either command or app")
        return None
    if app is not None and not _APP.fullmatch(app):
        fields.wrong(f"app is {app!r}, it must be module:factory", "app")
        return None
    if ready is not None and not ready.startswith("/"):
        fields.wrong("ready must be a path", "ready")
    for name in env:
        if not _VARIABLE.fullmatch(name):
            fields.wrong(f"{name!r} is no name of an environment variable", "env")
    for text in (*command, *prepare, *env.values()):
        for name in _PLACEHOLDER.findall(text):
            if name not in PLACEHOLDERS:
                fields.wrong(f"{{{name}}} is none of {', '.join(PLACEHOLDERS)}")
    if ready is None or cwd is None:
        return None
    return Backend(side, command, app, cwd, env, ready, prepare)


def _files(fields: Fields | None, key: str, root: Path) -> tuple[Path, ...]:
    names = (fields.texts(key) or ()) if fields else ()
    found = [_inside(fields, key, name, root) for name in names] if fields else []
    for path in found:
        if fields and path is not None and not path.is_file():
            fields.wrong(f"{key}: there is no file {path.name}", key)
    return tuple(path for path in found if path is not None)


def _inside(fields: Fields, key: str, name: str, root: Path) -> Path | None:
    """A path below the root, links followed; anything else is a problem."""
    path = (root / name).resolve()
    if "\0" in name or not path.is_relative_to(root.resolve()):
        fields.wrong(f"{key}: {name!r} leads out of the project", key)
        return None
    return path


def _names(fields: Fields | None, key: str, shape: re.Pattern[str]) -> tuple[str, ...]:
    names = (fields.texts(key) or ()) if fields else ()
    for name in names:
        if fields and not shape.fullmatch(name):
            fields.wrong(f"{key}: {name[:80]!r} is not a plain lower-case name", key)
    return names


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every {placeholder} replaced; other braces stay as they are."""
    return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), text)
