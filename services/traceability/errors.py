"""What a trace may be refused with."""

from __future__ import annotations

from typing import Final

from services.kit.errors import Refusal

LOT_NOT_FOUND: Final = Refusal(404, "Lot not found")
