"""Which mismatches are one: the same kind at the same place, but for positions in arrays and ids in keys.

Pure, and cheap: it reads the place as text. What it answers can be copied into a rule's `where`.
"""

from __future__ import annotations

import re

from gateway.diff.verdict import Kind, Mismatch

ANY = "*"  # one level, as in a rule

# what names one thing among many and not a field: a number, a UUID, a day or moment, a long hexadecimal text,
# a text with five digits in a row (`address2` and `sha256` are fields), an e-mail address
_ID = re.compile(
    r"-?[0-9]+(?:\.[0-9]+)?"
    r"|[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
    r"|[0-9]{4}-[0-9]{2}(?:-[0-9]{2}.*)?"
    r"|(?=.*[0-9])[0-9a-f]{12,}"
    r"|.*[0-9]{5}.*"
    r"|[^@\s]+@[^@\s]+",
    re.IGNORECASE | re.ASCII,
)
# random names of letters and digits mixed, with nothing that parts words: ULID, KSUID, nanoid and the like
_RANDOM = re.compile(r"(?=(?:[^0-9]*[0-9]){3})(?=.*[A-Za-z])[0-9A-Za-z-]{18,64}", re.ASCII)


def cluster_of(mismatch: Mismatch) -> tuple[str, Kind]:
    """The place with `*` for positions and ids, and the kind."""
    return template(mismatch.where), mismatch.kind


def template(where: str) -> str:
    """A place with `*` for every level below `body` that is a position in an array or an id."""
    first, *rest = where.split("/")
    if first != "body":
        return where
    return "/".join([first, *map(level, rest)])


def level(segment: str) -> str:
    """The level itself when it is a field's name, else `*`."""
    return ANY if _ID.fullmatch(segment) or _RANDOM.fullmatch(segment) else segment
