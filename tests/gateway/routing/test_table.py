"""The table finds the route Express finds, for the bytes as they came."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from gateway.routing.route import Effect, Route, Stickiness
from gateway.routing.table import RouteTable
from gateway.routing.template import Template

ROOT = Path(__file__).parents[3]
ORACLE = Path(__file__).with_name("express_oracle.cjs")


def route(key: str, text: str) -> Route:
    """A route such as `GET /api/lots`."""
    method, _, path = text.partition(" ")
    template = Template.parse(path)
    return Route(key, method, template, Effect.READ, "g", Stickiness.parse("jwt.sub"), template)


ROUTES = [
    "GET /",
    "GET /api/lots",
    "POST /api/lots",
    "GET /api/runs/latest",
    "GET /api/runs/{id}",
    "PATCH /api/runs/{id}",
    "GET /api/runs/{id}/lots/{lot}",
    "GET /api/a.b/{c}/end",
    "GET /api/{kind}/x/{id}",
]
TABLE = RouteTable([route(str(number), text) for number, text in enumerate(ROUTES)])


def picked(method: str, path: bytes) -> str | None:
    """The text of the route that matches, None when none does."""
    match = TABLE.match(method, path)
    return None if match is None else ROUTES[int(match.route.key)]


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", b"/api/lots", "GET /api/lots"),
        ("GET", b"/api/lots/", "GET /api/lots"),
        ("GET", b"/API/Lots", "GET /api/lots"),
        ("HEAD", b"/api/lots", "GET /api/lots"),
        ("POST", b"/api/lots", "POST /api/lots"),
        ("PUT", b"/api/lots", None),
        ("GET", b"/api/runs/latest", "GET /api/runs/latest"),
        ("PATCH", b"/api/runs/latest", "PATCH /api/runs/{id}"),
        ("GET", b"/api/runs/a%2Fb", "GET /api/runs/{id}"),
        ("GET", b"/api/runs/%C3%A9", "GET /api/runs/{id}"),
        ("GET", b"/api/runs/%zz", None),
        ("GET", b"/api/runs/100%", None),
        ("GET", b"/api/runs/%ff", None),
        ("GET", b"/api/runs/%ed%a0%80", None),
        ("GET", b"/api/l%6Fts", None),
        ("GET", b"//api/lots", None),
        ("GET", b"/api//lots", None),
        ("GET", b"/api/./lots", None),
        ("GET", b"/api/runs/../lots", None),
        ("GET", b"/api/aXb/1/end", None),
        ("GET", b"//", None),
        ("GET", b"*", None),
        ("GET", b"", None),
    ],
)
def test_the_path_is_compared_as_sent(method: str, path: bytes, wanted: str | None) -> None:
    """As sent: no dot segments, case and one trailing slash do not count, literals win, parameters can be decoded."""
    assert picked(method, path) == wanted


def test_parameters_keep_their_bytes() -> None:
    """A parameter's value is what stood in the path, still percent-encoded."""
    match = TABLE.match("GET", b"/api/runs/a%2Fb/lots/%C3%A9;x=1")
    assert match is not None
    assert match.values == {"id": b"a%2Fb", "lot": b"%C3%A9;x=1"}


def test_two_routes_of_one_method_and_path_are_refused() -> None:
    """Parameter names do not make two routes different."""
    with pytest.raises(ValueError, match="same method and path"):
        RouteTable([route("a", "GET /x/{id}"), route("b", "GET /x/{name}")])


def test_ten_thousand_routes_find_the_same() -> None:
    """A large table picks what a small one picks."""
    table = RouteTable([route(f"r{number}", f"GET /svc{number}/items/{{id}}") for number in range(10_000)])
    match = table.match("GET", b"/svc7777/items/9")
    assert match is not None
    assert match.route.key == "r7777"


def test_the_picked_route_is_the_one_express_picks() -> None:
    """Over 20,000 generated targets the table and Express's own router agree."""
    rng = random.Random(7)
    pieces = [
        "api",
        "API",
        "lots",
        "lOts",
        "runs",
        "latest",
        "a.b",
        "aXb",
        "x",
        "end",
        "",
        ".",
        "..",
        "%2e",
        "%2F",
        "%252f",
        "l%6Fts",
        ";x",
        "lots;x",
        "é",
        "1",
        "a b",
        "{id}",
        ":id",
        "*",
        "(",
        "a+b",
    ]
    paths = ["/" + "/".join(rng.choices(pieces, k=rng.randint(0, 6))) for _ in range(20_000)]
    requests = [(rng.choice(["GET", "GET", "HEAD", "POST", "PATCH", "PUT"]), path) for path in paths]
    express_routes = [(text.split(" ")[0], _express(text.split(" ")[1])) for text in ROUTES]
    # A bad escape in a parameter is an error in Express, so no route there; the generator makes none.
    answer = subprocess.run(
        [ROOT / ".venv/bin/node", ORACLE, ROOT / "legacy/node_modules/express"],
        input=json.dumps({"routes": express_routes, "requests": requests}).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    for (method, path), express in zip(requests, json.loads(answer.stdout), strict=True):
        ours = picked(method, path.encode())
        assert ours == (None if express is None else ROUTES[express]), (method, path)


def _express(path: str) -> str:
    return path.replace("{", ":").replace("}", "")
