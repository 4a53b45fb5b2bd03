"""Rows of the database as JSON and back, with every digit: two numbers that are one double are two to PostgreSQL."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def read(text: str) -> Any:
    """What PostgreSQL's `to_jsonb` says."""
    return json.loads(text, parse_float=Decimal)


def written(value: Any) -> str:
    """The same text for equal rows; a number with a point is its digits in quotes, which PostgreSQL reads as well."""
    return json.dumps(value, sort_keys=True, default=str)
