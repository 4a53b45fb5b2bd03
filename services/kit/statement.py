"""Says of a statement's text whether it ends the transaction, or works on tables as wholes.

It knows PostgreSQL's quotes and comments, and no meaning.
"""

from __future__ import annotations

import re
from typing import Final

# what is no word of the statement itself; a backslash escapes only in E'...', a comment may hold comments
_OPAQUE: Final = re.compile(
    r"""--[^\n]*|/\*|(?<!\w)[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![\w$])\$(\w*)\$.*?\$\1\$""",
    re.DOTALL,
)
_EDGE: Final = re.compile(r"/\*|\*/")
_ENDING: Final = re.compile(
    r"(?:^|;)\s*(?:commit|end|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b)|abort|prepare\s+transaction)\b",
    re.IGNORECASE,
)


# a temporary table is the transaction's own affair
_ON_TABLES: Final = re.compile(
    r"(?:^|;)\s*(?:truncate|create(?!\s+(?:(?:local|global)\s+)?temp(?:orary)?\b)|alter|drop|cluster|reindex)\b",
    re.IGNORECASE,
)


def ends_transaction(text: str) -> bool:
    """Whether one of the statements in this text would commit or roll back."""
    return _ENDING.search(_bare(text)) is not None


def works_on_tables(text: str) -> bool:
    """Whether one of the statements in this text empties a table or changes the schema: no trigger sees its rows."""
    return _ON_TABLES.search(_bare(text)) is not None


def _bare(text: str) -> str:
    """The text without literals, quoted names, bodies of functions and comments."""
    kept, at = [], 0
    while (found := _OPAQUE.search(text, at)) is not None:
        kept.append(text[at : found.start()])
        at = _after_comment(text, found.end()) if found[0] == "/*" else found.end()
    return " ".join([*kept, text[at:]])


def _after_comment(text: str, at: int) -> int:
    depth = 1
    for edge in _EDGE.finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
