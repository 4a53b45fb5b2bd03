"""What a lot may be. Each function reads one field or says in what way it is wrong."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Final

from services.kit import fields

TYPES: Final = frozenset({"RAW", "DEB", "BULK", "MIX", "SKW", "FRZ", "FG"})

lot_type = partial(fields.choice, TYPES)


def lot_code(value: object) -> str:
    """1 to 100 characters."""
    return fields.text(value, shortest=1, longest=100)


def weight_kg(value: object) -> Decimal:
    """0 to 10000 kg with two decimals."""
    return fields.decimal(value, lowest=0, highest=10_000, places=2)


def temperature_c(value: object) -> Decimal:
    """-50 to 100 degrees with one decimal."""
    return fields.decimal(value, lowest=-50, highest=100, places=1)
