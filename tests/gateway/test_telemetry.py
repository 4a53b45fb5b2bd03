"""A log line is one JSON object in ASCII, and holds no exception's text."""

import json
import logging
import sys

import pytest

from gateway.telemetry import FRAMES, JsonLines, log, request_id


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the records of a test look like on standard error."""
    return [JsonLines().format(record) for record in caplog.records]


@pytest.mark.parametrize("text", ["\x9b2J", "\u2028", "\x1b[2J", "\n", "\ud800", "é", "\x00", "\u202e"])
def test_a_users_terminal_is_never_sent_a_control_character(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """C1 controls, line separators and bidi marks are escaped, in the event and in every field."""
    log(f"e{text}", level=logging.ERROR, agent=text)
    (line,) = lines(caplog)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["agent"] == text


def fail_with_a_secret() -> None:
    """Raise as a database does: a text with a parameter in it, and a cause with another."""
    try:
        raise ValueError("password=s3cret-1")
    except ValueError as error:
        raise RuntimeError("token=s3cret-2") from error


def test_a_bugs_text_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Type and place of an exception and of its cause are written, their messages are not."""
    try:
        fail_with_a_secret()
    except RuntimeError as bug:
        log("it_failed", level=logging.ERROR, bug=bug)
    (line,) = lines(caplog)
    assert "s3cret" not in line
    raised = json.loads(line)["raised"]
    assert [one["error"] for one in raised] == ["builtins.RuntimeError", "builtins.ValueError"]
    file, function = raised[0]["frames"][-1].split(" ")
    assert __file__ in file
    assert function == "fail_with_a_secret"


def test_what_asyncio_and_others_log_of_an_exception_has_no_text_either(caplog: pytest.LogCaptureFixture) -> None:
    """Every record goes the same way, whoever wrote it; what stands below its first line is a dump."""
    try:
        raise RuntimeError("s3cret")
    except RuntimeError as bug:
        logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: %r", bug, exc_info=bug)
    (line,) = lines(caplog)
    assert "s3cret" not in line
    assert json.loads(line)["event"] == "Task exception was never retrieved"


def test_an_endless_chain_of_causes_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Causes in a circle and a recursion end in a line of bounded length."""
    one, other = ValueError("a"), KeyError("b")
    one.__cause__, other.__cause__ = other, one
    log("circle", level=logging.ERROR, bug=one)

    def recurse() -> None:
        recurse()

    with pytest.raises(RecursionError) as deep:
        recurse()
    log("deep", level=logging.ERROR, bug=deep.value)
    circle, recursion = (json.loads(line)["raised"] for line in lines(caplog))
    assert len(circle) == 2
    assert len(recursion[0]["frames"]) == FRAMES < sys.getrecursionlimit()


def test_a_line_carries_its_requests_id(caplog: pytest.LogCaptureFixture) -> None:
    """The ContextVar is all that is needed."""
    token = request_id.set("abc-1")
    log("something", level=logging.ERROR)
    (line,) = lines(caplog)
    request_id.reset(token)
    assert json.loads(line)["request_id"] == "abc-1"
