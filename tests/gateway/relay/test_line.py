"""The waiting line: first come, first served, so many, for so long."""

import asyncio

import pytest

from gateway.relay.line import Line
from gateway.relay.trouble import Trouble


def line_of(most: int = 10, wait_s: float = 60.0) -> tuple[Line[int], list[int]]:
    """A line, and what its callers refused."""
    refused: list[int] = []
    return Line(refused.append, most=most, wait_s=wait_s), refused


async def standing(line: Line[int], count: int) -> list[asyncio.Task[int | Trouble]]:
    """So many who stand in line."""
    tasks = [asyncio.create_task(line.stand()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_who_came_first_is_served_first() -> None:
    """And nobody twice."""
    line, _ = line_of()
    tasks = await standing(line, 3)
    assert [line.give(number) for number in range(4)] == [True, True, True, False]
    assert await asyncio.gather(*tasks) == [0, 1, 2]
    assert len(line) == 0


async def test_a_full_line_takes_nobody() -> None:
    """Who comes then is told at once; the others keep their places."""
    line, _ = line_of(most=2)
    tasks = await standing(line, 2)
    assert await line.stand() is Trouble.BUSY
    assert [line.give(1), line.give(2)] == [True, True]
    assert await asyncio.gather(*tasks) == [1, 2]


async def test_a_line_of_nobody_takes_nobody() -> None:
    """0 places: whoever would have to wait goes home."""
    line, _ = line_of(most=0)
    assert await line.stand() is Trouble.BUSY


async def test_nobody_waits_longer_than_allowed() -> None:
    """Their places are free again, and are not given anything."""
    line, _ = line_of(most=2, wait_s=0.05)
    tasks = await standing(line, 2)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*tasks) == [Trouble.BUSY] * 2
    assert (len(line), line.give(1)) == (0, False)


async def test_a_thousand_who_leave_keep_no_place() -> None:
    """Cancelling is quick and leaves the line as it was."""
    line, refused = line_of(most=1_001)
    tasks = await standing(line, 1_001)
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.gather(*tasks[:-1], return_exceptions=True)
    assert len(line) == 1
    assert line.give(7)
    assert await tasks[-1] == 7
    assert refused == []


async def test_what_is_given_to_somebody_who_just_left_is_not_lost() -> None:
    """It comes back to who gave it."""
    line, refused = line_of()
    (task,) = await standing(line, 1)
    assert line.give(7)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert refused == [7]


async def test_a_dissolved_line_sends_everybody_home() -> None:
    """With the reason."""
    line, _ = line_of()
    tasks = await standing(line, 3)
    line.dissolve(Trouble.UNREACHABLE)
    assert await asyncio.gather(*tasks) == [Trouble.UNREACHABLE] * 3
