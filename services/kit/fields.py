"""Reads the fields of a body: each reader takes a JSON value and returns what the database stores.

A reader raises ValueError with the end of a sentence; `read_as` puts the field's name in front.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from services.kit.errors import Refusal, Refused
from services.kit.json import number

_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})\Z")
T = TypeVar("T")


class Fields(BaseModel):
    """The fields a request may name; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, fields: dict[str, object]) -> Self:
        """Check the fields; the refusal names the first one that is wrong."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise Refused(Refusal(422, _sentence(error))) from error

    def given(self) -> dict[str, Any]:
        """The fields that were named, null included."""
        return {name: getattr(self, name) for name in self.__class__.model_fields if name in self.model_fields_set}


def or_null(reader: Callable[[object], T]) -> Callable[[object], T | None]:
    """The same reader for a column that may be null."""

    def read(value: object) -> T | None:
        return None if value is None else reader(value)

    return read


def text(value: object, *, shortest: int = 0, longest: int | None = None) -> str:
    """A text PostgreSQL can store, counted in code points."""
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    if len(value) < shortest or (longest is not None and len(value) > longest):
        raise ValueError(f"must have {shortest} to {longest} characters")
    return value


def decimal(
    value: object, *, lowest: int | None = None, highest: int | None = None, places: int | None = None
) -> Decimal:
    """A JSON number as JavaScript reads it (540.0 is 540), or a string with the scale it shows."""
    exact = _exact(value)
    if lowest is not None and highest is not None and not lowest <= exact <= highest:
        raise ValueError(f"must be between {lowest} and {highest}")
    if places is not None and exact != round(exact, places):
        raise ValueError(f"must have at most {places} decimal{'s' if places > 1 else ''}")
    return exact


def _exact(value: object) -> Decimal:
    match value:
        case bool():
            pass
        case int():
            return Decimal(value)
        case float() if math.isfinite(value):
            return Decimal(format(Decimal(number(value)), "f"))
        case str() if _DECIMAL.match(value):
            return Decimal(value)
    raise ValueError("must be a number")


def identifier(value: object) -> UUID:
    """A uuid in any of its usual spellings."""
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValueError("must be a uuid")


def moment(value: object) -> datetime:
    """An ISO 8601 time; one without a zone is UTC, as in legacy's database session."""
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("must be an ISO 8601 time")


def document(value: object) -> dict[str, Any]:
    """A JSON object that jsonb can hold."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    _refuse_unstorable(value)
    return value


def choice(allowed: frozenset[str], value: object) -> str:
    """One of a closed list of words."""
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"must be one of {', '.join(sorted(allowed))}")


def _refuse_unstorable(value: object) -> None:
    match value:
        case str() if "\0" in value:
            raise ValueError("must not contain a NUL character")
        case float() if not math.isfinite(value):
            raise ValueError("holds a number that is too large")
        case dict():
            for key, member in value.items():
                _refuse_unstorable(key)
                _refuse_unstorable(member)
        case list():
            for member in value:
                _refuse_unstorable(member)


# A field that is left out is not in the statement; only the `Optional` ones may also be null.
Identifier = Annotated[UUID | None, PlainValidator(identifier)]
OptionalIdentifier = Annotated[UUID | None, PlainValidator(or_null(identifier))]
OptionalText = Annotated[str | None, PlainValidator(or_null(text))]
OptionalMoment = Annotated[datetime | None, PlainValidator(or_null(moment))]
OptionalDocument = Annotated[dict[str, Any] | None, PlainValidator(or_null(document))]


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(map(str, first["loc"])) or "The request"
    match first["type"]:
        case "missing":
            return f"{name} is required"
        case "extra_forbidden":
            return f"{name[:100]} is not a known field"
        case "value_error":
            return f"{name} {first['ctx']['error']}"
        case _:
            return f"{name} is not valid"
