"""What has to be there before anything is started: contracts, the new side's app, the addresses."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from gateway.contract.load import Contracts, load
from gateway.proxy.server import bind
from gateway.settings.addresses import is_origin, split_address, why_not_listen
from gateway.settings.model import Settings
from gateway.upstream.inprocess import App
from gateway.upstream.load import NotLoadable, load_app
from gateway.upstream.version import version_of

PREFIX: Final = "STRANGLER_"
_NO_SETTINGS: Final = {"STRANGLER_ADMIN_URL", "STRANGLER_ADMIN_TOKEN"}  # the command line's


class CannotStart(Exception):  # noqa: N818 - it says what happened
    """Nothing was started; `problems` are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with the nearest name that is one, "" without a near one."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | _NO_SETTINGS
    unknown = sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
    return {name: next(iter(get_close_matches(name.upper(), known, 1)), "") for name in unknown}


def contracts_of(settings: Settings) -> Contracts | None:
    """The contracts, None without a folder of them."""
    folder = settings.contracts_folder
    if folder is None:
        return None
    if not folder.is_dir():
        raise CannotStart([f"--contracts {folder}: there is no such folder"])
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


def versioned(settings: Settings) -> Settings:
    """The settings with the version of a new side that runs in this process, where they do not say one."""
    if settings.new_version is not None or settings.new is None or is_origin(settings.new):
        return settings
    return settings.model_copy(update={"new_version": version_of(settings.new)})


def key_of(settings: Settings) -> bytes | None:
    """The key of what evidence hides, None for the installation's own."""
    key = settings.redaction_key
    return None if key is None else key.get_secret_value().encode()


def bound(address: str, option: str) -> socket.socket:
    """A socket that listens there."""
    try:
        return bind(address)
    except OSError as error:
        reason = why_not_listen(error, *split_address(address))
        raise CannotStart([f"{option} {address}: {reason}; choose another with {option}"]) from error
