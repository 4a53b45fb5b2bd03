"""The first thing that a worker is told: all it needs to be one. It reads no option, variable or file of its own.

So a worker that replaces a dead one is like the others, whatever has become of the files since they were read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.app.fleet.channel import Said
from gateway.contract import carry
from gateway.contract.load import Contracts
from gateway.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker's number, its settings and contracts, and the database that its supervisor keeps up."""

    worker: int
    settings: Settings
    contracts: Contracts | None
    database: str

    def said(self) -> Said:
        """As a frame carries it."""
        contracts = None if self.contracts is None else carry.packed(self.contracts)
        return {
            "worker": self.worker,
            "settings": packed_settings(self.settings),
            "contracts": contracts,
            "database": self.database,
        }


def heard(said: Said) -> Hello:
    """What a frame carried; ValueError when a worker of this version cannot be made of it."""
    try:
        contracts = None if said["contracts"] is None else carry.unpacked(said["contracts"])
        return Hello(int(said["worker"]), unpacked_settings(said["settings"]), contracts, str(said["database"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the supervisor said something else: {error!r}") from error


class _Carried(Settings):
    """Settings from one source: what the supervisor has."""

    model_config = SettingsConfigDict(yaml_file=None)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read no variable and no file."""
        return (init_settings,)


def packed_settings(settings: Settings) -> Said:
    """What JSON can carry, secrets too: the channel is between two processes of one user."""
    return {name: _plain(getattr(settings, name)) for name in Settings.model_fields}


def unpacked_settings(said: Said) -> Settings:
    """The settings; ValueError with a sentence when they are not right here."""
    try:
        return cast(Settings, _Carried(**said))
    except ValidationError as error:
        told = (f"{one['loc']}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
        raise ValueError("; ".join(told)) from error


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return [str(one) for one in value]
        case None | bool() | int() | float():
            return value
        case Path() | str():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no form that can be carried")
