"""The pools: one whose connections cannot write, one for units of work that may, one for those that are rehearsed.

A read is one statement, which PostgreSQL wraps in a transaction of its own: no BEGIN and no COMMIT to
wait for. What may be done inside is decided by `unit.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.kit.json import document_text
from services.kit.keys import KnownKeys

_CONNECT_TIMEOUT_S = 5
_POOL_TIMEOUT_S = 10.0


class Database:
    """Connections are made when they are first needed, so that an app starts without its database."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self.readers = _engine(
            url,
            pool_size,
            "-c default_transaction_read_only=on",
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,  # a finished statement leaves nothing open to roll back
        )
        self.writers = _engine(url, pool_size, "")
        # a rehearsal keeps its connection until legacy has answered, and must not keep a client's write from one
        self.rehearsals = _engine(url, pool_size, "", isolation_level="REPEATABLE READ")
        self.keys = KnownKeys()

    async def aclose(self) -> None:
        """Close every pooled connection."""
        await self.readers.dispose()
        await self.writers.dispose()
        await self.rehearsals.dispose()


def _engine(url: URL, pool_size: int, options: str, **extra: Any) -> AsyncEngine:
    asked = url.query.get("options", "")
    given = asked if isinstance(asked, str) else " ".join(asked)
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        hide_parameters=True,  # an error's text reaches the log, people's data must not
        json_serializer=document_text,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "application_name": "strangler-services",
            "options": f"{given} {options}".strip(),
        },
        **extra,
    )
