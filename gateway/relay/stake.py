"""What a connection of its owner's own, outside the pool, has to do with the address it leads to.

It counts among its connections for as long as it is open, and what became of its request counts for the breaker.
"""

from __future__ import annotations

import asyncio

from gateway.relay.address import Address
from gateway.relay.addresses import Addresses
from gateway.relay.cause import Cause
from gateway.relay.trouble import Trouble


class Stake:
    """One open connection's: say `answered`, `missed` or `left` once, and `over` when it is gone."""

    __slots__ = ("_address", "_addresses", "_open")

    def __init__(self, addresses: Addresses, address: Address) -> None:
        self._addresses = addresses
        self._address = address
        self._open = True
        address.connections += 1

    @property
    def choices(self) -> int:
        """How many addresses there are to choose from."""
        return len(self._addresses.current)

    def answered(self) -> None:
        """The origin has answered, whatever it was."""
        self._addresses.answered(self._address)

    def missed(self, cause: Cause) -> None:
        """The origin has not answered."""
        self._addresses.missed(self._address, cause, asyncio.get_running_loop().time())

    def left(self) -> None:
        """Whoever asked does not wait any more."""
        self._address.breaker.left(asyncio.get_running_loop().time())

    def over(self) -> None:
        """The connection is gone."""
        if self._open:
            self._open = False
            self._address.connections -= 1


def tell(stake: Stake, trouble: Trouble | None) -> None:
    """What became of the request: None when an answer has begun, and what is no answer says nothing, as in the pool."""
    match trouble:
        case None:
            stake.answered()
        case Trouble.RESET:
            stake.missed(Cause.RESET)
        case Trouble.TIMEOUT:
            stake.missed(Cause.TIMEOUT)
        case _:
            stake.left()


class Staked:
    """A protocol that `dial` hands its stake to, before anybody uses the connection."""

    __slots__ = ()

    def hold(self, stake: Stake) -> None:
        """Keep it, and end it with the connection, which may be gone already."""
        raise NotImplementedError
