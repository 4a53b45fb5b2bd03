"""Lets the sentinel hear what is found on its way to the store. It looks into nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.app.watch.sentinel import Sentinel
from gateway.shadow.finding import EvidenceSink, Found
from gateway.shadow.served import ServedKind


class Overheard:
    """A sink that lets the sentinel hear what is found, and passes it on."""

    def __init__(self, sink: EvidenceSink, sentinel: Sentinel) -> None:
        self._sink, self._heard = sink, sentinel.heard

    async def store(self, findings: Sequence[Found]) -> None:
        """Tell both; the sentinel also hears what the store loses."""
        self._heard(findings)
        await self._sink.store(findings)

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        """What nobody compared tells the sentinel nothing."""
        await self._sink.store_served(kinds)
