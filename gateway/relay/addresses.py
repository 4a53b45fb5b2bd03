"""The addresses of one upstream: which there are, which of them are tried and in what order, what became of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from typing import Final

from gateway.relay.address import Address, Origin
from gateway.relay.breaker import Breaker, Miss, Rules, State
from gateway.relay.cause import Cause
from gateway.relay.figures import AddressFigures
from gateway.relay.lookup import Lookup, Resolve, resolve
from gateway.telemetry import log

BALANCE_S: Final = 1.0  # how often an address with more than its share of the connections is made to give some away
BALANCE_STEP: Final = 4  # one in so many of those that are too many: nobody is met by all at once
MOMENT_S: Final = 1.0  # for which an address that left a request unanswered comes after the others


class Addresses:
    """`name` is what the log calls the upstream; `unfit` is called with an address whose idle connections must go."""

    def __init__(
        self,
        *origins: Origin,
        name: str = "",
        rules: Rules | None = None,
        ttl_s: float = 30.0,
        resolve: Resolve = resolve,
    ) -> None:
        self.current: tuple[Address, ...] = ()
        self.misses: Counter[str] = Counter()  # by the word of their cause
        self.unfit: Callable[[Address], None] = _nobody
        self._name = name
        self._origins = tuple(dict.fromkeys(origins))
        self._rules = rules or Rules()
        self._turn = 0
        self._balanced_at = float("-inf")
        self._lookup = Lookup(
            (origin for origin in origins if origin.is_name), self._replace, ttl_s=ttl_s, resolve=resolve
        )
        self._replace()

    async def known(self, deadline: float) -> None:
        """Wait until the names have been looked up, if it is time to."""
        await self._lookup.known(deadline)

    def tick(self, now: float) -> None:
        """Do what it is time for; call it often while there are connections."""
        self._lookup.refresh(now)
        if now - self._balanced_at > BALANCE_S:
            self._balanced_at = now
            self._balance(now)

    def all_open(self, now: float) -> bool:
        """Whether no address may be tried."""
        for address in self.current:
            if address.breaker.admits(now):
                return False
        return bool(self.current)

    def closed_for_s(self, now: float) -> float:
        """Seconds until some address may be tried."""
        return min((address.breaker.closed_for_s(now) for address in self.current), default=0.0)

    def admitted(self, now: float) -> list[Address]:
        """Those that may be tried: the one with the fewest connections first, in turn among equals.

        Who has just left a request without an answer comes last: whoever tries again because of that wants another.
        """
        self._turn += 1
        first = self._turn % max(len(self.current), 1)
        in_turn = self.current[first:] + self.current[:first]
        return sorted(
            (address for address in in_turn if address.breaker.admits(now)),
            key=lambda address: (now - address.unanswered_at < MOMENT_S, address.connections),
        )

    def connected(self, address: Address) -> None:
        """A connection to it stands."""
        if address.special:
            before = address.breaker.state
            address.breaker.connected()
            self._recovered(address, before)

    def answered(self, address: Address) -> None:
        """An answer on a connection to it has begun."""
        before = address.breaker.state
        address.breaker.answered()
        self._recovered(address, before)

    def missed(self, address: Address, cause: Cause, now: float) -> None:
        """It gave no connection, or no answer."""
        self.misses[cause.word] += 1
        if cause is not address.cause:
            address.cause = cause
            self._tell("upstream_failing", address, logging.WARNING)
        if cause.miss is None:
            address.breaker.left(now)
            return
        if cause.miss is Miss.UNANSWERED:
            address.unanswered_at = now
        before = address.breaker.state
        address.special = True
        address.breaker.missed(cause.miss, now)
        if address.breaker.state is State.OPEN and before is not State.OPEN:
            self.unfit(address)
            if before is State.CLOSED:
                self._tell("upstream_breaker_opened", address, logging.WARNING)
        if cause.miss is not Miss.UNANSWERED:
            self._lookup.doubt(now)

    def figures(self) -> tuple[AddressFigures, ...]:
        """What is to be seen from outside."""
        return tuple(
            AddressFigures(str(one), one.breaker.state, one.breaker.opened, one.connections) for one in self.current
        )

    async def aclose(self) -> None:
        """Look nothing up any more."""
        await self._lookup.aclose()

    def _recovered(self, address: Address, before: State) -> None:
        if address.breaker.misses:
            return
        if before is not State.CLOSED:
            self._tell("upstream_breaker_closed", address, logging.INFO)
        address.cause = None

    def _replace(self) -> None:
        """The addresses are others now; those that stay keep their breakers and connections."""
        gone = {(address.origin, address.host): address for address in self.current}
        self.current = tuple(
            gone.pop((origin, host)) if (origin, host) in gone else Address(origin, host, Breaker(self._rules))
            for origin in self._origins
            for host in (self._lookup.hosts.get(origin, ()) if origin.is_name else (origin.host,))
        )
        for address in gone.values():
            address.retired = address.special = True
            self.unfit(address)
        if any(origin.is_name for origin in self._origins) and self.current:
            log("upstream_addresses", upstream=self._name, addresses=[str(address) for address in self.current])

    def _balance(self, now: float) -> None:
        """Mark what an address has too much: connections are kept, so one that comes back would never get any."""
        able = [address for address in self.current if address.breaker.admits(now)]
        if len(able) < 2:
            return
        fair = -(-sum(address.connections for address in able) // len(able))
        sure = all(address.breaker.state is State.CLOSED for address in able)  # else one connection finds out
        for address in able:
            excess = max(address.connections - fair, 0)
            address.surplus = -(-excess // BALANCE_STEP) if sure else min(excess, 1)
            address.special = address.special or excess > 0

    def _tell(self, event: str, address: Address, level: int) -> None:
        """Write to the log, in the name of no request: what happens to an address is seen by whoever comes by."""
        code = None if address.cause is None else address.cause.word
        Context().run(lambda: log(event, level=level, upstream=self._name, address=str(address), code=code))


def _nobody(address: Address) -> None:
    """Nobody keeps connections to it."""
