"""What a client may send about a QC decision: any column of the table, as to legacy."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator

from services.kit.fields import (
    Fields,
    Identifier,
    OptionalIdentifier,
    OptionalMoment,
    OptionalText,
    or_null,
)
from services.qc import rules


class NewDecision(Fields):
    """A decision to be recorded; a field that is left out gets the table's default."""

    id: Identifier = None
    lot_id: OptionalIdentifier = None
    qc_gate_id: OptionalIdentifier = None
    operator_id: OptionalIdentifier = None
    decision: Annotated[str, PlainValidator(rules.decision)]
    notes: OptionalText = None
    temperature_c: Annotated[Decimal | None, PlainValidator(or_null(rules.temperature_c))] = None
    digital_signature: OptionalText = None
    decided_at: OptionalMoment = None
