"""Contracts reach another process as they were found right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.contract.carry import packed, unpacked
from gateway.contract.load import Contracts, load

CONTRACTS = Path(__file__).parents[3] / "contracts"


def test_routes_and_rules_arrive_as_they_were_loaded() -> None:
    """The contracts of this repository are the same after a journey as JSON, but for their cases."""
    loaded = load(CONTRACTS)
    assert isinstance(loaded, Contracts)
    arrived = unpacked(json.loads(json.dumps(packed(loaded))))
    assert arrived.routes == loaded.routes
    assert any(contract.rules.rules for contract in loaded.by_key.values())
    assert {key: arrived.rules(key) for key in loaded.by_key} == {key: loaded.rules(key) for key in loaded.by_key}


def test_what_is_no_contract_is_refused() -> None:
    """A worker takes nothing that a supervisor would not send."""
    with pytest.raises(ValueError, match="effect"):
        unpacked(
            {"a.b": ["contracts/a.b/route.yaml", "route: GET /b\neffect: nonsense\nstickiness: client_ip\n", None]}
        )
    with pytest.raises(ValueError, match="no table"):
        unpacked({"a.b": ["contracts/a.b/route.yaml", "- 1\n", None]})
