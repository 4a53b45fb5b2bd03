"""A contracts folder is right, or every mistake is told with its file, line and a sentence."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from gateway.contract.files import MAX_BYTES, Problem
from gateway.contract.load import load
from gateway.message import Side
from gateway.routing.route import Effect, ShadowWrite, StickinessKind
from tests.gateway.contract.folders import CASE, DIFFERENCES, GOOD, IDENTITIES, ROUTE, TODAY, problem, right, write

ROUTE_FILE = "lots.create/route.yaml"
RULES_FILE = "lots.create/differences.yaml"
CASE_FILE = "lots.create/cases/minimal.yaml"


def test_a_good_folder_becomes_routes_rules_and_cases(tmp_path: Path) -> None:
    """Everything a file says arrives where it is used."""
    contracts = right(load(write(tmp_path, GOOD), today=TODAY))
    (route,) = contracts.routes
    assert (route.key, route.method, route.template.text) == ("lots.create", "POST", "/api/lots")
    assert (route.effect, route.shadow_write) == (Effect.WRITE, ShadowWrite.ROLLED_BACK)
    assert (route.group, route.stickiness.kind) == ("lots", StickinessKind.JWT_SUB)
    assert (route.new_path.text, route.timeout_s) == ("/api/lots", None)
    (rule,) = contracts.rules("lots.create").rules
    assert (rule.origin, rule.until) == ("contracts/lots.create/differences.yaml:2", date(2027, 6, 30))
    (case,) = contracts.by_key["lots.create"].cases
    assert (case.name, case.target, case.body) == ("minimal", b"/api/lots", b'{"lot_code":"RAW-9"}')
    assert case.headers == ((b"content-type", b"application/json"),)
    assert case.expect[Side.LEGACY].status == case.expect[Side.NEW].status == 201


def test_what_a_route_leaves_out_has_a_default(tmp_path: Path) -> None:
    """Group is the key, the new path legacy's, and no write is tried beside legacy's."""
    short = "route: DELETE /api/lots/{id}\neffect: write\nstickiness: cookie:sid\nnew: /v1/lots/{id}\ntimeout_s: 2.5\n"
    route = right(load(write(tmp_path, {"lots.delete/route.yaml": short}), today=TODAY)).routes[0]
    assert (route.group, route.shadow_write, route.timeout_s) == ("lots.delete", ShadowWrite.NEVER, 2.5)
    assert route.new_path.text == "/v1/lots/{id}"


def test_arrays_are_paired_by_keys_with_or_without_a_rule(tmp_path: Path) -> None:
    """Under `arrays` order still counts; in a rule with `as: unordered` it does not."""
    arrays = "arrays:\n  - {where: body/lots, by: id}\n  - {where: body/nodes, by: [site, node/id, a~1b]}\n"
    unordered = DIFFERENCES.replace("as: number", "as: unordered\n    by: code")
    contracts = right(load(write(tmp_path, {**GOOD, RULES_FILE: arrays + unordered}), today=TODAY))
    rules = contracts.rules("lots.create")
    assert rules.keys(("body", "lots")) == (("id",),)
    assert rules.keys(("body", "nodes")) == (("site",), ("node", "id"), ("a/b",))
    assert rules.keys(("body", "weight_kg")) == (("code",),)
    assert rules.keys(("body",)) == ()


def test_an_unknown_route_allows_nothing(tmp_path: Path) -> None:
    """The shadow may ask for rules of a route that lives in the database only."""
    assert right(load(write(tmp_path, GOOD))).rules("nope").rules == ()


@pytest.mark.parametrize(
    ("name", "content", "line", "sentence"),
    [
        (ROUTE_FILE, ROUTE + "grupo: lots\n", 6, "unknown key 'grupo'; did you mean 'group'?"),
        (ROUTE_FILE, ROUTE + "group: other\n", 6, "the key 'group' is already in line 3"),
        (ROUTE_FILE, ROUTE.replace("effect: write\n", ""), 1, "effect is missing"),
        (ROUTE_FILE, ROUTE.replace("effect: write", "effect: wipe"), 2, "effect is 'wipe', it must be one of read, "),
        (ROUTE_FILE, ROUTE.replace("jwt.sub", "ip"), 4, "stickiness is 'ip', it must be jwt.sub, client_ip, "),
        (ROUTE_FILE, ROUTE.replace("jwt.sub", "header:é"), 4, "stickiness is 'header:é', it must be jwt.sub"),
        (ROUTE_FILE, ROUTE.replace("rolled_back", "yes"), 5, "shadow_write is 'yes', it must be one of never, "),
        (ROUTE_FILE, ROUTE.replace("POST /", "FETCH /"), 1, "route is 'FETCH /api/lots', it must be a method and"),
        (ROUTE_FILE, ROUTE.replace("POST /", "POST"), 1, "route is 'POSTapi/lots', it must be a method and a path"),
        (ROUTE_FILE, ROUTE.replace("/api/lots", "/api/lots/"), 1, "route: path '/api/lots/' ends with /"),
        (ROUTE_FILE, ROUTE.replace("/api/lots", "/api/{lots"), 1, "route: path '/api/{lots': '{lots' is not a para"),
        (ROUTE_FILE, ROUTE + "new: /v1/lots/{id}\n", 6, "new uses id, which the route's path does not have"),
        (ROUTE_FILE, ROUTE + "new: v1\n", 6, "new: path 'v1' does not start with /"),
        (ROUTE_FILE, ROUTE + "timeout_s: 0\n", 6, "timeout_s must be a number from 0.1 to 3600"),
        (ROUTE_FILE, ROUTE + "timeout_s: true\n", 6, "timeout_s must be a number from 0.1 to 3600"),
        (ROUTE_FILE, ROUTE.replace("group: lots", "group: [lots]"), 3, "group must be a text"),
        (ROUTE_FILE, "- a\n", 1, "the file must hold keys and values"),
        (ROUTE_FILE, "", 0, "the file is empty"),
        (RULES_FILE, DIFFERENCES.replace("    because: the pg driver prints numerics as strings\n", ""), 2,
         "because is missing"),
        (RULES_FILE, DIFFERENCES.replace("    owner: lots\n", ""), 2, "owner is missing"),
        (RULES_FILE, DIFFERENCES.replace("    until: 2027-06-30\n", ""), 2, "until is missing"),
        (RULES_FILE, DIFFERENCES.replace("2027-06-30", "2026-11-20"), 6, "the rule ended on 2026-11-20; settle"),
        (RULES_FILE, DIFFERENCES.replace("2027-06-30", "2027-02-30"), 6, "until is '2027-02-30', it must be a day"),
        (RULES_FILE, DIFFERENCES.replace("2027-06-30", "soon"), 6, "until is 'soon', it must be a day like"),
        (RULES_FILE, DIFFERENCES.replace("body/weight_kg", "body/**"), 2, "where: 'body/**' is broader than one subt"),
        (RULES_FILE, DIFFERENCES.replace("body/weight_kg", '"**"'), 2, "where: '**' is none of status, header/NAME"),
        (RULES_FILE, DIFFERENCES.replace("body/weight_kg", "body"), 2, "where: body is the whole body; limit the rule"),
        (RULES_FILE, "arrays:\n  - where: body/lots\n", 2, "by is missing"),
        (RULES_FILE, "arrays:\n  - {where: status, by: id}\n", 2, "by is about an array of the body"),
        (RULES_FILE, "arrays:\n  - {where: body/a, by: node//id}\n", 2, "by must name a key of each element"),
        (RULES_FILE, "arrays:\n  - {where: body/*, by: id}\n", 2, "where: 'body/*' is broader than one subtree"),
        (RULES_FILE, "arrays:\n  - {where: body/a, by: id, as: any}\n", 2, "unknown key 'as'"),
        (RULES_FILE, DIFFERENCES + "    by: id\n", 7, "by goes with as: unordered here"),
        (RULES_FILE, DIFFERENCES.replace("as: number", "as: nummer"), 3, "as is 'nummer', it must be one of any, num"),
        (RULES_FILE, DIFFERENCES.replace("as: number", "kind: wrong"), 3, "kind is 'wrong', it must be one of type"),
        (RULES_FILE, DIFFERENCES.replace("    as: number\n", ""), 2, "kind is missing (or as: how both values are"),
        (RULES_FILE, DIFFERENCES + "    where_: x\n", 7, "unknown key 'where_'; did you mean 'where'?"),
        (RULES_FILE, DIFFERENCES + "    when: {legacy: 99}\n", 7, "legacy must be a whole number from 100 to 599"),
        (RULES_FILE, DIFFERENCES + "    when: {case: nope}\n", 2, "when: there is no case 'nope'"),
        (RULES_FILE, "allow: everything\n", 1, "allow must be a list, each item with keys and values"),
        (RULES_FILE, DIFFERENCES + "headers: ['x y']\n", 7, "'x y' is no header name"),
        (CASE_FILE, CASE.replace("why: only the code is required\n", ""), 1, "why is missing"),
        (CASE_FILE, CASE.replace("as: operator", "as: nobody"), 2, "as is 'nobody', which identities.yaml does not"),
        (CASE_FILE, CASE.replace("/api/lots", "/api/runs"), 3, "the request belongs to no route, not to lots.create"),
        (CASE_FILE, CASE.replace("/api/lots", "//evil/lots"), 3, "the request belongs to no route, not to lots.cre"),
        (CASE_FILE, CASE.replace("/api/lots", "http://evil/"), 3, "target must begin with / and hold printable ASCII"),
        (CASE_FILE, CASE.replace("/api/lots", '"/a\\r\\nHost: b"'), 3, "target must begin with / and hold printable"),
        (CASE_FILE, CASE.replace("json: {lot_code: RAW-9}", "json: 1, body: x"), 3, "only one of json, body and form"),
        (CASE_FILE, CASE.replace("json: {lot_code: RAW-9}", "body: 1"), 3, "body must be a text; it is sent as it"),
        (CASE_FILE, CASE.replace("json:", 'headers: {x-a: "b\\nc"}, json:'), 3, "the header 'x-a' has characters that"),
        (CASE_FILE, CASE.replace("json:", "headers: {Host: b}, json:"), 3, "the header Host belongs to the connection"),
        (CASE_FILE, CASE.replace("status: 201", "status: 1000"), 4, "status must be a whole number from 100 to 599"),
        (CASE_FILE, CASE.replace("status: 201", "legacy: {status: 201}"), 4, "expect does not say which status new"),
        (CASE_FILE, CASE + "row: [lots]\n", 5, "unknown key 'row'; did you mean 'rows'?"),
        ("identities.yaml", IDENTITIES.replace("secret: SUPABASE_JWT_SECRET\n", ""), 1, "secret is missing: it names"),
        ("identities.yaml", IDENTITIES.replace("SUPABASE_JWT_SECRET", "s3cret!"), 1, "secret must name an environment"),
        ("identities.yaml", IDENTITIES + "  both: {claims: {}, bearer: x}\n", 5, "both must have either claims or be"),
        ("identities.yaml", IDENTITIES + '  odd: {bearer: "a b"}\n', 5, "bearer must be printable ASCII"),
        ("identities.yaml", IDENTITIES + "  Odd: none\n", 5, "'Odd' is no name for an identity"),
        ("identities.yaml", IDENTITIES + "  odd: 1\n", 5, "odd must be none, or hold claims or bearer"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place(tmp_path: Path, name: str, content: str, line: int, sentence: str) -> None:
    """One mistake, one problem: file, line, sentence."""
    found = problem(tmp_path, name, content)
    assert (found.file, found.line) == (f"contracts/{name}", line)
    assert found.sentence.startswith(sentence)
    place = f"contracts/{name}:{line}" if line else f"contracts/{name}"
    assert str(found).startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("content", "line", "sentence"),
    [
        ("route: &a POST /api/lots\n", 1, "anchors are not allowed"),
        ("a: *b\n", 1, "aliases are not allowed"),
        ("a: &a [x]\nb: [*a, *a]\n", 1, "anchors are not allowed"),
        ("route: !!python/object/apply:os.system [ls]\n", 1, "tags are not allowed"),
        ("route: !!binary aGk=\n", 1, "tags are not allowed"),
        ("<<: {a: b}\n", 1, "merge keys are not allowed"),
        ("a: b\n---\nc: d\n", 2, "only one document is allowed in a file"),
        ("? [a]\n: b\n", 1, "a key must be a text"),
        ("1: b\n", 1, "a key must be a text"),
        ("[" * 100_000, 1, "the file is nested deeper than 32 levels"),
        ("a: [" + "1," * 30_000 + "]", 1, "the file has more than 20000 values"),
        ("a: [b\n", 2, "this is not YAML"),
        ("\ta: b\n", 1, "this is not YAML"),
        ("a: b\nc: '\x00'\n", 2, "the file holds a character that YAML does not allow"),
        ('a: "\\UFFFFFFFF"\n', 0, "the file holds a character that YAML does not allow"),
        ('a: "\\ud800"\n', 1, "half a surrogate pair is not a character"),
        (b"a: b\nc: \xff\n", 2, "the file is not UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), 0, f"the file is larger than {MAX_BYTES} bytes"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, str | bytes) else None,
)
def test_a_file_that_means_harm_is_refused_in_one_line(
    tmp_path: Path, content: str | bytes, line: int, sentence: str
) -> None:
    """No tag is constructed, no alias followed, nothing read past its bounds."""
    found = problem(tmp_path, ROUTE_FILE, content)
    assert (found.file, found.line) == (f"contracts/{ROUTE_FILE}", line)
    assert found.sentence.startswith(sentence)


def test_every_problem_is_told_at_once_in_order(tmp_path: Path) -> None:
    """Nobody mends one mistake to be told the next."""
    found = load(
        write(tmp_path, {**GOOD, ROUTE_FILE: "effect: x\n", CASE_FILE: "a: b\n", "identities.yaml": "x: y\n"}),
        today=TODAY,
    )
    assert isinstance(found, list)
    assert found == sorted(found)
    assert len(found) > 4
    assert {one.file for one in found} == {f"contracts/{ROUTE_FILE}", "contracts/identities.yaml"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a/{x}", "/a/{y}"),
        ("/a/b", "/A/b"),
        ("/a/{x}/c", "/a/b/{y}"),
    ],
)
def test_routes_that_overlap_are_told(tmp_path: Path, first: str, second: str) -> None:
    """The same shape, the same letters in another case, or two that some path fits equally well."""
    route = "route: GET {}\neffect: read\nstickiness: client_ip\n"
    folder = write(tmp_path, {"a.one/route.yaml": route.format(first), "a.two/route.yaml": route.format(second)})
    sentence = f"GET {second} overlaps a.one (GET {first}): some path fits both and neither is the more specific one"
    assert load(folder) == [Problem("contracts/a.two/route.yaml", 1, sentence)]


def test_a_literal_beside_a_parameter_is_no_overlap(tmp_path: Path) -> None:
    """The literal wins, so both may stand; another method is another route anyway."""
    route = "route: {}\neffect: {}\nstickiness: client_ip\n"
    files = {
        "runs.latest/route.yaml": route.format("GET /runs/latest", "read"),
        "runs.get/route.yaml": route.format("GET /runs/{id}", "read"),
        "runs.put/route.yaml": route.format("PUT /runs/{key}", "idempotent"),
    }
    assert len(right(load(write(tmp_path, files))).routes) == 3


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("route: GET /a\neffect: write\nstickiness: client_ip\n", 2, "effect is write, but GET is a safe method"),
        (
            "route: GET /a\neffect: read\nstickiness: client_ip\nshadow_write: rolled_back\n",
            4,
            "shadow_write is for routes that write; this one has effect read",
        ),
    ],
)
def test_a_route_that_contradicts_itself_is_told(tmp_path: Path, text: str, line: int, sentence: str) -> None:
    """What a method means and what a route says must fit."""
    found = load(write(tmp_path, {"a/route.yaml": text}))
    assert isinstance(found, list)
    assert (found[0].line, found[0].sentence[: len(sentence)]) == (line, sentence)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("notes.txt", "a route's folder, identities.yaml or backends.yaml"),
        ("Lots.Create/route.yaml", "a route key like lots.create"),
        ("lots create/route.yaml", "a route key like lots.create"),
        ("lots.create/rules.yaml", "route.yaml, differences.yaml or the folder cases"),
        ("lots.create/cases/minimal.yml", "a case file like minimal.yaml (lower case, digits and -)"),
        ("lots.create/cases/Minimal.yaml", "a case file like minimal.yaml (lower case, digits and -)"),
    ],
)
def test_a_file_that_nobody_would_read_is_told(tmp_path: Path, name: str, expected: str) -> None:
    """A misspelt name must not silently mean that a case does not run."""
    found = load(write(tmp_path, {**GOOD, name: "x"}))
    assert isinstance(found, list)
    assert found[0].sentence == f"this is not {expected}"


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    """A contract is a regular file inside its folder."""
    folder = write(tmp_path, GOOD)
    secret = tmp_path / "secret.yaml"
    secret.write_text(ROUTE)
    (folder / ROUTE_FILE).unlink()
    (folder / ROUTE_FILE).symlink_to(secret)
    (folder / CASE_FILE).unlink()
    os.mkfifo(folder / CASE_FILE)
    (folder / "runs.get").symlink_to(folder / "lots.create")
    found = load(folder)
    assert isinstance(found, list)
    assert [one.file for one in found] == ["contracts/lots.create/route.yaml", "contracts/runs.get"]
    (folder / ROUTE_FILE).unlink()
    (folder / "runs.get").unlink()
    (folder / ROUTE_FILE).write_text(ROUTE)
    assert load(folder) == [Problem(f"contracts/{CASE_FILE}", 0, "this is not a regular file")]


@pytest.mark.parametrize("name", [ROUTE_FILE, CASE_FILE, "lots.create/differences.yaml"])
def test_a_folder_in_the_place_of_a_file_is_a_problem(tmp_path: Path, name: str) -> None:
    """It raised, and a gateway never looked at its contracts again."""
    folder = write(tmp_path, GOOD)
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    assert load(folder) == [Problem(f"contracts/{name}", 0, "this is not a regular file")]


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """Not an empty set of contracts."""
    assert load(tmp_path / "nope") == [Problem("nope", 0, "the folder cannot be read (No such file or directory)")]


def test_a_gateway_that_starts_is_not_kept_down_by_an_expired_rule(tmp_path: Path) -> None:
    """Without a day nothing is expired; the comparison itself knows the day."""
    folder = write(tmp_path, {**GOOD, RULES_FILE: DIFFERENCES.replace("2027-06-30", "2020-01-01")})
    assert right(load(folder)).rules("lots.create").rules[0].until == date(2020, 1, 1)


def test_notes_say_what_is_thin_and_what_is_not_compared(tmp_path: Path) -> None:
    """Too few cases and the rows of a case are told, and are no problems."""
    notes = right(load(write(tmp_path, {**GOOD, CASE_FILE: CASE + "rows: [lots, users]\n"}), today=TODAY)).notes
    assert [str(note) for note in notes] == [
        "contracts/lots.create/route.yaml: lots.create has 1 of at least 3 cases "
        "(a good one, bad input, not found or forbidden)",
        f"contracts/{CASE_FILE}: rows (lots, users) are not compared yet; only the answers are",
    ]
