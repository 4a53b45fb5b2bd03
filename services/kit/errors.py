"""What a request may be refused with, and how a database's "no" becomes one of those refusals.

A `Refusal` is the value, `Refused` carries it out of the unit of work, which rolls back; the one place
that turns it into an answer is `route.py`. Text of an exception never reaches a client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status and the sentence the client reads under `error`."""

    status: int
    sentence: str


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """Ends the use case with a refusal; nothing of the request is kept."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


NOT_FOUND = Refusal(404, "Not found")
INVALID_TOKEN = Refusal(401, "Invalid token")
MALFORMED_PATH = Refusal(400, "The path is not valid percent-encoded UTF-8")
MALFORMED_JSON = Refusal(400, "The body is not valid JSON")
NOT_AN_OBJECT = Refusal(422, "The body must be a JSON object")
TOO_LARGE = Refusal(413, "The body is larger than 100 kB")
UNSUPPORTED_BODY = Refusal(415, "The body must be UTF-8 without a content encoding")
CLIENT_LEFT = Refusal(400, "The body ended early")
UNSTORABLE = Refusal(422, "A value cannot be stored")
UNREACHABLE = Refusal(503, "The database cannot be reached")
UNEXPECTED = Refusal(500, "Internal server error")


@contextmanager
def refusing(by_constraint: Mapping[str, Refusal]) -> Iterator[None]:
    """Translate the violation of a named constraint; one that is not named stays a bug."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        refusal = by_constraint.get(getattr(diagnosis, "constraint_name", None) or "")
        if refusal is None:
            raise
        raise Refused(refusal) from error
