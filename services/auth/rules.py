"""Which emails can be somebody's."""

from __future__ import annotations


def email(value: object) -> str | None:
    """The email, or None when the value can be nobody's: not a text, or one PostgreSQL cannot store."""
    return value if isinstance(value, str) and "\0" not in value else None
