"""With whose rights rows are looked at again: the connection's own, or the caller's where those do not show the rows.

Row level security may hide a row from either; what is not shown is then nobody's to judge.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

NOT_ALLOWED: Final = "42501"  # SQLSTATE insufficient_privilege
CALLER: Final = "current_setting('role') AS role, coalesce(current_setting('request.jwt.claims', true), '') AS claims"
_HIDING: Final = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) AS of(name)"
    " WHERE NOT has_table_privilege(name, 'SELECT') OR row_security_active(name)"
)
_AS: Final = text("SELECT set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)")
_NOBODY: Final = {"role": "none", "claims": ""}


@dataclass(frozen=True, slots=True)
class Rights:
    """The role and the claims that a handler's statements had at its end."""

    role: str = "none"
    claims: str = ""

    @asynccontextmanager
    async def taken(self, connection: AsyncConnection, tables: Collection[str]) -> AsyncIterator[frozenset[str]]:
        """Look at these tables, which the connection's own rights do not show; those that may still hide rows."""
        if not tables:
            yield frozenset()
            return
        await connection.execute(_AS, {"role": self.role, "claims": self.claims})
        yield frozenset(await connection.scalars(_HIDING, {"names": sorted(tables)}))
        await connection.execute(_AS, _NOBODY)
