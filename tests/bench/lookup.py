"""Finding a route among many: one process on one core, no sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gateway.routing.route import Effect, Route, Stickiness
from gateway.routing.table import RouteTable
from gateway.routing.template import Template

MOST: Final = 10_000


def subjects() -> Iterator[tuple[str, Callable[[], object]]]:
    """What is timed, each with its name."""
    for count in (10, 1_000, MOST):
        yield f"route lookup among {count:,}", among(count)


def among(count: int) -> Callable[[], object]:
    """A lookup of a route in the middle of so many, as a request makes it: what its parameters stand for, few need."""
    table = RouteTable(map(_route, range(count)))
    path = b"/api/group%d/42/items/7" % (count // 2)
    if table.find("GET", path) is None:
        raise RuntimeError("the path that is looked up belongs to a route")
    return lambda: table.find("GET", path)


def _route(number: int) -> Route:
    template = Template.parse(f"/api/group{number}/{{id}}/items/{{item}}")
    key = f"group{number}.get"
    return Route(key, "GET", template, Effect.READ, key, Stickiness.parse("jwt.sub"), template)
