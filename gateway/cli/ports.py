"""Whether an address can be listened on, asked before anything is started."""

from __future__ import annotations

import socket

from gateway.cli.output import Code, Trouble
from gateway.settings.addresses import why_not_listen


def insist_on_free(addresses: dict[str, tuple[str, int]]) -> None:
    """Raise Trouble with one sentence for every option whose address cannot be had."""
    problems = [_double(addresses)] if _double(addresses) else []
    for option, (host, port) in addresses.items():
        problem = why_not(host, port, option)
        if problem:
            problems.append(problem)
    if problems:
        raise Trouble(Code.WRONG, "address_not_free", "\n".join(problems), problems=problems)


def why_not(host: str, port: int, option: str) -> str | None:
    """Say why nothing can listen there, naming the port and the option; None when it can."""
    try:
        # the first address counts, as it does for asyncio when a name has several of one family
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return f"{why_not_listen(error, host, port)}; choose another with {option}"
    return None


def free_port(host: str) -> int:
    """A port nobody listens on at this moment."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        return int(probe.getsockname()[1])


def _double(addresses: dict[str, tuple[str, int]]) -> str:
    seen: dict[tuple[str, int], str] = {}
    for option, address in addresses.items():
        if address[1] and address in seen:
            return f"{seen[address]} and {option} name the same address {address[0]}:{address[1]}"
        seen[address] = option
    return ""
