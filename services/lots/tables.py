"""The table of this domain and its form on the wire."""

from __future__ import annotations

from services.kit.tables import lots
from services.kit.wire import WireTable

LOT = WireTable(lots)

__all__ = ["LOT", "lots"]
