"""The published JSON Schemas and the loader say the same, about our contracts and about mistakes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import jsonschema_rs
import pytest

from gateway.contract.load import Contracts, load
from gateway.contract.node import parse, plain
from gateway.contract.schema import SCHEMAS, schema_text, write_schemas
from tests.gateway.contract.folders import CASE, DIFFERENCES, GOOD, IDENTITIES, ROUTE, TODAY, write

OURS = Path(__file__).parents[3] / "contracts"
FILES = sorted(OURS.glob("*.yaml")) + sorted(OURS.glob("*/*.yaml")) + sorted(OURS.glob("*/cases/*.yaml"))


def accepts(schema: str, text: str) -> bool:
    """Whether a schema takes a file's text."""
    node = parse(text, file="x")
    return jsonschema_rs.validator_for(SCHEMAS[schema]).is_valid(plain(node))  # type: ignore[arg-type]  # a Problem fails the test


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_the_one_in_the_code(name: str) -> None:
    """`write_schemas` makes them anew."""
    assert (OURS / "schema" / f"{name}.json").read_text(encoding="utf-8") == schema_text(name)
    jsonschema_rs.meta.validate(SCHEMAS[name])


def test_schemas_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    """One file each."""
    write_schemas(tmp_path / "schema")
    assert {path.stem for path in (tmp_path / "schema").iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(OURS)))
def test_our_contracts_fit_their_schemas(path: Path) -> None:
    """What the loader takes an editor must not mark as wrong."""
    kind = "case" if path.parent.name == "cases" else path.stem
    assert accepts(kind, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "schema", "good", "before", "after"),
    [
        ("lots.create/route.yaml", "route", ROUTE, "group: lots", "grupo: lots"),
        ("lots.create/route.yaml", "route", ROUTE, "effect: write\n", ""),
        ("lots.create/route.yaml", "route", ROUTE, "effect: write", "effect: wipe"),
        ("lots.create/route.yaml", "route", ROUTE, "jwt.sub", "ip"),
        ("lots.create/route.yaml", "route", ROUTE, "POST /", "FETCH /"),
        ("lots.create/route.yaml", "route", ROUTE, "group: lots", "timeout_s: 0"),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "    owner: lots\n", ""),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "2027-06-30", "soon"),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "as: number", "as: nummer"),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "allow:", "arrays: [{where: body/lots}]\nallow:"),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "allow:", "arrays: [{where: b, by: id}]\nallow:"),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "as: number", "kind: wrong"),
        ("lots.create/differences.yaml", "differences", DIFFERENCES, "body/weight_kg", "weight_kg"),
        ("lots.create/cases/minimal.yaml", "case", CASE, "why:", "wy:"),
        ("lots.create/cases/minimal.yaml", "case", CASE, "status: 201", "status: 1000"),
        ("lots.create/cases/minimal.yaml", "case", CASE, "/api/lots", "api/lots"),
        ("identities.yaml", "identities", IDENTITIES, "none", "nobody"),
        ("identities.yaml", "identities", IDENTITIES, "claims: {sub: a}", "sub: a"),
    ],
)  # fmt: skip
def test_what_the_loader_refuses_the_schema_refuses(
    tmp_path: Path, name: str, schema: str, good: str, before: str, after: str
) -> None:
    """As far as a schema can see: one file, no dates, no other files."""
    assert accepts(schema, good)
    mistaken = good.replace(before, after)
    assert mistaken != good
    assert not accepts(schema, mistaken)
    assert isinstance(load(write(tmp_path, {**GOOD, name: mistaken}), today=TODAY), list)


def test_our_contracts_are_right_and_complete() -> None:
    """Every route of the legacy system, three cases each at least, and nothing expired on the day they were written."""
    contracts = load(OURS, today=date(2026, 11, 21))
    assert isinstance(contracts, Contracts), [str(problem) for problem in contracts]
    assert set(contracts.by_key) == {
        "auth.login", "health", "lots.create", "lots.list", "qc.create",
        "runs.create", "runs.get", "runs.list", "runs.update", "traceability.get",
    }  # fmt: skip
    assert contracts.notes == ()
    assert contracts.backends is not None


def test_a_write_of_a_lot_and_the_reads_after_it_share_a_bucket() -> None:
    """Otherwise a caller in a canary would not find the lot just registered."""
    contracts = load(OURS)
    assert isinstance(contracts, Contracts)
    groups = {key: contract.route.group for key, contract in contracts.by_key.items()}
    assert groups["lots.create"] == groups["lots.list"] == groups["traceability.get"] == "lots"
