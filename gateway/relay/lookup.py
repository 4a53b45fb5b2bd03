"""Keeps the hosts behind the names of origins: asked again and again, and kept as they were when nobody answers."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Final

from gateway.relay.address import Origin
from gateway.telemetry import log

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

AGAIN_S: Final = 1.0  # after a failure, or when a known host gave no connection
PATIENCE_S: Final = 1.0  # of a caller who could go on with what was known before
LOOKUP_S: Final = 10.0  # the system's resolver gives up in its own time, usually sooner


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system, which knows /etc/hosts, DNS and the order of preference (RFC 6724)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class Lookup:
    """`hosts` has those of each name; `changed` is called when they are others than before."""

    def __init__(
        self, names: Iterable[Origin], changed: Callable[[], None], *, ttl_s: float, resolve: Resolve = resolve
    ) -> None:
        self.hosts: dict[Origin, tuple[str, ...]] = {}
        self._names = tuple(names)
        self._unknown: set[Origin] = set()  # those whose last lookup gave nothing
        self._changed = changed
        self._ttl_s = ttl_s
        self._resolve = resolve
        self._due = self._soonest = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def refresh(self, now: float) -> bool:
        """Ask when it is time to; whether it was."""
        if not self._names or self._asking is not None or now < self._due:
            return False
        self._due, self._soonest = now + self._ttl_s, now + AGAIN_S
        self._asking = asyncio.create_task(self._ask(), context=Context())  # it belongs to nobody's request
        return True

    def doubt(self, now: float) -> None:
        """What is known was of no use: perhaps the origin has moved."""
        self._due = min(self._due, max(now, self._soonest))
        self.refresh(now)

    async def known(self, deadline: float) -> None:
        """Wait for what is being asked: briefly by who has asked, longer while a name has never had a host."""
        now = asyncio.get_running_loop().time()
        missing = len(self.hosts) < len(self._names)
        if (self.refresh(now) or missing) and self._asking is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline if not self.hosts else min(deadline, now + PATIENCE_S)):
                    await asyncio.shield(self._asking)

    async def aclose(self) -> None:
        """Ask no more."""
        self._names = ()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            await asyncio.gather(*map(self._ask_for, self._names))
        finally:
            self._asking = None
        if self._unknown:
            self._due = min(self._due, asyncio.get_running_loop().time() + AGAIN_S)

    async def _ask_for(self, origin: Origin) -> None:
        found: Sequence[str] = ()
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError) as error:  # a name that cannot even be asked for is a UnicodeError
            if origin not in self._unknown:
                log("origin_lookup_failed", level=logging.WARNING, host=origin.host, error=type(error).__name__)
        if not found:
            self._unknown.add(origin)
            return
        self._unknown.discard(origin)
        hosts = tuple(dict.fromkeys(found))
        if hosts != self.hosts.get(origin):
            self.hosts[origin] = hosts
            self._changed()  # at once: whoever comes now does not wait any more
