"""The comparer runs what it is given in another process, survives what that does, and never outlives its gateway."""

import asyncio
import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psutil
import pytest
import uvloop

from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.shadow.comparer import pickled
from gateway.shadow.comparing import Comparer, ComparerLost, Ground
from tests.gateway.running import eventually


def raising(text: str) -> None:
    """A bug."""
    raise ValueError(text)


@contextmanager
def comparer(*, longest_s: float = 60.0) -> Iterator[Comparer]:
    """One that is closed at the end."""
    with ThreadPoolExecutor(1) as apart:
        this = Comparer(apart, longest_s=longest_s)
        try:
            yield this
        finally:
            this.close()


async def test_it_runs_elsewhere_on_what_the_machine_has_left() -> None:
    """Clients' requests come first: nice for its first call, which brings modules in, and idle from then on."""
    with comparer() as this:
        process = psutil.Process(await this.ask(os.getpid, None))
        assert process.pid != os.getpid()
        assert process.nice() > psutil.Process().nice()
        assert await asyncio.to_thread(eventually, lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE)
    assert not psutil.pid_exists(process.pid)


async def test_large_arguments_and_answers_travel() -> None:
    """Two bodies of many times a socket's size."""
    with comparer() as this:
        assert await this.ask(max, None, b"a" * 5_000_000, b"b" * 5_000_000) == b"b" * 5_000_000


async def test_callers_at_once_get_their_own_answers() -> None:
    """Each waits for its turn, and one that is no longer waited for takes nobody's answer."""
    with comparer() as this:
        asked = [asyncio.ensure_future(this.ask(str, None, number)) for number in range(20)]
        gone = asyncio.ensure_future(this.ask(time.sleep, None, 0.3))
        await asyncio.sleep(0)
        assert await asyncio.gather(*asked) == [str(number) for number in range(20)]
        await asyncio.sleep(0.1)
        gone.cancel()
        assert await this.ask(str, None, 20) == "20"


async def test_what_calls_rest_on_travels_once_and_again_when_it_is_another() -> None:
    """A thousand rules need not be read for each copy; a change of them counts from the next call on."""
    one, other = Counted(), Counted()
    with comparer() as this:
        for _ in range(3):
            assert await this.ask(getattr, Ground("lots", one), "name") == "one"
        assert await this.ask(getattr, Ground("lots.list", other), "name") == "one"
        other.name = "other"
        assert await this.ask(getattr, Ground("lots", other), "name") == "other"
    assert (one.travelled, other.travelled) == (1, 2)


async def test_a_new_process_is_given_what_calls_rest_on() -> None:
    """It has nothing of what the one before it had."""
    ground = Ground("lots", [1, 2, 3])
    with comparer() as this:
        assert await this.ask(sum, ground) == 6
        with pytest.raises(ComparerLost):
            await this.ask(os._exit, None, 1)
        assert await this.ask(sum, ground) == 6


class Counted:
    """Counts how often it travels."""

    def __init__(self) -> None:
        self.name, self.travelled = "one", 0

    def __getstate__(self) -> dict[str, object]:
        self.travelled += 1
        return {"name": self.name}


def test_a_verdict_arrives_as_it_left() -> None:
    """With every field of each mismatch, be it a text or nothing at all."""
    mismatch = Mismatch(Kind.MISSING, "body/a", '"1"', None)
    verdict = Verdict(Outcome.MISMATCHED, (mismatch,), (Allowance(mismatch, "why", "a.yaml:1"),), "r", (mismatch,))
    assert pickle.loads(pickle.dumps(verdict, pickle.HIGHEST_PROTOCOL)) == verdict


def test_large_arguments_are_not_copied_on_their_way() -> None:
    """A copy would hold the loop that serves clients, for as long as the body is large."""

    async def peak() -> int:
        bodies = b"a" * 20_000_000, b"b" * 20_000_000
        with comparer() as this:
            await this.ask(os.getpid, None)
            tracemalloc.start()
            try:
                assert await this.ask(operator.eq, None, *bodies) is False
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert uvloop.run(peak()) < 5_000_000  # as the gateway runs: asyncio's own loop copies what it keeps


async def test_a_process_that_reads_no_more_is_given_up() -> None:
    """One that was stopped takes no question, however long anyone waits; the next call has another one."""
    with comparer(longest_s=1.0) as this:
        pid = await this.ask(os.getpid, None)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ComparerLost):
            await this.ask(len, None, b"x" * 5_000_000)
        assert await this.ask(os.getpid, None) != pid


def test_other_threads_have_their_turns_while_rules_are_pickled() -> None:
    """A thousand rules are thousands of small things, and the loop that serves clients waits for none."""
    rules = [(number, str(number)) for number in range(200_000)]
    pickling, turns, before = threading.Thread(target=pickled, args=(rules,)), 0, sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        pickling.start()
        while pickling.is_alive():
            turns += 1
            time.sleep(0)
        assert turns > 20
    finally:
        sys.setswitchinterval(before)


async def test_a_bug_is_told_without_its_text() -> None:
    """An exception's text may hold what was compared; the process goes on."""
    with comparer() as this:
        pid = await this.ask(os.getpid, None)
        with pytest.raises(RuntimeError, match="ValueError") as raised:
            await this.ask(raising, None, "s3cret")
        assert "s3cret" not in str(raised.value)
        assert await this.ask(os.getpid, None) == pid


@pytest.mark.parametrize("call", [partial(time.sleep, 60), partial(os._exit, 1)], ids=["long", "dead"])
async def test_what_takes_too_long_or_ends_it_costs_the_process(call: partial[None]) -> None:
    """The one who asked is told, and those who waited behind it are served by another."""
    with comparer(longest_s=0.5) as this:
        ended = asyncio.ensure_future(this.ask(call, None))
        next_one = asyncio.ensure_future(this.ask(max, None, 1, 2))
        with pytest.raises(ComparerLost):
            await ended
        assert await next_one == 2


async def test_closing_ends_what_is_under_way() -> None:
    """Nobody who waits waits on, and nothing is begun any more."""
    with comparer() as this:
        await this.ask(os.getpid, None)
        waiting = asyncio.ensure_future(this.ask(time.sleep, None, 60))
        await asyncio.sleep(0.1)
        this.close()
        with pytest.raises(ComparerLost):
            await waiting
        with pytest.raises(ComparerLost):
            await this.ask(os.getpid, None)


def test_it_ends_with_a_gateway_that_is_killed() -> None:
    """Nobody is left behind to tell it."""
    program = """
import asyncio, os, time
from concurrent.futures import ThreadPoolExecutor
from gateway.shadow.comparing import Comparer

async def main():
    this = Comparer(ThreadPoolExecutor(1))
    print(await this.ask(os.getpid, None), flush=True)
    time.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        gateway.send_signal(signal.SIGKILL)
        gateway.wait()
    assert eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
