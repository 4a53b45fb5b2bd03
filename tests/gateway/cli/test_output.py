"""How commands speak."""

from __future__ import annotations

import io
import json

import pytest
from rich.table import Table

from gateway.cli.output import Answer, Code, Trouble, complain, plain, put, rendered, say


def test_json_answer_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the data is printed and the text is not."""
    say(Answer({"a": 1}, "for people"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_text_answer_is_not_rewrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is longer than the terminal stays one line, so that it can be copied."""
    say(Answer({}, "x" * 300), as_json=False)
    assert capsys.readouterr().out == "x" * 300 + "\n"


def test_trouble_is_told_to_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence is on standard error; with --json the code and the details are on standard output as well."""
    complain(Trouble(Code.NO, "lost_race", "somebody was faster", by="ada"), as_json=True)
    out, err = capsys.readouterr()
    assert err == "strangler: somebody was faster\n"
    assert json.loads(out) == {"error": {"code": "lost_race", "message": "somebody was faster", "by": "ada"}}


def test_control_characters_do_not_reach_the_terminal() -> None:
    """What a backend sent cannot move the cursor, change colours or turn the text around."""
    assert plain("a\x1b[2Jb\x07\u202ec\nd") == "a\\x1b[2Jb\\x07\\u202ec\nd"


def test_reader_who_left_is_no_error() -> None:
    """Writing to a stream that fails ends quietly."""

    class Gone(io.StringIO):
        tried = 0

        def flush(self) -> None:
            self.tried += 1
            raise BrokenPipeError

        def fileno(self) -> int:
            raise OSError

    gone = Gone()
    put("text", gone)
    assert gone.tried == 1


def test_table_outside_a_terminal_has_no_colours() -> None:
    """A redirected table holds no escape sequence."""
    table = Table("a")
    table.add_row("[bold]b[/bold]")
    assert "\x1b" not in rendered(table, io.StringIO())
