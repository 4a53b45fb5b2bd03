"""A header as a setting says it: `Name: value`, with variables in it; and which headers no setting may touch."""

from __future__ import annotations

import os
import re
from typing import Final

_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?[ \t]*")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# what frames a message, says where it goes or whom it speaks for is the gateway's to set
_NOT_REPLACED: Final = re.compile(
    r"host|via|te|trailer|upgrade|expect|connection|keep-alive|content-length|transfer-encoding|proxy-connection"
    r"|forwarded|x-forwarded-.*|x-request-id|x-strangler-.*|traceparent|tracestate"
)


def header_line(line: str) -> tuple[bytes, bytes | None]:
    """Name and value of `Name: value`, with `${VARIABLE}` replaced; the value of `Name:` is None. ValueError tells."""
    missing: list[str] = []

    def variable(found: re.Match[str]) -> str:
        value = os.environ.get(found.group(1))
        missing.extend([found.group(1)] if value is None else [])
        return value or ""

    text = _VARIABLE.sub(variable, line)
    name = text.partition(":")[0].strip().lower()
    if missing:
        raise ValueError(f"the variable {missing[0]} is not set")
    read = _HEADER.fullmatch(text)
    if read is None:  # its text may be a secret
        raise ValueError("this is not `Name: value` in printable ASCII, or `Name:` for a header that is left out")
    if _NOT_REPLACED.fullmatch(name):
        raise ValueError(f"{name} is the gateway's own to set")
    return name.encode("ascii"), None if read.group(2) is None else read.group(2).encode("ascii")
