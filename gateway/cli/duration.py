"""How a length of time is written: `90s`, `15m`, `1.5h`, `2d`. Pure."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def parse_duration(text: str) -> float | None:
    """The seconds, None for what is not written so."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([smhd])", text.strip(), re.ASCII)
    return float(found[1]) * _UNITS[found[2]] if found else None


def show_duration(seconds: float) -> str:
    """The seconds as people write them, in the largest unit that is exact."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"
