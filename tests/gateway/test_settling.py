"""A mistake of the new side becomes a failing contract case, which passes once it is fixed or allowed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from gateway.db.tables import EVIDENCE
from tests.gateway.cli.program import Ran, run_in
from tests.gateway.domains import domain_named
from tests.gateway.running import Running, eventually, start_gateway
from tests.legacy.stack import REPOSITORY, person_claims, signed, start_legacy, stop_legacy

RUN = "/api/runs/ce461d43-126d-4ef4-96d2-e2d396eff7d2"
PLANTED = "tests.gateway.planted:build"
RULE = """
allow:
  - where: body/run_code
    kind: value
    because: somebody wants them small
    owner: runs
    until: 2099-12-31
"""


@pytest.fixture(scope="module")
def domain(postgres: str) -> str:
    """A database with legacy's tables, the seeds and the gateway's tables."""
    return domain_named("settling", postgres)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as a team has it: the contracts and what backends.yaml names, the new side with its mistake."""
    shutil.copytree(REPOSITORY / "contracts", tmp_path / "contracts")
    shutil.copytree(REPOSITORY / "legacy", tmp_path / "legacy", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "legacy" / "node_modules").symlink_to(REPOSITORY / "legacy" / "node_modules")
    use(tmp_path, PLANTED)
    return tmp_path


def use(project: Path, app: str) -> None:
    """Verify against this new side."""
    backends = project / "contracts" / "backends.yaml"
    text = backends.read_text().replace(PLANTED, "services.app:build")
    backends.write_text(text.replace("services.app:build", app))


def verify(project: Path, postgres: str, case: str) -> Ran:
    """Run one case as CI does, both sides started for it."""
    words = ["contracts", "verify", "--only", f"runs.get/{case}", "--json", "--database-url", postgres]
    return run_in(project, words, {"PYTHONPATH": str(REPOSITORY), "STRANGLER_STATE": str(project / "state")})


def seen(own: Running) -> bool:
    """Whether the mismatch is stored."""
    return bool(own.api("GET", "/api/routes/runs.get/mismatches").json()["clusters"])


def stored(domain: str) -> str:
    """Every row of every table of evidence, as text."""
    with psycopg.connect(domain) as connection:
        names = [each.name for each in EVIDENCE if each.name != "evidence_key"]
        rows = [connection.execute(f"SELECT t::text FROM gateway.{name} AS t".encode()).fetchall() for name in names]
    assert all(found for name, found in zip(names, rows, strict=True) if name != "rule_hits")
    return str(rows)


def test_a_mismatch_seen_live_is_a_case_that_fails_until_it_is_settled(
    postgres: str, domain: str, project: Path, tmp_path: Path
) -> None:
    """Found in shadow, written as a case, failing in CI by name; fixed it passes, and allowed it passes as well."""
    process, url = start_legacy(domain)
    options = ("--legacy", url, "--new", PLANTED, "--contracts", str(project / "contracts"), "--database-url", domain)
    own = start_gateway(*options, state=tmp_path / "gateway", environment={"SERVICES_DATABASE_URL": domain})
    asking = {"STRANGLER_ADMIN_URL": own.admin, "STRANGLER_ADMIN_TOKEN": own.token, "STRANGLER_LISTEN": own.data[7:]}
    token = signed(person_claims(app_metadata={"role": "OPERATOR"}))
    try:
        assert own.flip("runs.get", "shadow", sample=10_000).status_code == 200
        assert own.get(RUN, authorization=f"Bearer {token}", cookie="sid=s3cret").status_code == 200
        assert eventually(lambda: seen(own))
        ran = run_in(project, ["mismatches", "runs.get", "--as-case"], asking)
        assert ran.code == 0, ran.err
        assert "fails until each is fixed or allowed" in ran.out
        repeated = run_in(project, ["mismatches", "runs.get", "--as-case"], asking)
        assert (repeated.code, "was there, and stays as it is" in repeated.out) == (0, True)
        told = run_in(project, ["mismatches", "runs.get", "--since", "1h"], asking).out
        command = run_in(project, ["mismatches", "runs.get", "--as-curl"], asking).out
        again = subprocess.run(
            ["bash", "-c", command], env={"TOKEN": token, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
        )
    finally:
        assert own.stop() == 0
        stop_legacy(process)
    assert "body/run_code: value" in told
    assert b'"run_code":"PRD-' in again.stdout
    file = project / "contracts" / "runs.get" / "cases" / "seen-body-run-code-value.yaml"
    text = file.read_text()
    assert "as: operator\n" in text
    everything = text + told + command + stored(domain) + (tmp_path / "gateway" / "gateway.log").read_text()
    assert not [secret for secret in (token, "s3cret", "cookie") if secret in everything]

    failed = verify(project, postgres, file.stem)
    assert failed.code == 1, failed.err
    ((mismatch,),) = [case["mismatches"] for case in failed.json["cases"]]
    assert mismatch["where"] == "body/run_code"

    use(project, "services.app:build")
    fixed = verify(project, postgres, file.stem)
    assert fixed.code == 0, fixed.out

    use(project, PLANTED)
    rules = project / "contracts" / "runs.get" / "differences.yaml"
    rules.write_text(rules.read_text() + RULE.replace("\nallow:", "") if "allow:" in rules.read_text() else RULE)
    allowed = verify(project, postgres, file.stem)
    assert allowed.code == 0, allowed.out
