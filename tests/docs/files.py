"""The documents and what is in them: files, headings, links, fenced blocks, tables. It knows no part of the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
REFERENCE = REPOSITORY / "docs" / "reference"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the file where its text begins."""

    language: str
    text: str
    line: int


def documents() -> list[Path]:
    """README.md and every Markdown file below docs/."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def name_of(path: Path) -> str:
    """A document's path as people write it."""
    return str(path.relative_to(REPOSITORY))


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a document."""
    for found in _FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start(2)) + 1)


def prose(text: str) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Where a document's links lead, but for those to other hosts."""
    return [target for target in _LINK.findall(prose(text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """The names of a document's headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(text)))
    return {heading.strip().replace(" ", "-") for heading in plain}


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without the two lines of its head."""
    part = text.split(f"{heading}\n", 1)[1] if heading else text
    table: list[str] = []
    for line in part.splitlines():
        if line.startswith("|"):
            table.append(line)
        elif table or line.startswith("#"):
            break
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[2:]]


def code(cell: str) -> str:
    """A cell without the marks of code."""
    return cell.strip("`")
