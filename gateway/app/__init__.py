"""The composition root: the only package that knows all parts. It builds them, runs both planes, takes them down."""

from __future__ import annotations

import uvloop

from gateway.app.opening import CannotStart, bound, contracts_of, new_app_of
from gateway.app.process import Process
from gateway.settings import Settings
from gateway.telemetry import configure_logging
from gateway.upstream.lifespan import StartupFailed


def run(settings: Settings) -> int:
    """Run a gateway until SIGTERM or SIGINT. Raises CannotStart before anything was started."""
    contracts = contracts_of(settings)
    new_app = new_app_of(settings.new)
    with bound(settings.listen, "--listen") as data, bound(settings.admin, "--admin") as admin:
        configure_logging()
        try:
            process = Process(settings, contracts, new_app)
        except ValueError as error:
            raise CannotStart([f"--database-url: {error}"]) from error
        uvloop.run(process.run(data, admin))
    return 0


__all__ = ["CannotStart", "StartupFailed", "run"]
