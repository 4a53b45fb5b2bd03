"""Reads the settings from where they are said, and says in sentences what is wrong with them."""

from __future__ import annotations

from difflib import get_close_matches
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
    except OSError as error:
        return [f"{FILE} cannot be read: {error.strerror}"]
    except (ValueError, TypeError):  # no text, a list where keys belong
        return [f"{FILE} holds no keys and values: write one `name: value` to a line"]


def _sentence(where: tuple[int | str, ...], message: str, kind: str) -> str:
    name = str(where[0]) if where else "settings"
    option, variable = f"--{name.replace('_', '-')}", f"STRANGLER_{name.upper()}"
    if kind == "missing":
        return f"{name} is missing: give {option}, {variable} or `{name}:` in {FILE}"
    if kind == "extra_forbidden":
        near = get_close_matches(name, Settings.model_fields, 1)
        return f"{name} is not a setting" + (f"; is {near[0]} meant?" if near else "")
    said = message.removeprefix("Value error, ").replace("Input should", "this should", 1)
    return f"{name}: {said} ({option}, {variable} or {FILE})"
