"""The demo's admin token."""

from typing import Any


def working_token(admin_url: str, database_url: str, notes: dict[str, Any]) -> str:
    """The token of demo.json if it still opens the admin plane, else a new one."""
    return "x"
