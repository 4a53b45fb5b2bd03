"""How the neighbours of a lot become a trace."""

from __future__ import annotations

from collections.abc import Iterable

from services.kit.wire import WireRow
from services.traceability.schemas import Kin, Trace


def can_exist(code: str) -> bool:
    """Say whether a lot may have this code at all: PostgreSQL stores no NUL."""
    return "\0" not in code


def arrange(kin: Iterable[tuple[Kin, WireRow]]) -> Trace | None:
    """Sort a lot and its neighbours into a trace, keeping their order; None when the lot is missing."""
    central: WireRow | None = None
    parents: list[WireRow] = []
    children: list[WireRow] = []
    for relation, lot in kin:
        match relation:
            case Kin.CENTRAL:
                central = lot
            case Kin.PARENT:
                parents.append(lot)
            case Kin.CHILD:
                children.append(lot)
    return None if central is None else {"central": central, "parents": parents, "children": children}
