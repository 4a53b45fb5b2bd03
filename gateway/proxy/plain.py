"""The heads that most requests have: one plain line, and fields that came before. Pure.

What is not plain in any way is the parser's: nothing is judged here.
"""

from __future__ import annotations

import re
from typing import Final

LEARNED: Final = 8 * 1024  # bytes of a head that a connection remembers
# The lines that most requests begin with. CONNECT, and whatever a body may come with, is left to the parser.
_LINE: Final = re.compile(rb"(GET|HEAD|OPTIONS|DELETE) ((/[!$-;=@-Z_a-z~]*+)(?:\?[!$-;=?-Z_a-z~]*+)?) HTTP/1\.1")


class _Methods(dict[bytes, str]):
    """The methods that the parser knows, as text; there are a few dozen."""

    def __missing__(self, method: bytes) -> str:
        self[method] = text = method.decode("ascii")
        return text


METHODS: Final = _Methods()


def plain_line(data: bytes, block: bytes) -> re.Match[bytes] | None:
    """The request line of a request that ends with `block`: method, target and path are its groups."""
    return _LINE.fullmatch(data, 0, len(data) - len(block))


def block_of(data: bytes) -> bytes:
    """What follows the request line in the bytes of one request; empty where it is not worth remembering.

    The parser has read them as one whole head without a body.
    """
    block = data[data.find(b"\r\n") :]
    whole = block.find(b"\r\n\r\n") == len(block) - 4
    return block if whole and len(block) <= LEARNED and plain_line(data, block) is not None else b""
