"""The one statement behind a trace, so that its three parts come from one snapshot."""

from __future__ import annotations

from sqlalchemy import ColumnElement, DateTime, Select, bindparam, literal, null, select, union_all

from services.kit.unit import ReadSession
from services.kit.wire import WireRow
from services.traceability.schemas import Kin
from services.traceability.tables import LOT, genealogy, lots

_asked = lots.alias("asked")
_is_asked = _asked.c.lot_code == bindparam("code")


def _kin(relation: Kin, link: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    lot_id, asked_id = genealogy.c.parent_lot_id, genealogy.c.child_lot_id
    if relation is Kin.CHILD:
        lot_id, asked_id = asked_id, lot_id
    return (
        select(literal(int(relation)).label("relation"), genealogy.c.linked_at, *LOT.columns)
        .join_from(lots, genealogy, lot_id == lots.c.id)
        .join(_asked, _asked.c.id == asked_id)
        .where(link)
    )


_CENTRAL = select(
    literal(int(Kin.CENTRAL)).label("relation"),
    null().cast(DateTime(timezone=True)).label("linked_at"),
    *LOT.columns,
).where(lots.c.lot_code == bindparam("code"))
_NEIGHBOURS = union_all(_CENTRAL, _kin(Kin.PARENT, _is_asked), _kin(Kin.CHILD, _is_asked)).order_by(
    "relation", "linked_at"
)


async def neighbours(session: ReadSession, code: str) -> list[tuple[Kin, WireRow]]:
    """The lot of this code, its parents and its children, each in the order they were linked."""
    rows = await session.rows(_NEIGHBOURS, {"code": code})
    return [(Kin(relation), LOT.row(lot)) for relation, _, *lot in rows]
