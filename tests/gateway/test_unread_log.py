"""Whoever reads the gateway's log may stop: a full pipe holds up no request, in a whole process and in its parts."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.proxy.server import Front
from gateway.telemetry import MOST_LINES, JsonLines, Unhurried, counters
from tests.gateway.running import CLIENT, eventually, start_gateway
from tests.ports import free_ports

PAGE = 4_096


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The two ends of a pipe as small as the system makes one; a gateway in `state` has it for its log."""
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "gateway.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PAGE)
    yield reader, writer
    for end in (reader, writer):
        with suppress(OSError):
            os.close(end)


def lines_in(reader: int, count: int) -> list[str]:
    """So many lines, once they have come."""
    got = bytearray()

    def there() -> bool:
        with suppress(BlockingIOError):
            got.extend(os.read(reader, 1 << 20))
        return got.count(b"\n") >= count

    assert eventually(there)
    return got.decode().splitlines()


def record(event: str) -> logging.LogRecord:
    """What somebody logs."""
    return logging.LogRecord("strangler", logging.INFO, "", 0, event, None, None)


@pytest.mark.parametrize("front", ["edge", "asgi"])
def test_a_log_that_nobody_reads_holds_up_no_request(front: Front, pipe: tuple[int, int], tmp_path: Path) -> None:
    """Each failed request is a line: after more of them than the pipe takes, everybody is still answered."""
    (nobody,) = free_ports(1)
    gateway = start_gateway(
        *("--legacy", f"http://127.0.0.1:{nobody}", "--front", front, "--breaker-misses", "0"),
        state=tmp_path / "state",
    )
    try:
        for number in range(100):
            assert gateway.get(f"/{number}").status_code == 502
        assert CLIENT.get(gateway.admin + "/healthz").status_code == 200
        failed = [line for line in lines_in(pipe[0], 100) if "request_failed" in line]
        assert json.loads(failed[0])["code"] == "legacy_unreachable"
    finally:
        assert gateway.stop() == 0


def test_what_does_not_fit_is_lost_and_counted(pipe: tuple[int, int]) -> None:
    """So many lines wait, whole and in their order; the others are in a counter."""
    handler = Unhurried(pipe[1])
    handler.setFormatter(JsonLines())
    before = counters["log_dropped.queue_full"]
    for number in range(MOST_LINES * 2):
        handler.emit(record(str(number)))
    lost = counters["log_dropped.queue_full"] - before
    assert 0 < lost <= MOST_LINES
    numbers = [int(json.loads(line)["event"]) for line in lines_in(pipe[0], MOST_LINES * 2 - lost)]
    handler.close()
    assert numbers == sorted(numbers)


def test_a_pipe_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    """Whoever shares it may do that, as Node does; the log waits for room."""
    os.set_blocking(pipe[1], False)
    handler = Unhurried(pipe[1])
    handler.setFormatter(JsonLines())
    for number in range(1_000):
        handler.emit(record(str(number)))
    assert [json.loads(line)["event"] for line in lines_in(pipe[0], 1_000)] == [str(number) for number in range(1_000)]
    handler.close()


def test_the_end_does_not_wait_for_a_reader_for_ever(pipe: tuple[int, int]) -> None:
    """A gateway ends although nobody reads its log."""
    handler = Unhurried(pipe[1])
    handler.setFormatter(JsonLines())
    for number in range(1_000):
        handler.emit(record(str(number)))
    handler.close()
    assert len(lines_in(pipe[0], 1_000)) == 1_000


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    """They are counted; the next line is tried again."""
    os.close(pipe[0])
    handler = Unhurried(pipe[1])
    handler.setFormatter(JsonLines())
    before = counters["log_dropped.write_failed"]
    handler.emit(record("lost"))
    assert eventually(lambda: counters["log_dropped.write_failed"] == before + 1)
    handler.emit(record("lost too"))
    assert eventually(lambda: counters["log_dropped.write_failed"] == before + 2)
    handler.close()
