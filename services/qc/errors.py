"""What a QC decision may be refused with."""

from __future__ import annotations

from typing import Final

from services.kit.errors import Refusal
from services.qc.rules import SHORTEST_NOTES

NOTES_MISSING: Final = Refusal(422, f"notes must have at least {SHORTEST_NOTES} characters for HOLD and FAIL")

BY_CONSTRAINT: Final = {
    "qc_decisions_pkey": Refusal(409, "A QC decision with this id already exists"),
    "qc_decisions_lot_id_fkey": Refusal(422, "lot_id names no existing lot"),
    "qc_decisions_qc_gate_id_fkey": Refusal(422, "qc_gate_id names no existing QC gate"),
    "qc_decisions_operator_id_fkey": Refusal(422, "operator_id names no existing user"),
}
