"""What every document promises: its links lead somewhere, its commands exist, its words are the glossary's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from gateway.cli.tree import application
from tests.docs.files import REPOSITORY, anchors, blocks, documents, links, name_of

_ENDS = {"|", "||", "&&", "&", ";", ">", ">>", "2>", "done", "do"}
_VARIABLE = re.compile(r"[A-Z_]+=.*")
_USAGE: Any = typer.BadParameter.__mro__[1]  # UsageError of the click that typer uses


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    """A relative link names a file that is there, and a heading that is in it."""
    for link in links(document.read_text()):
        target, _, anchor = link.partition("#")
        file = (document.parent / target).resolve() if target else document
        assert file.is_relative_to(REPOSITORY), link
        assert file.is_file(), link
        if anchor:
            assert anchor in anchors(file.read_text()), link


def test_the_index_has_every_document() -> None:
    """docs/README.md leads to every tutorial, how-to, reference and explanation."""
    folder = REPOSITORY / "docs"
    linked = {(folder / link).resolve() for link in links((folder / "README.md").read_text())}
    written = {path for path in documents() if path.parent.name in ("tutorial", "how-to", "reference", "explanation")}
    assert written <= linked


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Every `strangler ...` line of a fenced shell block, as words, and where it stands."""
    for document in documents():
        for block in blocks(document.read_text()):
            if block.language not in ("sh", "console"):
                continue
            joined = block.text.replace("\\\n", " ")
            for number, line in enumerate(joined.splitlines()):
                words = shlex.split(line.removeprefix("$ "), comments=True)
                while words and _VARIABLE.fullmatch(words[0]):
                    words.pop(0)
                if words and words[0].rsplit("/", 1)[-1] == "strangler":
                    end = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
                    yield f"{name_of(document)}:{block.line + number}", words[1:end]


@pytest.mark.parametrize(("place", "words"), [pytest.param(*one, id=one[0]) for one in _commands()])
def test_every_command_line_parses(place: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command exists and takes these options and values."""
    for variable in ("STRANGLER_STATE", "STRANGLER_ADMIN_URL", "STRANGLER_ADMIN_TOKEN", "STRANGLER_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    command: Any = typer.main.get_command(application)
    path = "strangler"
    while hasattr(command, "commands"):
        assert words, f"{place}: {path} wants a command"
        assert words[0] in command.commands, f"{place}: there is no command {path} {words[0]}"
        path, command, words = f"{path} {words[0]}", command.commands[words[0]], words[1:]
    try:
        command.make_context(path, list(words))
    except _USAGE as error:
        pytest.fail(f"{place}: {error.format_message()}")


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_yaml_block_is_yaml(document: Path) -> None:
    """What a reader copies can be read."""
    for block in blocks(document.read_text()):
        if block.language == "yaml":
            assert yaml.safe_load(block.text) is not None, f"{name_of(document)}:{block.line}"


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_a_fenced_block_says_what_it_is(document: Path) -> None:
    """Commands, output and files can be told apart."""
    for block in blocks(document.read_text()):
        is_picture = name_of(document) == "README.md" and "┌" in block.text
        known = block.language in ("sh", "text", "yaml", "json", "python", "sql", "xml")
        assert known or is_picture, f"{name_of(document)}:{block.line}"
