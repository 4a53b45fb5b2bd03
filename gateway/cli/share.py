"""How a share is written: `5%` is a percentage, `500` counts 1/10,000; nothing else is accepted. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

WHOLE = 10_000  # the same count as gateway/rollout/flag.py


def parse_share(text: str) -> int | str:
    """The share in 1/10,000, or a sentence that says what is wrong with the text."""
    percentage = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*%", text.strip(), re.ASCII)
    if percentage:
        exact = Decimal(percentage[1]) * 100
        if exact != exact.to_integral_value():
            return f"{text!r} is finer than 0.01%, the smallest share there is"
        share = int(exact)
    elif re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        share = int(text)
    else:
        return f"{text!r} is no share: write a percentage with its sign (5%, 0.01%) or a count of 1/10,000 (500)"
    if share > WHOLE:
        return f"{text!r} is more than everything: a share ends at 100% or {WHOLE}"
    return share


def show_share(share: int) -> str:
    """The share as people write it: `5%`, `0.01%`."""
    return f"{Decimal(share) / 100:f}".rstrip("0").rstrip(".") + "%" if share % 100 else f"{share // 100}%"
