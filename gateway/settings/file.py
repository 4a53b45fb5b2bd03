"""The file of settings, as the commands read it that need one key of it and start no gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

FILE: Final = Path("strangler.yaml")


def one_of_file(name: str) -> Any:
    """One key of the file, None without it; a broken file is for whoever reads all of it to complain about."""
    try:
        text = FILE.read_text()
    except (OSError, ValueError):
        return None
    import yaml  # here, because most folders have no such file, and a command should not wait for what it does not read

    try:
        content = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return None
    return content.get(name) if isinstance(content, dict) else None
