"""route.yaml into a route; the key of a route is the name of its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations

from gateway.contract.fields import Fields
from gateway.contract.files import Problem
from gateway.routing.route import Effect, Route, ShadowWrite, Stickiness, Terms, WayBack
from gateway.routing.template import Template

KEY = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*", re.ASCII)
SHARE = re.compile(r"(\d{1,2}(?:\.\d{1,6})?)\s?%", re.ASCII)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 section 9.2.1


def route_of(fields: Fields, *, key: str) -> Route | None:
    """The route a file defines; None after problems were noted."""
    method, template = _method_and_path(fields)
    effect = fields.choice("effect", tuple(Effect), required=True)
    stickiness = _stickiness(fields)
    group = fields.text("group") or key
    shadow_write = fields.choice("shadow_write", tuple(ShadowWrite)) or ShadowWrite.NEVER
    new_path = _template(fields, "new") or template
    timeout_s = fields.number("timeout_s", low=0.1, high=3600)
    terms = _terms(fields)
    redact = fields.texts("redact") or ()
    rescue = fields.choice("rescue", ("on", "off"))
    fields.finish()
    if not (method and template and effect and stickiness and new_path):
        return None
    if effect == Effect.READ and shadow_write != ShadowWrite.NEVER:
        fields.wrong("shadow_write is for routes that write; this one has effect read", "shadow_write")
    if effect != Effect.READ and method in _SAFE:
        fields.wrong(f"effect is {effect}, but {method} is a safe method: its effect is read", "effect")
    unfilled = new_path.parameters - template.parameters
    if unfilled:
        fields.wrong(f"new uses {', '.join(sorted(unfilled))}, which the route's path does not have", "new")
    return Route(
        key=key,
        method=method,
        template=template,
        effect=Effect(effect),
        group=group,
        stickiness=stickiness,
        new_path=new_path,
        shadow_write=ShadowWrite(shadow_write),
        timeout_s=timeout_s,
        terms=terms,
        redact=frozenset(name.lower() for name in redact),
        rescue=rescue == "on",
    )


def _terms(fields: Fields) -> Terms:
    gate = fields.fields("gate")
    if gate is None:
        return Terms()
    default = Terms()
    slack_ms = gate.number("slack_ms", low=0, high=60_000)
    terms = Terms(
        target=_share(gate, "target", default.target),
        errors=_share(gate, "errors", default.errors),
        slack_ms=default.slack_ms if slack_ms is None else slack_ms,
        rollback=WayBack(gate.choice("rollback", tuple(WayBack)) or default.rollback),
    )
    gate.finish()
    return terms


def _share(fields: Fields, key: str, default: float) -> float:
    """A percentage above 0 and below 100, with its sign."""
    text = fields.text(key)
    if text is None:
        return default
    found = SHARE.fullmatch(text)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share < 1:
        fields.wrong(f"{key} is {text!r}, it must be a percentage between 0 and 100, like 0.1%", key)
        return default
    return share


def _method_and_path(fields: Fields) -> tuple[str | None, Template | None]:
    text = fields.text("route", required=True)
    if text is None:
        return None, None
    method, space, path = text.partition(" ")
    if not space or method not in METHODS:
        fields.wrong(f"route is {text!r}, it must be a method and a path, like GET /api/lots", "route")
        return None, None
    try:
        return method, Template.parse(path)
    except ValueError as error:
        fields.wrong(f"route: {error}", "route")
        return None, None


def _template(fields: Fields, key: str) -> Template | None:
    text = fields.text(key)
    if text is None:
        return None
    try:
        return Template.parse(text)
    except ValueError as error:
        fields.wrong(f"{key}: {error}", key)
        return None


def _stickiness(fields: Fields) -> Stickiness | None:
    text = fields.text("stickiness", required=True)
    if text is None:
        return None
    try:
        return Stickiness.parse(text)
    except ValueError:  # also the UnicodeEncodeError of a name that is not ASCII
        fields.wrong(f"stickiness is {text!r}, it must be jwt.sub, client_ip, header:NAME or cookie:NAME", "stickiness")
        return None


def overlaps(routes: Iterable[tuple[Route, Problem]]) -> list[Problem]:
    """Problems for every two routes of one method that some path fits and neither takes first.

    Each route comes with a problem that holds its file and line.
    """
    alike: dict[tuple[str, int], list[tuple[Route, Problem]]] = {}
    for route, place in routes:
        alike.setdefault((route.method, len(route.template.segments)), []).append((route, place))
    return [
        Problem(
            place.file,
            place.line,
            f"{route.method} {route.template.text} overlaps {other.key} ({other.method} {other.template.text}): "
            "some path fits both and neither is the more specific one",
        )
        for group in alike.values()
        for (other, _), (route, place) in combinations(group, 2)
        if route.template.ambiguous_with(other.template)
    ]
