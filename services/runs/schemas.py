"""What a client may send about a run: any column of the table to start one, three to change it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator

from services.kit import fields
from services.kit.fields import (
    Fields,
    Identifier,
    OptionalDocument,
    OptionalIdentifier,
    OptionalMoment,
    or_null,
)
from services.runs import rules


class NewRun(Fields):
    """A run to be started; a field that is left out gets the table's default."""

    id: Identifier = None
    run_code: Annotated[str, PlainValidator(rules.run_code)]
    scenario_id: OptionalIdentifier = None
    operator_id: OptionalIdentifier = None
    status: Annotated[str, PlainValidator(rules.status)] = "ACTIVE"
    daily_target_kg: Annotated[Decimal | None, PlainValidator(or_null(fields.decimal))] = None
    started_at: OptionalMoment = None
    ended_at: OptionalMoment = None
    summary: OptionalDocument = None


class RunChange(Fields):
    """What may change in a run; null and left out are the same."""

    status: Annotated[str | None, PlainValidator(or_null(rules.status))] = None
    ended_at: OptionalMoment = None
    summary: OptionalDocument = None
