"""What a QC decision may be."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Final

from services.kit import fields

DECISIONS: Final = frozenset({"PASS", "HOLD", "FAIL"})
SHORTEST_NOTES: Final = 10

decision = partial(fields.choice, DECISIONS)


def temperature_c(value: object) -> Decimal:
    """-50 to 100 degrees with one decimal."""
    return fields.decimal(value, lowest=-50, highest=100, places=1)


def is_explained(chosen: str, notes: str | None) -> bool:
    """Say whether the notes are enough: HOLD and FAIL need 10 characters, blanks at the ends not counted."""
    return chosen == "PASS" or len((notes or "").strip()) >= SHORTEST_NOTES


def raises_alert(chosen: str) -> bool:
    """Say whether somebody has to hear of it at once."""
    return chosen in ("HOLD", "FAIL")
