"""The data plane's parts, made from the settings: transports, the mirror, the ledger, the gateway over them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from secrets import token_hex

from gateway.app.opening import CannotStart
from gateway.diff.rules import Rules
from gateway.message import Side
from gateway.proxy.app import Gateway, Limits
from gateway.proxy.figures import Figures
from gateway.proxy.ledger import Ledger
from gateway.proxy.line_writer import LineWriter
from gateway.proxy.outbound import Addressing
from gateway.relay.breaker import Rules as BreakerRules
from gateway.rollout.plan import Live
from gateway.settings import Settings
from gateway.shadow.finding import EvidenceSink
from gateway.shadow.mirror import Mirror
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import App, InProcess
from gateway.upstream.lifespan import lifespan
from gateway.upstream.reach import Reach, own_url
from gateway.upstream.transport import Transport


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The parts that serve clients in this process."""

    gateway: Gateway
    figures: Figures


@dataclass(frozen=True, slots=True)
class Needs:
    """What the data plane takes from the process around it; `new_app` is a new side that runs in this process."""

    settings: Settings
    live: Live
    evidence: EvidenceSink
    rules: Callable[[str], Rules]
    new_app: App | None


async def data_plane(needs: Needs, parts: AsyncExitStack) -> DataPlane:
    """Start every part in order; leaving `parts` ends them in the reverse one."""
    settings = needs.settings
    ledger = _ledger(settings, parts)
    origins = {Side.LEGACY: settings.legacy}
    if settings.new is not None and needs.new_app is None:
        origins[Side.NEW] = settings.new
    front, behind = _transports(settings, origins), _transports(settings, origins)
    if needs.new_app is not None:
        state = await parts.enter_async_context(lifespan(needs.new_app))
        in_process = InProcess(needs.new_app, state=state, idle_timeout_s=settings.idle_timeout_s)
        front[Side.NEW] = behind[Side.NEW] = in_process
    for transport in {*front.values(), *behind.values()}:
        parts.push_async_callback(transport.aclose)
    mirror = _mirror(needs, behind)
    mirror.start()
    parts.push_async_callback(mirror.aclose)
    gateway = Gateway(
        live=needs.live,
        transports=front,
        origins=origins,
        addressing=Addressing.of(
            f"strangler-{token_hex(4)}",
            own_url(settings.legacy),
            own_url(origins[Side.NEW]) if Side.NEW in origins else None,
            settings.legacy_host,
        ),
        mirror=mirror,
        limits=Limits(settings.timeout_s, settings.connect_timeout_s, settings.capture_bytes),
        trusted=settings.trusted_proxies,
        names_side=settings.side_header,
    )
    return DataPlane(gateway, Figures(ledger, needs.live, mirror, pools=lambda: ()))


def _transports(settings: Settings, origins: dict[Side, str]) -> dict[Side, Transport]:
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
            max_connections=settings.max_connections,
            max_waiting=settings.max_waiting,
            max_wait_s=settings.max_wait_s,
            reach=Reach(trusted[side], settings.dns_ttl_s, rules),
        )
        for side, origin in origins.items()
    }


def _mirror(needs: Needs, transports: dict[Side, Transport]) -> Mirror:
    settings = needs.settings
    return Mirror(
        transports,
        needs.rules,
        needs.evidence,
        queue=settings.shadow_queue,
        held_bytes=settings.shadow_bytes,
        concurrency=settings.shadow_concurrency,
        timeout_s=settings.shadow_timeout_s,
        cap=settings.capture_bytes,
    )


def _ledger(settings: Settings, parts: AsyncExitStack) -> Ledger:
    if not settings.access_log:
        return Ledger()
    try:
        writer = LineWriter(settings.access_log_file)
    except OSError as error:
        raise CannotStart([f"--access-log-file {settings.access_log_file}: {error.strerror}"]) from error
    parts.push_async_callback(asyncio.to_thread, writer.close)
    return Ledger(share=settings.access_log, write=writer.write)
