"""Takes what stands behind a secret name out of a text: in JSON, forms, lines, code, XML, tables, sentences. Pure.

Every step costs linear time in the text, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.shadow.names import is_mailed
from gateway.shadow.secrets import Mask, without_values_of_tags
from gateway.shadow.values import (
    end_of,
    end_of_random,
    hide,
    json_end,
    line_end,
    read_name,
    within_quotes,
    without_columns,
)

_MEMBER: Final = re.compile(r'"((?:[^"\\]|\\.){1,200}+)"\s*:\s*')
_PAIR: Final = re.compile(r"(?<![^\s?&#;,=\"'<>{}()])([^\s?&#;,=\"'<>{}()]+)=")  # only from a name's start: linear
_PAIR_VALUE: Final = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^\s&;#\"'<>]*")
_LINE: Final = re.compile(r"(?<![\w.-])([\w.-]{1,200})'?\s{0,20}:\s{0,20}")
_ELEMENT: Final = re.compile(r"<([\w:.-]{1,100})(?:\s[^<>]{0,200})?>")
_ELEMENT_VALUE: Final = re.compile(r"(?:<!\[CDATA\[[^\]]*(?:\](?!\]>)[^\]]*)*(?:\]\]>)?|[^<])*")
_KEY: Final = re.compile(r"\(([^()=\r\n]{1,200})\)=")  # as PostgreSQL tells of a duplicate: `Key (token)=(...)`
_KEY_VALUE: Final = re.compile(r"\([^()\r\n]*\)?")
_SET: Final = re.compile(
    r"(?<![\w.$-])([\w.$-]{1,200})\\?[\"']?(?:[ \t]{1,20}[=-]>|[ \t]{1,20}=|=>)[ \t]{0,20}"
)  # `password = ...`
_SET_VALUE: Final = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^\s,;<>\"']*")
_SAID: Final = re.compile(
    r"(?<![\w-])((?:[\w-]{1,40}[ \t])?[\w-]{1,40})[ \t](?:is|was):?[ \t]{1,3}"
)  # `your code is ...`
_SAID_VALUE: Final = re.compile(
    r"[^\s,;\"'<>0-9]{0,100}[0-9][^\s,;\"'<>]*|"
)  # a digit: `password is missing` tells none
_IN_PATH: Final = re.compile(r"(?<=/)([\w.~%-]{1,100})/")
_GIVEN: Final = re.compile(  # `incorrect API key provided: ...`
    r"(?<![\w-])((?:[\w-]{1,40}[ \t])?[\w-]{1,40})[ \t](?:provided|given|supplied|received|expired):[ \t]{1,3}"
)
_QUOTED: Final = re.compile(r"(?<![\w-])((?:[\w-]{1,40}[ \t])?[\w-]{1,40})[ \t]\\?(?=[\"'])")  # `invalid token "..."`
_QUOTED_VALUE: Final = re.compile(r"\"[^\"]{6,}\"?|'[^']{6,}'?|")  # unlike `unexpected token "}"`
_OPTION: Final = re.compile(r"(?<![\w-])--([\w-]{1,100})[ \t](?!-)")
_WORD: Final = re.compile(r"[^\s\"'<>]*")
# `<name>password</name><value>...`, and `<textarea name="password">...`
_BESIDE: Final = re.compile(
    r"<(?:key|name|field|dt|th)>\s{0,20}([\w .-]{1,100})</(?:key|name|field|dt|th)>\s{0,20}"
    r"<[\w:.-]{1,100}(?:\s[^<>]{0,200})?>",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"<[\w:.-]{1,100}+\s[^<>]{0,200}\bname=[\"']?([\w.:-]{1,100}+)[\"']?+[^<>]{0,200}+>", re.IGNORECASE
)
_BEHIND_NAMES: Final = re.compile(r"[<=>:(/\"'\n]|--| (?:is|was)[: ]")  # nothing above is found without one of these

Secret = Callable[[str], bool]


def without_named(text: str, secret: Secret, in_query: Secret, mask: Mask) -> str:
    """The text without values of secret names; `in_query` tells them where they stand before a `=`."""
    if _BEHIND_NAMES.search(text) is None:
        return text
    if "<" in text:  # first: what stands before a colon in `<auth:Key ...>` is no name
        text = without_values_of_tags(text, secret, mask)
        for names in (_ELEMENT, _NAMED, _BESIDE):
            text = hide(text, names, secret, end_of(_ELEMENT_VALUE), mask)
    if "\n" in text:
        text = without_columns(text, secret, mask)
    if ":" in text:
        text = hide(text, _MEMBER, lambda name: secret(read_name(name)), json_end, lambda hidden: f'"{mask(hidden)}"')
    text = hide(text, _PAIR, in_query, end_of(_PAIR_VALUE), mask)
    text = hide(text, _LINE, secret, line_end, partial(within_quotes, mask))
    text = hide(text, _KEY, secret, end_of(_KEY_VALUE), lambda hidden: f"({mask(hidden.strip('()'))})")
    if "/" in text:
        text = hide(text, _IN_PATH, is_mailed, end_of_random, mask)
    for marks, names, value in _OTHERS:
        if any(mark in text for mark in marks):
            text = hide(text, names, secret, end_of(value), mask)
    return text


# each with what stands in a text that it finds anything in
_OTHERS: Final = (
    ((" =", "\t=", "=>", "->"), _SET, _SET_VALUE),
    ((" is", " was"), _SAID, _SAID_VALUE),
    (("ed: ", "en: "), _GIVEN, _WORD),
    ((' "', ' \\"', " '"), _QUOTED, _QUOTED_VALUE),
    (("--",), _OPTION, _WORD),
)
