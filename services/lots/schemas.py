"""What a client may send about a lot: any column of the table, as to legacy."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator

from services.kit.fields import (
    Fields,
    Identifier,
    OptionalDocument,
    OptionalIdentifier,
    OptionalMoment,
    or_null,
)
from services.lots import rules


class NewLot(Fields):
    """A lot to be registered; a field that is left out gets the table's default."""

    id: Identifier = None
    lot_code: Annotated[str, PlainValidator(rules.lot_code)]
    lot_type: Annotated[str | None, PlainValidator(or_null(rules.lot_type))] = None
    production_run_id: OptionalIdentifier = None
    phase_id: OptionalIdentifier = None
    operator_id: OptionalIdentifier = None
    weight_kg: Annotated[Decimal | None, PlainValidator(or_null(rules.weight_kg))] = None
    temperature_c: Annotated[Decimal | None, PlainValidator(or_null(rules.temperature_c))] = None
    metadata: OptionalDocument = None
    created_at: OptionalMoment = None
