"""What a production run may be."""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import UUID

from services.kit import fields

STATUSES: Final = frozenset({"ACTIVE", "COMPLETED", "CANCELLED"})

status = partial(fields.choice, STATUSES)


def run_code(value: object) -> str:
    """1 to 100 characters, as a lot's code."""
    return fields.text(value, shortest=1, longest=100)


def run_id(written: str) -> UUID | None:
    """The id, or None when the text is no uuid."""
    try:
        return fields.identifier(written)
    except ValueError:
        return None
