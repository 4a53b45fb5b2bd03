"""What a login may be refused with."""

from __future__ import annotations

from typing import Final

from services.kit.errors import Refusal

USER_NOT_FOUND: Final = Refusal(401, "User not found")
NO_SECRET: Final = Refusal(503, "This server issues no tokens")
