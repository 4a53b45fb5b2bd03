"""A case file: one request, who asks, and what both sides must answer."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from gateway.contract.fields import Fields
from gateway.contract.node import Json
from gateway.contract.routes import METHODS
from gateway.diff.document import read_json
from gateway.diff.value import ABSENT, Found, Unreadable
from gateway.message import Headers, Side
from gateway.routing.route import Route

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}", re.ASCII)
_TARGET = re.compile(r"/[\x21-\x7e]{0,8000}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,4000}", re.ASCII)
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade"})
MAX_PADDED = 16 * 1024 * 1024
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one side must answer: None, the empty mapping and ABSENT ask for nothing.

    `body` is a part of the answer: objects may have more keys than it names, arrays may not be longer.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Found = ABSENT


@dataclass(frozen=True, slots=True)
class Case:
    """One request of a route. `identity` None means without a token; `file` and `line` are where it stands."""

    route: str
    name: str
    why: str
    identity: str | None
    method: str
    target: bytes
    headers: Headers
    body: bytes | None
    expect: Mapping[Side, Expectation]
    rows: tuple[str, ...]
    file: str
    line: int

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]


def case_of(fields: Fields, *, route: Route, name: str, identities: Container[str]) -> Case | None:
    """The case a file defines for a route; None after problems were noted."""
    why = fields.text("why", required=True)
    identity = fields.text("as")
    if identity is not None and identity not in identities:
        fields.wrong(f"as is {identity!r}, which identities.yaml does not know", "as")
    rows = fields.texts("rows") or ()
    request = fields.fields("request", required=True)
    expect = _expect(fields)
    fields.finish()
    if request is None:
        return None
    method = request.choice("method", METHODS) or route.method
    target = request.text("target", required=True)
    if target is not None and not _TARGET.fullmatch(target):
        request.wrong("target must begin with / and hold printable ASCII only (percent-encode the rest)", "target")
        target = None
    content_type, body = _body(request)
    body = _padded(request, body)
    headers = _headers(request, content_type)
    request.finish()
    if why is None or target is None or expect is None:
        return None
    return Case(
        route.key,
        name,
        why,
        identity,
        method,
        target.encode(),
        headers,
        body,
        expect,
        rows,
        fields.file,
        request.line("target"),
    )


def _body(request: Fields) -> tuple[str | None, bytes | None]:
    given = [key for key in ("json", "body", "form") if request.has(key)]
    if len(given) > 1:
        request.wrong(f"only one of json, body and form may stand in a request, not {' and '.join(given)}", given[1])
        return None, None
    match given:
        case ["json"]:
            return _JSON, json.dumps(request.json("json"), ensure_ascii=False, separators=(",", ":")).encode()
        case ["body"]:
            text = request.json("body")
            if not isinstance(text, str):
                request.wrong("body must be a text; it is sent as it stands (json: sends a value)", "body")
                return None, None
            return None, text.encode()
        case ["form"]:
            return _FORM, urlencode(request.mapping("form") or {}).encode()
    return None, None


def _padded(request: Fields, body: bytes | None) -> bytes | None:
    """The body with spaces behind it until it has as many bytes as the case says: a large one in few words."""
    size = request.integer("padded_to", low=1, high=MAX_PADDED)
    if size is None:
        return body
    if body is None or request.has("form"):
        request.wrong("padded_to needs a body that spaces may stand behind: json or body", "padded_to")
        return None
    return body.ljust(size, b" ")


def _headers(request: Fields, content_type: str | None) -> Headers:
    named = request.mapping("headers") or {}
    for name, value in named.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            request.wrong(f"the header {name[:64]!r} has characters that HTTP does not allow", "headers")
            return ()
        if name.lower() in _FRAMING:
            request.wrong(f"the header {name} belongs to the connection and is set when the case is sent", "headers")
            return ()
    lines = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    if content_type and not any(name == b"content-type" for name, _ in lines):
        lines.append((b"content-type", content_type.encode()))
    return tuple(lines)


def _expect(fields: Fields) -> dict[Side, Expectation] | None:
    """`expect:`, where what stands under legacy: or new: goes before what stands beside them."""
    expect = fields.fields("expect", required=True)
    if expect is None:
        return None
    both = _expectation(expect, Expectation())
    found: dict[Side, Expectation] = {}
    for side in Side:
        own = expect.fields(side)
        found[side] = both if own is None else _expectation(own, both)
        if own is not None:
            own.finish()
        if side is Side.NEW and own is not None:
            continue  # `new: {}` leaves it to the rules what new may answer otherwise than legacy
        if found[side].status is None and not expect.has("status") and not (own and own.has("status")):
            expect.wrong(f"expect does not say which status {side} must answer")
    expect.finish()
    return found


def _expectation(fields: Fields, otherwise: Expectation) -> Expectation:
    status = fields.integer("status", low=100, high=599)
    headers = fields.mapping("headers")
    body: Found = _value(fields.json("body")) if fields.has("body") else otherwise.body
    return Expectation(
        otherwise.status if status is None else status,
        otherwise.headers if headers is None else {name.lower(): value for name, value in headers.items()},
        body,
    )


def _value(written: Json) -> Found:
    """What a file says, as the value that reading an answer gives."""
    read = read_json(json.dumps(written).encode())
    return ABSENT if isinstance(read, Unreadable) else read
