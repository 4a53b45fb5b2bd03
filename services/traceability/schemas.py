"""What a trace looks like on the wire."""

from __future__ import annotations

from enum import IntEnum
from typing import TypedDict

from services.kit.wire import WireRow


class Kin(IntEnum):
    """What a lot is to the lot that was asked for."""

    CENTRAL = 0
    PARENT = 1
    CHILD = 2


class Trace(TypedDict):
    """A lot with the lots it was made of and the lots made of it; the order is the order of the keys."""

    central: WireRow
    parents: list[WireRow]
    children: list[WireRow]
