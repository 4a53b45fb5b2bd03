"""Starts a gateway: what has to be there first, then the process that is all of it."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import closing, suppress
from functools import partial

import uvloop

from gateway.app.handover import received
from gateway.app.listeners import listeners
from gateway.app.lock import StateLock
from gateway.app.opening import CannotStart, contracts_of, new_app_of, unknown_variables, versioned
from gateway.app.process import Opening, Process
from gateway.app.reload import Reread
from gateway.app.signals import while_starting
from gateway.settings.model import Settings
from gateway.telemetry import configure_logging, log


def run(settings: Settings, reread: Reread) -> int:
    """Run a gateway until SIGTERM or SIGINT. Raises CannotStart before anything was started.

    `reread` reads the settings again, from the same options, variables and files.
    """
    settings = versioned(settings)
    at_terminal = while_starting(settings.state)
    handover = received(os.environ)
    contracts = contracts_of(settings)
    new_app = new_app_of(settings.new) if settings.workers == 1 else None  # workers have one each
    with closing(listeners(settings, handover)) as listening:
        lock = None
        if settings.database_url is None:
            lock = StateLock.take(settings.state, None if handover is None else handover.lock)
        configure_logging()
        for name, nearest in unknown_variables(os.environ).items():
            log("unknown_variable", level=logging.WARNING, name=name, nearest=nearest)
        try:
            process = Process(
                Opening(
                    settings,
                    contracts,
                    new_app,
                    listening,
                    lock,
                    handover,
                    at_terminal=at_terminal,
                    reread=partial(_reread, reread),
                )
            )
        except ValueError as error:
            raise CannotStart([f"--database-url: {error}"]) from error
        with suppress(asyncio.CancelledError):  # a signal to stop came before everything was started
            uvloop.run(process.run())
    return 0


def _reread(reread: Reread) -> Settings | list[str]:
    settings = reread()
    return settings if isinstance(settings, list) else versioned(settings)
