"""Rows of the database as JSON and back, with every digit: two numbers that are one double are two to PostgreSQL."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID


def read(text: str) -> Any:
    """What PostgreSQL's `to_jsonb` says."""
    return json.loads(text, parse_float=Decimal)


def written(value: Any) -> str:
    """The same text for equal rows; a number with a point is its digits in quotes, which PostgreSQL reads as well."""
    return json.dumps(value, sort_keys=True, default=str)


def is_id(value: str) -> bool:
    """Whether a text is a UUID: what nobody draws twice."""
    try:
        return bool(UUID(value))
    except ValueError:
        return False
