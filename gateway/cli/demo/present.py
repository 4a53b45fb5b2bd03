"""The short table people get once the demo runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def table(notes: dict[str, Any]) -> RenderableType:
    """Addresses, the token, and three things to try; long lines are never broken, so that they can be copied."""
    addresses = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    addresses.add_column(style="bold", no_wrap=True)
    addresses.add_column(overflow="fold")
    for name, key in (
        ("Gateway", "gateway_url"),
        ("Admin", "admin_url"),
        ("Admin token", "admin_token"),
        ("Legacy", "legacy_url"),
    ):
        addresses.add_row(name, str(notes[key]))
    lines = [
        "",
        "Try, in another terminal:",
        f"  curl -i {notes['gateway_url']}/api/lots",
        f"  {_strangler()} routes",
        f"  {_strangler()} flip lots.list shadow",
        "",
        "Ctrl-C stops everything and keeps the data.",
    ]
    return Group(addresses, Text("\n".join(lines), overflow="ignore", no_wrap=True))


def _strangler() -> str:
    """How this program is called from the current folder, whatever the PATH of the other terminal is."""
    program = Path(sys.executable).with_name("strangler")
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)
