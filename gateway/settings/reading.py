"""Reads the settings from where they are said, and says in sentences what is wrong with them."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from yaml import YAMLError

from gateway.settings.file import FILE
from gateway.settings.model import Settings


def read_settings(**options: Any) -> Settings | list[str]:
    """Read the settings; options that are None count as not given. Problems come back as sentences."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        return [_sentence(item["loc"], item["msg"], item["type"]) for item in error.errors()]
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [f"{FILE}{f':{mark.line + 1}' if mark else ''}: this is not YAML"]
    except (OSError, ValueError, TypeError) as error:  # a folder, no text, a list where keys belong
        return [f"{FILE} cannot be read: {type(error).__name__}"]


def _sentence(where: tuple[int | str, ...], message: str, kind: str) -> str:
    name = str(where[0]) if where else "settings"
    option, variable = f"--{name.replace('_', '-')}", f"STRANGLER_{name.upper()}"
    if kind == "missing":
        return f"{name} is missing: give {option}, {variable} or `{name}:` in {FILE}"
    if kind == "extra_forbidden":
        return f"{name} is not a setting"
    return f"{name}: {message.removeprefix('Value error, ')} ({option}, {variable} or {FILE})"
