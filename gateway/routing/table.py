"""The route table: a trie over path segments that finds the route Express would find for the same bytes.

Like Express 4 with its default settings: the path is compared as sent (no decoding, no `..`), literals
whatever their case, one trailing slash is ignored, a parameter takes one non-empty segment that can be decoded
(Express answers 400 itself where it cannot, so such a request is legacy's).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.routing.route import Route

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Match(NamedTuple):
    """A route and the bytes its parameters stand for (still percent-encoded)."""

    route: Route
    values: dict[str, bytes]


class _Node:
    __slots__ = ("literals", "methods", "parameter")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Route] = {}


class RouteTable:
    """All routes, immutable once built; lookups cost the same for ten routes and ten thousand."""

    __slots__ = ("_root", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = {route.key: route for route in routes}
        self._root = _Node()
        for route in self.routes.values():
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.template.segments:
            if segment.is_parameter:
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment.text.lower().encode(), _Node())
        if route.method in node.methods:
            other = node.methods[route.method].key
            raise ValueError(f"routes {other} and {route.key} are the same method and path")
        node.methods[route.method] = route

    def match(self, method: str, path: bytes) -> Match | None:
        """What `find` finds, with the values of its parameters."""
        route = self.find(method, path)
        return None if route is None else Match(route, route.template.values(path))

    def find(self, method: str, path: bytes) -> Route | None:
        """The route for a method and a raw path, or None: then the request simply belongs to legacy.

        HEAD belongs to the GET route of its path, as in Express, unless it has one of its own.
        """
        if path[:1] != b"/":
            return None
        parts = path.lower().split(b"/")
        if not parts[-1] and len(parts) > 2 and path != b"//":
            parts.pop()
        del parts[0]
        route = _find(self._root, method, parts, 0)
        return None if route is not None and b"%" in path and not _decodes(route, path) else route


def _find(node: _Node, method: str, parts: list[bytes], at: int) -> Route | None:
    """Go down from a node by the parts from `at` on; a literal wins, unless only the parameter leads to a route."""
    for part in parts[at:] if at else parts:
        at += 1
        literal, parameter = node.literals.get(part), node.parameter
        if literal is not None:
            if parameter is None:
                node = literal
                continue
            found = _find(literal, method, parts, at)
            if found is not None:
                return found
        if parameter is None or not part:
            return None
        node = parameter
    route = node.methods.get(method)
    return node.methods.get("GET") if route is None and method == "HEAD" else route


def _decodes(route: Route, path: bytes) -> bool:
    """Whether decodeURIComponent takes every parameter."""
    return all(map(_is_utf8, route.template.values(path).values()))


def _is_utf8(part: bytes) -> bool:
    if _BAD_ESCAPE.search(part) is not None:
        return False
    try:
        unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return False
    return True
