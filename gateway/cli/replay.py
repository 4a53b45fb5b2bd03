"""A request of the evidence, to be asked again: as a contract case, as a command for the shell. Pure.

Secrets are placeholders in it, and it is a backend's and a stranger's text: whatever is in it stays within its quotes.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from gateway.cli.findings import Group
from gateway.cli.output import counted

PLACEHOLDER: Final = re.compile(r"\(hidden-[0-9a-f]{12}\)")

_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\t]{0,4000}")
_WHY: Final = 300


class NotReplayable(Exception):  # noqa: N818 - it says what is the case
    """The request cannot be asked again; the text is a sentence for people."""


def request_of(finding: Mapping[str, Any]) -> dict[str, Any]:
    """Method, target, headers and body (None: there is none) of what was asked; NotReplayable says what is missing."""
    asked = finding["request"]
    if asked is None:
        raise NotReplayable("its request was not kept")
    if asked["left_out"]:
        raise NotReplayable(f"the body of its request was not kept: {asked['left_out']}")
    target = str(finding["target"])
    if target.endswith("…") or not target.startswith("/") or finding["method"] not in _METHODS:
        raise NotReplayable("its target is longer than what is kept, or none that can be sent")
    headers = {
        str(name): str(value)
        for name, value in asked["headers"]
        if _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
    }
    return {
        "method": str(finding["method"]),
        "target": quote(target, safe=_PRINTABLE),
        "headers": headers,
        "body": asked["body"],
        "role": str(asked["role"]),
    }


def case_name(group: Group) -> str:
    """The name of the case's file: the same cluster has the same name."""
    words = re.findall(r"[a-z0-9]+", f"{group.where} {group.kind}".lower())
    return f"seen-{'-'.join(words)}"[:70].rstrip("-")


def case_text(group: Group, finding: Mapping[str, Any], identity: str | None) -> str:
    """The case file that fails until the two sides agree about this request, or a rule allows what they differ in."""
    asked = request_of(finding)
    if finding["control_status"] is None:
        raise NotReplayable("legacy did not answer it")
    times = counted(group.seen, "request")
    seen = f"{group.where} differed ({group.kind}) in {times} until {group.last_seen[:10]}"
    lines = [f"why: {_quoted(seen[:_WHY])}"]
    lines += [f"as: {identity}"] if identity is not None else []
    if asked["role"] and identity is None:
        lines.append(f"# identities.yaml has nobody with the role {_comment(asked['role'])} who asked this: add as:")
    text = "\n".join(map(str, (asked["target"], asked["body"], *asked["headers"].values())))
    if PLACEHOLDER.search(text):
        lines.append("# what was secret is a placeholder here: put in what the test system knows")
    lines += ["request:", f"  method: {asked['method']}", f"  target: {_quoted(asked['target'])}"]
    if asked["headers"]:
        lines.append("  headers:")
        lines += [f"    {_key(name)}: {_quoted(value)}" for name, value in asked["headers"].items()]
    if asked["body"] is not None:
        lines.append(f"  body: {_quoted(asked['body'])}")
    lines += ["expect:", f"  legacy: {{status: {int(finding['control_status'])}}}", "  new: {}"]
    return "\n".join([*lines, ""])


def curl(group: Group, finding: Mapping[str, Any], url: str) -> str:
    """A command that asks it again, below a comment that says what differed."""
    asked = request_of(finding)
    words = ["curl", "--path-as-is", "--globoff", "-i"]
    words += ["--head"] if asked["method"] == "HEAD" else ["-X", asked["method"]]
    for name, value in asked["headers"].items():
        words += ["-H", _word(f"{name}: {value}" if value else f"{name};")]
    if asked["role"]:
        words += ["-H", '"authorization: Bearer $TOKEN"']
    if asked["body"] is not None:
        words += ["--data-raw", _word(asked["body"])]
    words.append(_word(url + asked["target"]))
    who = f", asked with a token of the role {asked['role']}" if asked["role"] else ""
    return f"# {_comment(f'{group.where}: {group.kind}{who}')}\n{' '.join(words)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[a-z]+(-[a-z]+)+|accept|prefer|range|origin", name) else _quoted(name)


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar: as JSON's, with whatever does not print as an escape."""
    return "".join(map(_escaped, json.dumps(text, ensure_ascii=False)))


def _escaped(character: str) -> str:
    if unicodedata.category(character)[0] not in "CZ" or character == " ":
        return character
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"


def _word(text: str) -> str:
    """One word for the shell; with bytes that no terminal should see it is quoted as bash, zsh and ksh know it."""
    if all(unicodedata.category(character)[0] not in "CZ" or character == " " for character in text):
        return shlex.quote(text)
    return f"$'{''.join(map(_byte, text))}'"


def _byte(character: str) -> str:
    if character in "'\\":
        return f"\\{character}"
    if unicodedata.category(character)[0] not in "CZ" or character == " ":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "replace"))


def _comment(text: str) -> str:
    """A text that stays on its line."""
    return "".join(one if unicodedata.category(one)[0] not in "CZ" or one == " " else "?" for one in text)
