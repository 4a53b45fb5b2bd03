"""JSON Schemas of the contract files, for editors. `load` decides; a test keeps both saying the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.contract.cases import MAX_PADDED
from gateway.contract.fields import MAX_TEXT
from gateway.contract.routes import METHODS, SHARE
from gateway.diff.readers import Reading
from gateway.diff.verdict import Kind
from gateway.routing.route import Effect, ShadowWrite, WayBack

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": {"type": "string", "minLength": 1}}]}
_MAPPING: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
_STATUS: Schema = {"type": "integer", "minimum": 100, "maximum": 599}
_PATH: Schema = {"type": "string", "pattern": "^/"}
_SHARE: Schema = {"type": "string", "pattern": f"^{SHARE.pattern}$"}


def _table(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    table = {"type": "object", "properties": dict(properties), "additionalProperties": False, **more}
    return {**table, "required": list(required)} if required else table


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


_GATE = _table(
    {
        "target": _said(_SHARE, "the most that may mismatch, like 0.1%"),
        "errors": _said(_SHARE, "the most that the new side may fail, like 1%"),
        "slack_ms": _said(
            {"type": "number", "minimum": 0, "maximum": 60_000}, "how much longer than legacy the new side may take"
        ),
        "rollback": _said({"enum": list(WayBack)}, "who takes the route back when it goes wrong"),
    }
)

_ROUTE = _table(
    {
        "route": _said(
            {"type": "string", "pattern": f"^({'|'.join(METHODS)}) /"}, "method and path, like GET /api/runs/{id}"
        ),
        "effect": _said({"enum": list(Effect)}, "what a request does to the system behind it"),
        "group": _said(_TEXT, "routes of one group share a caller's bucket; the route's own key when left out"),
        "stickiness": _said(
            {"type": "string", "pattern": "^(jwt\\.sub|client_ip|(header|cookie):[\\x21-\\x7e]+)$"},
            "whose bucket counts: jwt.sub, client_ip, header:NAME or cookie:NAME",
        ),
        "shadow_write": _said({"enum": list(ShadowWrite)}, "whether a write may be tried on the new side too"),
        "rescue": _said(
            {"enum": ["on", "off"]}, "whether legacy answers where the new side fails before anything of it stays"
        ),
        "new": _said(_PATH, "the path on the new side, when it is another one"),
        "timeout_s": {"type": "number", "minimum": 0.1, "maximum": 3600},
        "redact": _said(_TEXTS, "names of fields, parameters and headers whose values evidence hides"),
        "gate": _said(_GATE, "what the route is held to before it goes forward, and after"),
    },
    "route",
    "effect",
    "stickiness",
)

_RULE = _table(
    {
        "where": _said(
            {"type": "string", "pattern": "^(status|header/[^/*]+|body(/.+)?|rows/[^/]+(/[^/]+)?)$"},
            "status, header/NAME, body/PATH or rows/TABLE/COLUMN; * is one level, ** any number of levels",
        ),
        "kind": {"anyOf": [{"enum": list(Kind)}, {"type": "array", "items": {"enum": list(Kind)}}]},
        "as": _said({"enum": list(Reading)}, "both values must be equal once read so"),
        "when": _said(
            _table({"legacy": _STATUS, "new": _STATUS, "case": _TEXTS}),
            "only for these statuses, or only in these cases",
        ),
        "by": _said(_TEXTS, "with as: unordered: the keys by which elements belong together, like id"),
        "because": _said(_TEXT, "why the difference is all right"),
        "owner": _said(_TEXT, "who answers for it"),
        "until": _said({"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"}, "its last day"),
    },
    "where",
    "because",
    "owner",
    "until",
)

_KEYED = _table(
    {
        "where": _said({"type": "string", "pattern": "^body(/.+)?$"}, "an array of the body"),
        "by": _said(_TEXTS, "its elements belong together when these keys of theirs are equal, like id or node/id"),
    },
    "where",
    "by",
)

_DIFFERENCES = _table(
    {
        "allow": {"type": ["array", "null"], "items": _RULE, "maxItems": 200},
        "headers": _said(_TEXTS, "further headers to compare"),
        "arrays": {"type": ["array", "null"], "items": _KEYED, "maxItems": 200},
    }
)

_ANSWER: Mapping[str, Schema] = {
    "status": _STATUS,
    "headers": _said(_MAPPING, "each with its exact value"),
    "body": _said({}, "a part of the JSON answer: objects may have more keys, arrays no more elements"),
}

_CASE = _table(
    {
        "why": _said(_TEXT, "what the case is there for"),
        "as": _said(_TEXT, "who asks: an identity of identities.yaml"),
        "request": _table(
            {
                "method": _said({"enum": list(METHODS)}, "the route's own when left out"),
                "target": _said({"type": "string", "pattern": "^/[\\x21-\\x7e]*$"}, "path and query, encoded"),
                "headers": _MAPPING,
                "json": _said({}, "the body as a value"),
                "body": _said({"type": "string"}, "the body as it is sent"),
                "form": _MAPPING,
                "padded_to": _said(
                    {"type": "integer", "minimum": 1, "maximum": MAX_PADDED},
                    "so many bytes has the body, with spaces behind it: a large one in few words",
                ),
            },
            "target",
        ),
        "expect": _table({**_ANSWER, "legacy": _table(_ANSWER), "new": _table(_ANSWER)}),
        "rows": _said(_TEXTS, "tables in which both databases must show the same change (not compared yet)"),
    },
    "why",
    "request",
    "expect",
)

_IDENTITY: Schema = {
    "anyOf": [
        {"const": "none"},
        _table({"claims": {"type": "object"}, "expires_in_s": {"type": "integer"}}, "claims"),
        _table({"bearer": _TEXT}, "bearer"),
    ]
}

_IDENTITIES = _table(
    {
        "secret": _said(
            {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"}, "the environment variable that signs tokens"
        ),
        "identities": {
            "type": "object",
            "additionalProperties": _IDENTITY,
            "propertyNames": {"pattern": "^[a-z][a-z0-9_-]{0,63}$"},
        },
    },
    "identities",
)

_BACKEND = _table(
    {
        "command": _said(_TEXTS, "the words of a command"),
        "app": _said({"type": "string", "pattern": "^[A-Za-z_][\\w.]*:[A-Za-z_]\\w*$"}, "module:factory (ASGI)"),
        "prepare": _said(_TEXTS, "the words of a command that runs once before"),
        "cwd": _TEXT,
        "env": _said(_MAPPING, "may hold {database_url}, {port} and {jwt_secret}"),
        "ready": _said(_PATH, "answers below 500 once the side can be asked"),
    },
    "ready",
)

_BACKENDS = _table(
    {
        "databases": _table({"schema": _TEXTS, "seed": _TEXTS, "reset": _TEXTS, "keep": _TEXTS}),
        "legacy": _BACKEND,
        "new": _BACKEND,
    },
    "legacy",
    "new",
)

SCHEMAS: Mapping[str, Schema] = {
    name: {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name}.yaml", **schema}
    for name, schema in (
        ("route", _ROUTE),
        ("differences", _DIFFERENCES),
        ("case", _CASE),
        ("identities", _IDENTITIES),
        ("backends", _BACKENDS),
    )
}


def schema_text(name: str) -> str:
    """The text of contracts/schema/NAME.json."""
    return json.dumps(SCHEMAS[name], indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder; OSError when that cannot be done."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        (folder / f"{name}.json").write_text(schema_text(name), encoding="utf-8")
