"""The comparer runs what it is given in another process, survives what that does, and never outlives its gateway."""

import operator
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial

import psutil
import pytest

from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.shadow.comparer import Comparer, ComparerLost, pickled
from tests.gateway.running import eventually


def raising(text: str) -> None:
    """A bug."""
    raise ValueError(text)


def test_it_runs_elsewhere_on_what_the_machine_has_left() -> None:
    """Clients' requests come first: nice for its first call, which brings modules in, and idle from then on."""
    comparer = Comparer()
    try:
        process = psutil.Process(comparer.run(os.getpid))
        assert process.pid != os.getpid()
        assert process.nice() > psutil.Process().nice()
        assert eventually(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE)
    finally:
        comparer.close()
    assert not psutil.pid_exists(process.pid)


def test_large_arguments_and_answers_travel() -> None:
    """Two bodies of many times a pipe's size."""
    comparer = Comparer()
    try:
        assert comparer.run(partial(max, b"a" * 5_000_000, b"b" * 5_000_000)) == b"b" * 5_000_000
    finally:
        comparer.close()


def test_a_verdict_arrives_as_it_left() -> None:
    """With every field of each mismatch, be it a text or nothing at all."""
    mismatch = Mismatch(Kind.MISSING, "body/a", '"1"', None)
    verdict = Verdict(Outcome.MISMATCHED, (mismatch,), (Allowance(mismatch, "why", "a.yaml:1"),), "r", (mismatch,))
    assert pickle.loads(pickle.dumps(verdict, pickle.HIGHEST_PROTOCOL)) == verdict


def test_large_arguments_are_not_copied_on_their_way() -> None:
    """A copy would hold the interpreter that serves clients, for as long as the body is large."""
    comparer, bodies = Comparer(), (b"a" * 20_000_000, b"b" * 20_000_000)
    try:
        comparer.run(os.getpid)
        tracemalloc.start()
        assert comparer.run(partial(operator.eq, *bodies)) is False
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
        comparer.close()


def test_it_works_beside_thousands_of_connections() -> None:
    """Its pipes have numbers beyond those that select() knows, where it begins when many clients are there."""
    many, limits = 1_100, resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2 * many), limits[1]))
    sockets, comparer = [socket.socket() for _ in range(many)], Comparer()
    try:
        assert comparer.run(partial(int, "5")) == 5
    finally:
        comparer.close()
        for each in sockets:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_process_that_reads_no_more_is_given_up() -> None:
    """One that was stopped takes no question, however long anyone waits; the next call has another one."""
    comparer = Comparer(longest_s=1.0)
    try:
        pid = comparer.run(os.getpid)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ComparerLost):
            comparer.run(partial(len, b"x" * 5_000_000))
        assert comparer.run(os.getpid) != pid
    finally:
        comparer.close()


def test_other_threads_have_their_turns_while_a_call_is_pickled() -> None:
    """A call with a thousand rules is thousands of small things, and the loop that serves clients waits for none."""
    call = partial(len, [(number, str(number)) for number in range(200_000)])
    pickling, turns, before = threading.Thread(target=pickled, args=(call,)), 0, sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        pickling.start()
        while pickling.is_alive():
            turns += 1
            time.sleep(0)
        assert turns > 20
    finally:
        sys.setswitchinterval(before)


def test_a_bug_is_told_without_its_text() -> None:
    """An exception's text may hold what was compared; the process goes on."""
    comparer = Comparer()
    try:
        pid = comparer.run(os.getpid)
        with pytest.raises(RuntimeError, match="ValueError") as raised:
            comparer.run(partial(raising, "s3cret"))
        assert "s3cret" not in str(raised.value)
        assert comparer.run(os.getpid) == pid
    finally:
        comparer.close()


@pytest.mark.parametrize("call", [partial(time.sleep, 60), partial(os._exit, 1)], ids=["long", "dead"])
def test_what_takes_too_long_or_ends_it_costs_the_process(call: partial[None]) -> None:
    """The one who asked is told, and the next one is served by another."""
    comparer = Comparer(longest_s=0.5)
    try:
        with pytest.raises(ComparerLost):
            comparer.run(call)
    finally:
        comparer.close()
    again = Comparer()
    try:
        assert again.run(partial(max, 1, 2)) == 2
    finally:
        again.close()


def test_it_ends_with_a_gateway_that_is_killed() -> None:
    """Nobody is left behind to tell it."""
    program = (
        "import os, time; from gateway.shadow.comparer import Comparer; c = Comparer(); "
        "print(c.run(os.getpid), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        gateway.send_signal(signal.SIGKILL)
        gateway.wait()
    assert eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
