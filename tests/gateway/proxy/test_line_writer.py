"""The access log's writer never holds up who calls it, loses nothing it need not, and follows a renamed file."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.proxy.line_writer import MOST_LINES, LineWriter
from gateway.telemetry import counters
from tests.gateway.proxy.test_access_log import LINE


def until(true: Callable[[], bool]) -> None:
    """Wait, at most 10 s, for the thread to get there."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ids(text: str) -> list[int]:
    """The request ids of the lines of a log; every line must be whole."""
    return [int(json.loads(line)["request_id"]) for line in text.splitlines()]


def test_lines_reach_the_file_whole_and_in_order(tmp_path: Path) -> None:
    """More than fit into one piece, and beside what stood there before."""
    file = tmp_path / "access.log"
    for begin in (0, 1_000):
        writer = LineWriter(file)
        for number in range(begin, begin + 1_000):
            writer.write(replace(LINE, request_id=str(number)))
        writer.close()
    assert ids(file.read_text()) == list(range(2_000))
    assert file.stat().st_mode & 0o007 == 0


def test_reopening_follows_a_rotated_file(tmp_path: Path) -> None:
    """What was written before belongs to the old file, what comes after to the new one."""
    file, old = tmp_path / "access.log", tmp_path / "access.log.1"
    writer = LineWriter(file)
    writer.write(replace(LINE, request_id="1"))
    until(lambda: file.stat().st_size > 0)
    file.rename(old)
    writer.write(replace(LINE, request_id="2"))
    writer.reopen()
    writer.write(replace(LINE, request_id="3"))
    writer.close()
    assert ids(old.read_text()) == [1, 2]
    assert ids(file.read_text()) == [3]


def test_a_file_that_cannot_be_opened_anew_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    """Rotation into a folder that has gone loses no line."""
    folder, kept = tmp_path / "logs", tmp_path / "kept"
    folder.mkdir()
    writer = LineWriter(folder / "access.log")
    folder.rename(kept)
    writer.reopen()
    writer.write(replace(LINE, request_id="1"))
    writer.close()
    assert ids((kept / "access.log").read_text()) == [1]


def test_a_file_in_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """The caller learns it before anything starts."""
    with pytest.raises(FileNotFoundError):
        LineWriter(tmp_path / "none" / "access.log")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe with a name."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


async def test_a_reader_that_does_not_read_holds_nobody_up(pipe: Path) -> None:
    """The queue fills, lines are lost and counted, the loop goes on; what was kept comes whole once it is read."""
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter(pipe)
    before = counters["access_log_dropped.queue_full"]
    turns = 0
    for number in range(MOST_LINES * 2):
        writer.write(replace(LINE, request_id=str(number)))
        if number % 100 == 0:
            await asyncio.sleep(0)
            turns += 1
    lost = counters["access_log_dropped.queue_full"] - before
    assert turns == 82
    assert lost > 1_000
    got = bytearray()

    def drained() -> bool:
        with suppress(BlockingIOError):
            got.extend(os.read(end, 1 << 20))
        return got.count(b"\n") == MOST_LINES * 2 - lost

    until(drained)
    writer.close()
    os.close(end)
    numbers = ids(got.decode())
    assert numbers == sorted(numbers)


def test_closing_does_not_wait_for_a_reader_for_ever(pipe: Path) -> None:
    """A gateway ends although nobody reads its log."""
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter(pipe)
    for _ in range(MOST_LINES):
        writer.write(LINE)
    writer.close()
    os.close(end)
    until(lambda: "access-log" not in {thread.name for thread in threading.enumerate()})  # it counts what it loses


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(pipe: Path) -> None:
    """They are counted; the next line is tried again."""
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter(pipe)
    os.close(end)
    before = counters["access_log_dropped.write_failed"]
    writer.write(LINE)
    until(lambda: counters["access_log_dropped.write_failed"] == before + 1)
    writer.write(LINE)
    until(lambda: counters["access_log_dropped.write_failed"] == before + 2)
    writer.close()


def test_without_a_file_lines_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Where containers' logs are read."""
    writer = LineWriter()
    writer.write(replace(LINE, request_id="5"))
    writer.close()
    assert ids(capfd.readouterr().out) == [5]
