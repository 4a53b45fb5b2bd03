"""What has to be there before anything is started: contracts, the new side's app, the addresses."""

from __future__ import annotations

import socket

from gateway.contract.load import Contracts, load
from gateway.proxy.server import bind
from gateway.settings import Settings, is_origin, split_address
from gateway.upstream.inprocess import App
from gateway.upstream.load import NotLoadable, load_app


class CannotStart(Exception):  # noqa: N818 - it says what happened
    """Nothing was started; `problems` are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def contracts_of(settings: Settings) -> Contracts | None:
    """The contracts, None without a folder of them."""
    folder = settings.contracts_folder
    if folder is None:
        return None
    loaded = load(folder)
    if isinstance(loaded, Contracts):
        return loaded
    raise CannotStart([str(problem) for problem in loaded])


def new_app_of(new: str | None) -> App | None:
    """The new side that runs in this process, None when it is a URL or there is none."""
    if new is None or is_origin(new):
        return None
    try:
        return load_app(new)
    except NotLoadable as error:
        raise CannotStart([f"--new {error}"]) from error


def bound(address: str, option: str) -> socket.socket:
    """A socket that listens there."""
    try:
        return bind(address)
    except OSError as error:
        _, port = split_address(address)
        raise CannotStart([f"{option} {address}: cannot listen on port {port}: {error.strerror}"]) from error
