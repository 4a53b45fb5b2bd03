"""A worker: a process that serves clients and nothing else, started by a supervisor as `python -m` this module.

It follows the flags by itself, so that a supervisor that is busy, frozen or dead keeps no flip from it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from gateway.admin.schemas import live_json
from gateway.app.agreed import Agreed
from gateway.app.fleet.channel import Channel, Said, first_frame, packed
from gateway.app.fleet.hello import Hello, heard, unpacked_settings
from gateway.app.opening import CannotStart, key_of, new_app_of
from gateway.app.plane import Needs
from gateway.app.service import DataService, Entrance, data_service
from gateway.app.signals import PANIC, RELOAD, RENEW, STOP, obeying, while_starting
from gateway.contract import carry
from gateway.db.lifecycle import Followed
from gateway.db.panic import PanicWatch
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable
from gateway.telemetry import configure_logging, log
from gateway.upstream.inprocess import App
from gateway.upstream.lifespan import StartupFailed


class Worker:
    """The parts of one worker."""

    def __init__(self, hello: Hello, app: App | None) -> None:
        contracts = hello.contracts
        self._hello, self._app = hello, app
        self._live = Live(Plan(RouteTable(() if contracts is None else contracts.routes), {}, Source.DEFAULT))
        self._agreed = Agreed(None, contracts, self._live)
        self._agreed.new_version = hello.settings.new_version or ""
        self._database = Followed(hello.database, hello.settings.state, self._live, key_of(hello.settings))
        self._main: asyncio.Task[Any] | None
        self._service: DataService | None = None

    async def run(self, channel: socket.socket, data: socket.socket) -> None:
        """Serve until a signal, or until the supervisor is gone."""
        self._main = asyncio.current_task()
        supervisor = await Channel.on(channel)
        panic = PanicWatch(self._hello.settings.state, self._live)
        nothing = dict.fromkeys((RELOAD, RENEW), lambda: None)  # the supervisor's to hear
        with obeying({**dict.fromkeys(STOP, self._leave), **nothing, PANIC: panic.tell}):
            async with AsyncExitStack() as parts:
                parts.callback(supervisor.close)
                parts.callback(panic.close)
                parts.push_async_callback(self._database.stop)
                await self._database.start()
                recorder = self._agreed.recorder(self._database.evidence.mask)
                stores = self._database
                needs = Needs(self._live, stores.sink, self._agreed.rules, recorder, stores.rollbacks)
                try:
                    serving = data_service(
                        self._hello.settings, needs, Entrance(data, kept=True, rivals=True), self._app
                    )
                    self._service = await parts.enter_async_context(serving)
                except (CannotStart, StartupFailed) as refused:
                    await supervisor.tell(refusal(refused))
                    return
                await self._serve(self._service, supervisor)

    async def _serve(self, service: DataService, supervisor: Channel) -> None:
        listening = asyncio.create_task(self._listen(service, supervisor))
        ready = asyncio.create_task(self._tell_when_ready(service, supervisor))
        await service.serve()
        await supervisor.tell({"figures": await service.snapshot()})  # the last word: what it has counted stays counted
        for task in (listening, ready):
            task.cancel()
        await asyncio.gather(listening, ready, return_exceptions=True)

    async def _tell_when_ready(self, service: DataService, supervisor: Channel) -> None:
        await service.listening.wait()
        await supervisor.tell({"ready": True})

    async def _listen(self, service: DataService, supervisor: Channel) -> None:
        while (said := await supervisor.hear()) is not None:
            answer = await self._answer(service, said)
            await supervisor.tell({"answers": said.get("ask"), **answer})
        log("supervisor_gone", level=logging.WARNING)
        self._leave()

    async def _answer(self, service: DataService, said: Said) -> Said:
        try:
            return await self._do(service, said)
        except (ValueError, OSError) as error:  # a supervisor of another version, or a file that has gone
            log("order_refused", level=logging.ERROR, what=said.get("what"), why=str(error))
            return {"refused": str(error)}

    async def _do(self, service: DataService, said: Said) -> Said:
        match said.get("what"):
            case "status":
                known = self._live.known.flags.values()
                return {"status": {**live_json(self._live), "changes": sum(flag.version for flag in known)}}
            case "figures":
                return {"figures": await service.snapshot()}
            case "contracts":
                self._agreed.take(carry.unpacked(said["contracts"]))
            case "settings":
                return {"problems": await service.reload(unpacked_settings(said["settings"]))}
        return {}

    def _leave(self) -> None:
        """The first time, serve whoever is here and go; the second time, go."""
        if self._service is None:
            if self._main is not None:
                self._main.cancel()
            return
        if self._live.draining:
            self._service.leave_now()
        self._live.draining = True
        self._service.leave(succeeded=True)


def refusal(refused: CannotStart | StartupFailed) -> Said:
    """Why a worker cannot start, as its supervisor will say it."""
    if isinstance(refused, CannotStart):
        return {"cannot_start": refused.problems}
    return {"startup_failed": str(refused)}


def main() -> int:
    """Hear what to be, be it."""
    channel, data = (socket.socket(fileno=int(handle)) for handle in sys.argv[1:3])
    for sock in (channel, data):
        os.set_inheritable(sock.fileno(), False)
    hello = heard(first_frame(channel))
    while_starting(hello.settings.state)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    configure_logging(worker=hello.worker, pid=os.getpid())
    try:
        app = new_app_of(hello.settings.new)
    except CannotStart as refused:
        channel.sendall(packed(refusal(refused)))
        return 2
    try:
        uvloop.run(Worker(hello, app).run(channel, data))
    except asyncio.CancelledError:  # a signal to stop came before everything was started
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
