"""The route table: a trie over path segments that finds the route Express would find for the same bytes.

Like Express 4 with its default settings: the path is compared as sent (no decoding, no `..`), literals
whatever their case, one trailing slash is ignored, a parameter takes one non-empty segment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.routing.route import Route


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request, and the bytes its parameters stand for (still percent-encoded)."""

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
        """The route for a method and a raw path, or None: then the request simply belongs to legacy.

        HEAD belongs to the GET route of its path, as in Express, unless it has one of its own.
        """
        if not path.startswith(b"/"):
            return None
        parts = path.split(b"/")[1:]
        if len(parts) > 1 and parts[-1] == b"" and path != b"//":
            parts.pop()
        return _find(self._root, method, parts, 0)


def _find(node: _Node, method: str, parts: list[bytes], at: int) -> Match | None:
    if at == len(parts):
        route = node.methods.get(method)
        if route is None and method == "HEAD":
            route = node.methods.get("GET")
        return None if route is None else Match(route, _values(route, parts))
    literal = node.literals.get(parts[at].lower())
    if literal is not None:
        found = _find(literal, method, parts, at + 1)
        if found is not None:
            return found
    if node.parameter is not None and parts[at]:
        return _find(node.parameter, method, parts, at + 1)
    return None


def _values(route: Route, parts: list[bytes]) -> dict[str, bytes]:
    segments = route.template.segments
    return {segment.text: part for segment, part in zip(segments, parts, strict=True) if segment.is_parameter}
