"""The data plane's parts, made from the settings: transports, the mirror, the ledger, the gateway over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING

from gateway.db.rollbacks import RollbackStore
from gateway.diff.rules import Rules
from gateway.message import Side
from gateway.proxy.app import Gateway, Limits
from gateway.proxy.figures import Figures, Shown
from gateway.proxy.ledger import Ledger
from gateway.proxy.outbound import Addressing
from gateway.proxy.peer import Trust
from gateway.relay.breaker import Rules as BreakerRules
from gateway.rollout.override import Overrides
from gateway.rollout.plan import Live
from gateway.settings.headers import header_line
from gateway.settings.model import Settings
from gateway.shadow.finding import EvidenceSink, Found
from gateway.shadow.mirror import Bounds, Mirror
from gateway.shadow.record import Recorder
from gateway.shadow.rehearsals import Rehearsals
from gateway.shadow.way import Way
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import InProcess
from gateway.upstream.reach import Reach, own_url
from gateway.upstream.transport import Transport

if TYPE_CHECKING:  # it imports OpenTelemetry, which need not be there
    from gateway.proxy.tracing.spans import Tracing


@dataclass(frozen=True, slots=True)
class Needs:
    """What the data plane takes from the process around it."""

    live: Live
    evidence: EvidenceSink
    rules: Callable[[str], Rules]
    recorder: Recorder
    rollbacks: RollbackStore | None = None
    heard: Callable[[Found], None] = lambda _: None  # what was found by comparing


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The parts that serve clients in this process; `front` has the clients' connections, `behind` the copies'."""

    gateway: Gateway
    figures: Figures
    mirror: Mirror
    front: Mapping[Side, Transport]
    behind: Mapping[Side, Transport]

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way, or waits for a connection."""
        shown = [pool for _, _, pool in _pools(clients=self.front)]
        return any(pool.busy or pool.connecting or pool.waiting for pool in shown)

    async def retire(self) -> None:
        """End the copies. A request that began here may ask a side yet: clients' connections end when they are idle."""
        if self.gateway.rehearsals is not None:
            await self.gateway.rehearsals.aclose()
        await self.mirror.aclose()
        await _close(self.behind)

    async def aclose(self) -> None:
        """End the copies, then the connections; a new side in this process goes on."""
        await self.retire()
        await _close(self.front)


async def _close(transports: Mapping[Side, Transport]) -> None:
    for transport in transports.values():
        if isinstance(transport, HttpTransport):
            await transport.aclose()


def data_plane(
    settings: Settings, needs: Needs, *, ledger: Ledger, tracing: Tracing | None, new: InProcess | None
) -> DataPlane:
    """Make the parts and start the mirror; call it in the running loop. OSError when a file cannot be read.

    `new` is a new side that runs in this process.
    """
    origins = {Side.LEGACY: settings.legacy}
    if settings.new is not None and new is None:
        origins[Side.NEW] = settings.new
    front = _transports(settings, origins, connections=settings.max_connections)
    behind = _transports(settings, origins, connections=settings.shadow_concurrency)
    if new is not None:
        front[Side.NEW] = behind[Side.NEW] = new
    mirror = _mirror(settings, needs, _ways(settings, front, behind))
    mirror.start()
    rehearsals = None if new is None else _rehearsals(settings, new, mirror)
    gateway = Gateway(
        live=needs.live,
        transports=front,
        origins=origins,
        addressing=_addressing(settings, origins),
        mirror=mirror,
        limits=Limits(
            settings.timeout_s, settings.connect_timeout_s, settings.capture_bytes, settings.websocket_idle_s
        ),
        trust=Trust(settings.trusted_proxies, settings.trusted_header),
        names_side=settings.side_header,
        ledger=ledger,
        overrides=_overrides(settings),
        tracing=tracing,
        rehearsals=rehearsals,
    )
    figures = Figures(ledger, needs.live, mirror, pools=lambda: _pools(clients=front, copies=behind))
    if new is not None:
        figures = replace(figures, unsafe=new.unsafe)
    return DataPlane(gateway, figures, mirror, front, behind)


def _addressing(settings: Settings, origins: Mapping[Side, str]) -> Addressing:
    new = own_url(origins[Side.NEW]) if Side.NEW in origins else None
    return Addressing.of(f"strangler-{token_hex(4)}", own_url(settings.legacy), new, settings.legacy_host)


def _overrides(settings: Settings) -> Overrides | None:
    secret = settings.override_secret
    return None if secret is None else Overrides(secret.get_secret_value())


def _pools(**transports: Mapping[Side, Transport]) -> Iterator[Shown]:
    """What the pools show; a side in this process has none."""
    for pool, by_side in transports.items():
        for side, transport in by_side.items():
            if isinstance(transport, HttpTransport):
                yield side, pool, transport.pool.figures()


def _transports(settings: Settings, origins: dict[Side, str], *, connections: int) -> dict[Side, Transport]:
    """One transport a side; called twice, because copies must not use up the clients' connections."""
    rules = BreakerRules(settings.breaker_misses, settings.breaker_open_s, settings.breaker_longest_s)
    trusted = {Side.LEGACY: settings.legacy_ca, Side.NEW: settings.new_ca}
    return {
        side: HttpTransport(
            origin,
            side=side,
            connect_timeout_s=settings.connect_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
            body_idle_timeout_s=settings.upload_timeout_s,
            max_connections=connections,
            max_waiting=settings.max_waiting,
            max_wait_s=settings.max_wait_s,
            reach=Reach(trusted[side], settings.dns_ttl_s, rules),
        )
        for side, origin in origins.items()
    }


def _ways(settings: Settings, front: Mapping[Side, Transport], behind: Mapping[Side, Transport]) -> dict[Side, Way]:
    """How copies reach the sides; one that clients cannot reach is not asked for its opinion either."""

    def left_alone(transports: list[HttpTransport]) -> bool:
        return any(one.left_alone for one in transports)

    lines = {Side.LEGACY: settings.shadow_headers_legacy, Side.NEW: settings.shadow_headers_new}
    return {
        side: Way(
            side,
            transport,
            tuple(header_line(line.get_secret_value()) for line in lines[side]),
            partial(left_alone, [one for one in (transport, front[side]) if isinstance(one, HttpTransport)]),
        )
        for side, transport in behind.items()
    }


def _rehearsals(settings: Settings, new: InProcess, mirror: Mirror) -> Rehearsals:
    return Rehearsals(
        new,
        mirror,
        budget_s=settings.shadow_write_s,
        concurrency=settings.shadow_concurrency,
        cap=settings.capture_bytes,
    )


def _mirror(settings: Settings, needs: Needs, ways: Mapping[Side, Way]) -> Mirror:
    bounds = Bounds(
        queue=settings.shadow_queue,
        held_bytes=settings.shadow_bytes,
        concurrency=settings.shadow_concurrency,
        timeout_s=settings.shadow_timeout_s,
        cap=settings.capture_bytes,
        rechecks=settings.shadow_rechecks,
    )
    return Mirror(ways, needs.rules, needs.evidence, bounds, needs.recorder, needs.heard)
