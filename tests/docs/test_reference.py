"""The reference says what the code has, all of it and nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined
from starlette.routing import Route

from gateway.admin.app import build_admin
from gateway.admin.evidence import EvidenceEndpoints
from gateway.admin.service import AdminService
from gateway.app.service import RELOADED
from gateway.contract.load import Contracts, load
from gateway.contract.schema import SCHEMAS
from gateway.db.engine import make_engine
from gateway.db.evidence import EvidenceStore
from gateway.db.flags import FlagStore
from gateway.db.rollbacks import RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.db.tokens import TokenStore
from gateway.diff.headers import COMPARED
from gateway.diff.readers import Reading
from gateway.diff.rules import Rules
from gateway.diff.verdict import Kind
from gateway.failure import Failure
from gateway.metrics.snapshot import Snapshot
from gateway.rollout.override import REASON as OVERRIDE
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable
from gateway.settings.model import Settings
from tests.docs import generated
from tests.docs.files import REFERENCE, REPOSITORY, blocks, code, rows


def _read(name: str) -> str:
    return (REFERENCE / name).read_text()


def _section(text: str, heading: str) -> str:
    level = heading.split(" ", 1)[0]
    part = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", part, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", generated.parts())
def test_generated_parts_are_up_to_date(name: str) -> None:
    """`python -m tests.docs.write` would change nothing."""
    assert _read(name) == generated.merged(name)


def test_the_command_line_reference_has_every_command_and_no_other() -> None:
    """There is a section for each command."""
    headings = re.findall(r"^## (strangler .+)$", _read("cli.md"), re.MULTILINE)
    assert headings == [name for name, _ in generated.commands()]


@pytest.mark.parametrize(("name", "command"), [pytest.param(*one, id=one[0]) for one in generated.commands()])
def test_a_command_has_the_options_its_section_lists(name: str, command: Any) -> None:
    """Options and arguments are listed, none is made up; those of many commands stand at the top or in the settings."""
    text = _read("cli.md")
    listed = {re.split(r"[ :]", code(row[0]))[0] for row in rows(_section(text, f"## {name}"), "") if row}
    above = {"--json", "--debug", "--help"}
    real: set[str] = set()
    for parameter in generated.parameters(command):
        if generated.takes_settings(command) and parameter.name in Settings.model_fields:
            continue
        if generated.asks_admin_plane(command) and parameter.name in generated.ACCESS:
            above |= set(parameter.opts)
            continue
        is_option = parameter.param_type_name == "option"
        word = parameter.metavar or parameter.name.upper()
        real.add("/".join([*parameter.opts, *parameter.secondary_opts]) if is_option else word)
    assert listed == real
    assert all(f"`{option}" in text for option in above)


def test_the_settings_reference_has_every_field_with_its_default_and_meaning() -> None:
    """The table is Settings.model_fields."""
    table = rows(_read("settings.md"), generated.BEGIN)
    listed = [(code(name), default, meaning) for name, default, _, meaning in table]
    assert {code(name) for name, _, reload, _ in table if reload == "yes"} == RELOADED
    real = [
        (name, generated.setting_default(field), field.description) for name, field in Settings.model_fields.items()
    ]
    assert listed == real
    assert [name for name, default, _ in listed if default == "required"] == [
        name for name, field in Settings.model_fields.items() if field.default is PydanticUndefined
    ]


def test_the_failures_reference_is_the_enum() -> None:
    """Each failure has its code, status and sentence there, and a cause."""
    table = rows(
        _read("failures.md"), "`x-strangler-side`: no side has answered. A status below 500 also closes the connection."
    )
    assert [(code(row[0]), int(row[1]), row[2]) for row in table] == [
        (failure.code, failure.status, failure.sentence) for failure in Failure
    ]
    assert all(row[3] for row in table)


def test_the_admin_reference_has_every_route_with_its_role() -> None:
    """The table is the router's, and each path has a section of its own."""
    text = _read("admin-api.md")
    listed = [(row[0], code(row[1]), row[2]) for row in rows(text, "[command line](cli.md) is a client of it.")]
    assert sorted(listed) == sorted(_admin_routes())
    assert set(re.findall(r"^## ((?:GET|PUT|POST|DELETE) .+)$", text, re.MULTILINE)) == {
        f"{method} {path}" for method, path, _ in listed
    }


def _admin_routes() -> Iterator[tuple[str, str, str]]:
    engine = make_engine("postgresql:///x?host=/nowhere")  # nothing connects before it is asked
    live = Live(Plan(RouteTable(()), {}, Source.DEFAULT))
    store = EvidenceStore(engine)
    service = AdminService(FlagStore(engine), live, store, has_new=False)
    app = build_admin(
        service=service,
        evidence=EvidenceEndpoints(store, live, lambda route: Rules(), lambda route: ""),
        tokens=TokenStore(engine),
        rollouts=RolloutStore(engine),
        rollbacks=RollbackStore(engine),
        live=live,
        figures=_no_figures,
    )
    for route in app.routes:
        assert isinstance(route, Route)
        role = inspect.getclosurevars(inspect.unwrap(route.endpoint)).nonlocals.get("role")
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path, "nobody's" if role is None else role.word


async def _no_figures() -> Snapshot:
    return {}


def test_the_admin_reference_has_every_error_code() -> None:
    """A code that the admin plane can answer with is in the table of errors, under its status."""
    table = {row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in rows(_read("admin-api.md"), "## Errors")}
    sources = "\n".join(path.read_text() for path in (REPOSITORY / "gateway" / "admin").glob("*.py"))
    real: dict[str, set[str]] = {}
    for status, name in re.findall(r'problem\((\d{3}), "(\w+)"', sources):
        real.setdefault(status, set()).add(name)
    real["401"] = {"unauthenticated"}
    real["409"] |= {"bad_transition", "no_new_side", "gate_refused", "bad_rollout", "rollout_active"}
    real["422"] |= {"bad_share", "reason_missing"}
    assert table == real


def test_the_contract_reference_names_every_key() -> None:
    """Each key of the published schemas stands in the table of its file."""
    text = _read("contracts.md")
    headings = {name: f"## {name}.yaml" for name in SCHEMAS} | {"case": "## cases/NAME.yaml"}
    for name, schema in SCHEMAS.items():
        part = _section(text, headings[name])
        named = {code(key).rsplit(".", 1)[-1] for row in rows(part, "") for key in row[0].split(", ")}
        allowed_elsewhere = set(re.findall(r"`(\w+)`", part)) if name in ("differences", "case") else named
        assert set(_keys(schema)) <= named | allowed_elsewhere, name


def _keys(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from _keys(inner)
    for inner in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        if isinstance(inner, Mapping):
            yield from _keys(inner)


def test_the_examples_of_contract_files_are_right(tmp_path: Path) -> None:
    """Each example of the contract reference loads."""
    text = _read("contracts.md")
    files = {
        "runs.get/route.yaml": "## route.yaml",
        "runs.get/differences.yaml": "## differences.yaml",
        "lots.create/cases/minimal.yaml": "## cases/NAME.yaml",
        "identities.yaml": "## identities.yaml",
        "backends.yaml": "## backends.yaml",
    }
    written = {name: next(blocks(_section(text, heading))).text for name, heading in files.items()}
    written["lots.create/route.yaml"] = "{route: POST /api/lots, effect: write, stickiness: jwt.sub}"
    for name, content in written.items():
        file = tmp_path / "contracts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    for name in ("schema.sql", "seed.sql"):
        (tmp_path / "legacy").mkdir(exist_ok=True)
        (tmp_path / "legacy" / name).touch()
    loaded = load(tmp_path / "contracts", today=date(2026, 11, 21))
    assert isinstance(loaded, Contracts), loaded
    assert loaded.backends is not None


@pytest.mark.parametrize(("heading", "words"), [("### as", Reading), ("### kind", Kind)])
def test_the_contract_reference_names_every_word_of_a_rule(heading: str, words: Any) -> None:
    """The tables of readers and kinds are the enums."""
    assert [code(row[0]) for row in rows(_section(_read("contracts.md"), heading), "")] == [*words]


def test_the_contract_reference_names_every_compared_header() -> None:
    """The list of headers is the one that is compared."""
    part = _section(_read("contracts.md"), "### Headers that are compared").split("\n\n")[1 - 1]
    assert set(re.findall(r"`([a-z-]+)`", part)) == COMPARED


def test_the_explanation_has_every_reason_of_a_decision() -> None:
    """The words of decide.py are the words of the table."""
    text = (REPOSITORY / "docs" / "explanation" / "one-request.md").read_text()
    source = (REPOSITORY / "gateway" / "rollout" / "decide.py").read_text()
    reasons = {*re.findall(r'"((?:stage|canary|no)_\w+|panic)"', source), OVERRIDE}
    assert {code(row[0]) for row in rows(_section(text, "## 3 Decide"), "")} == reasons
