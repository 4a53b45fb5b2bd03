"""How every command speaks: people get text, programs one JSON document, both an exit code.

It must not know any command.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType


class Code(IntEnum):
    """What the process says to the shell."""

    YES = 0
    NO = 1  # the answer is no: a mismatch, a refusal, a lost race
    WRONG = 2  # wrong usage or configuration
    UNREACHABLE = 3
    BUG = 70  # sysexits.h, EX_SOFTWARE: never to be taken for an answer


WIDTH: Final = 80  # columns that everybody has


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: `data` for programs, `text` for people; None when everything has been said already."""

    data: object
    text: RenderableType | None
    code: Code = Code.YES


class Trouble(Exception):  # noqa: N818  # what the shell is told, not always an error
    """A command cannot give its answer; `name` is stable, `sentence` is for people."""

    def __init__(self, code: Code, name: str, sentence: str, **details: Any) -> None:
        super().__init__(sentence)
        self.code = code
        self.name = name
        self.sentence = sentence
        self.details = details


def say(answer: Answer, *, as_json: bool) -> None:
    """Put an answer on standard output."""
    if as_json and answer.data is not None:
        put(json.dumps(answer.data, indent=2, default=str) + "\n")
    elif not as_json and answer.text is not None:
        put(rendered(answer.text, sys.stdout))


def complain(trouble: Trouble, *, as_json: bool) -> None:
    """Put a trouble on standard error; programs also find it on standard output."""
    put(f"strangler: {plain(trouble.sentence)}\n", sys.stderr)
    if as_json:
        error = {"code": trouble.name, "message": trouble.sentence, **trouble.details}
        put(json.dumps({"error": error}, indent=2, default=str) + "\n")


def rendered(text: RenderableType, stream: TextIO) -> str:
    """Lay a text out for the stream: its width and colours on a terminal, 80 plain columns elsewhere."""
    if isinstance(text, str):
        return f"{text}\n"
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(text, soft_wrap=isinstance(text, Text))  # a line of a report stays one line
    return "".join(f"{line.rstrip(' ')}\n" for line in capture.get().splitlines())


def put(text: str, stream: TextIO | None = None) -> None:
    """Write and flush; a reader who has gone away (`| head`, a closed terminal) is no error."""
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        _forget(stream)


def plain(text: str) -> str:
    """The text with control characters made visible: what a backend sent must not steer a terminal."""
    return "".join(_visible(character) for character in text)


def folded(text: str, *, behind: str = "  ") -> str:
    """A long line in lines of at most 80 columns; what follows the first begins behind so much."""
    return "\n".join(wrap(text, WIDTH, subsequent_indent=behind, break_long_words=False, break_on_hyphens=False))


def counted(number: int, what: str) -> str:
    """`1 route`, `2 routes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return character.encode("unicode_escape").decode()


def _forget(stream: TextIO) -> None:
    """Point a broken stream to nowhere, so that the interpreter's last flush does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):
        pass  # no descriptor behind it (a test's buffer): nothing will be flushed to the reader
    finally:
        os.close(nowhere)
