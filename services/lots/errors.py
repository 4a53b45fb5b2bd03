"""What PostgreSQL's constraints on lots mean to a client."""

from __future__ import annotations

from typing import Final

from services.kit.errors import Refusal

BY_CONSTRAINT: Final = {
    "lots_pkey": Refusal(409, "A lot with this id already exists"),
    "lots_lot_code_key": Refusal(409, "A lot with this code already exists"),
    "lots_production_run_id_fkey": Refusal(422, "production_run_id names no existing run"),
    "lots_phase_id_fkey": Refusal(422, "phase_id names no existing phase"),
    "lots_operator_id_fkey": Refusal(422, "operator_id names no existing user"),
}
