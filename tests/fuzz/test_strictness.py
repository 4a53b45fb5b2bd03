"""What is stricter than others has a rule, and the documents have every rule."""

from pathlib import Path

from tests.fuzz.answers import STRICTER
from tests.fuzz.strictness import REASONS

TEXT = (Path(__file__).parents[2] / "docs/explanation/what-it-refuses.md").read_text()


def test_every_rule_is_written_down() -> None:
    """The tables of the document are the rules of the tests, and no others."""
    requests, _, answers = TEXT.partition("## Answers\n")
    assert _rules(requests) == [*REASONS]
    assert sorted(_rules(answers.partition("## How")[0])) == sorted(STRICTER)


def _rules(text: str) -> list[str]:
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row[2:].split(" | ")[0] for row in rows[1:]]
