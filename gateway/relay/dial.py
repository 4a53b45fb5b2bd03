"""One new connection to an upstream, to whichever of its addresses gives one first (RFC 8305, the simple part of it).

The next address is tried when the one before has refused, or has said nothing for a moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic

from gateway.relay.address import Address, P
from gateway.relay.addresses import Addresses
from gateway.relay.cause import Cause, cause_of
from gateway.relay.stake import Stake, Staked
from gateway.relay.trouble import Trouble

HEAD_START_S: Final = 0.25  # of an address before the next is tried beside it; RFC 8305 section 8 recommends it
TLS_HEAD_START_S: Final = 1.0  # a handshake is three round trips and some arithmetic


@dataclass(frozen=True, slots=True)
class Reached(Generic[P]):
    """A connection, and the address it leads to."""

    address: Address
    transport: asyncio.Transport
    protocol: P


async def dial(addresses: Addresses, make: Callable[[], P], *, deadline: float) -> Reached[P] | Trouble:
    """Connect by `deadline`, a time of the loop. `make` is called once for each attempt."""
    await addresses.known(deadline)
    if not addresses.current:
        addresses.misses[Cause.UNKNOWN_NAME.word] += 1
        return Trouble.UNREACHABLE
    race = _Race(addresses, make)
    try:
        return await race.run(deadline)
    finally:
        race.end()


class _Race(Generic[P]):
    def __init__(self, addresses: Addresses, make: Callable[[], P]) -> None:
        self._loop = asyncio.get_running_loop()
        self._addresses = addresses
        self._make = make
        self._waiting = deque(addresses.admitted(self._loop.time()))
        self._running: dict[asyncio.Task[tuple[asyncio.Transport, P]], tuple[Address, float]] = {}  # and since when
        self._decided = False

    async def run(self, deadline: float) -> Reached[P] | Trouble:
        trouble = Trouble.UNAVAILABLE
        while self._start_next():
            trouble = Trouble.UNREACHABLE
            ended, _ = await asyncio.wait(
                self._running, timeout=self._pause(deadline), return_when=asyncio.FIRST_COMPLETED
            )
            for task in ended:
                reached = self._outcome(task)
                if reached is not None:
                    self._decided = True
                    return reached
            if self._loop.time() >= deadline:
                self._decided = True
                return Trouble.CONNECT_TIMEOUT
        return trouble

    def end(self) -> None:
        """Give up the attempts under way. One that was given its time has missed, unless the caller just left."""
        now = self._loop.time()
        for task, (address, begun) in self._running.items():
            task.cancel()
            task.add_done_callback(_hang_up)
            if self._decided and not task.done() and now - begun >= _head_start(address):
                self._addresses.missed(address, Cause.CONNECT_TIMEOUT, now)
            else:
                address.breaker.left(now)

    def _start_next(self) -> bool:
        """Try one more address; false when none is being tried."""
        now = self._loop.time()
        while self._waiting:
            address = self._waiting.popleft()
            if address.breaker.admit(now):
                self._running[self._loop.create_task(address.connect(self._make))] = (address, now)
                break
        return bool(self._running)

    def _pause(self, deadline: float) -> float:
        left = max(deadline - self._loop.time(), 0)
        if not self._waiting:
            return left
        return min(left, max(_head_start(address) for address, _ in self._running.values()))

    def _outcome(self, task: asyncio.Task[tuple[asyncio.Transport, P]]) -> Reached[P] | None:
        address, _ = self._running.pop(task)
        try:
            transport, protocol = task.result()
        except OSError as error:
            self._addresses.missed(address, cause_of(error), self._loop.time())
            return None
        self._addresses.connected(address)
        if isinstance(protocol, Staked):
            protocol.hold(Stake(self._addresses, address))
        return Reached(address, transport, protocol)


def _head_start(address: Address) -> float:
    return HEAD_START_S if address.origin.tls is None else TLS_HEAD_START_S


def _hang_up(task: asyncio.Task[tuple[asyncio.Transport, P]]) -> None:
    """A connection that nobody waits for any more."""
    if not task.cancelled() and task.exception() is None:
        transport, _ = task.result()
        transport.abort()
