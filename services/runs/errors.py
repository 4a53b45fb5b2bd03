"""What a request about a run may be refused with."""

from __future__ import annotations

from typing import Final

from services.kit.errors import Refusal

RUN_NOT_FOUND: Final = Refusal(404, "Run not found")

BY_CONSTRAINT: Final = {
    "production_runs_pkey": Refusal(409, "A run with this id already exists"),
    "production_runs_run_code_key": Refusal(409, "A run with this code already exists"),
    "production_runs_scenario_id_fkey": Refusal(422, "scenario_id names no existing scenario"),
    "production_runs_operator_id_fkey": Refusal(422, "operator_id names no existing user"),
}
