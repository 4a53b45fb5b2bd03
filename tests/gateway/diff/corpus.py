"""A corpus of paired answers, made from a seed: backends that say the same in other words, and changes planted in it.

Each pair knows what a comparison has to say of it. What a change is, is decided here, without a look at the comparison.
"""

from __future__ import annotations

import gzip
import json
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final
from urllib.parse import quote, quote_plus

import brotli  # type: ignore[import-untyped]  # it has no types
from backports import zstd

from gateway.diff.readers import Reading
from gateway.diff.rules import Rule
from gateway.diff.verdict import Kind, Outcome
from gateway.message import Headers, Observation, Side
from tests.gateway.diff.answers import rule

Found = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers, perhaps legacy's second one, the rules, and what the verdict has to be."""

    name: str
    control: Observation
    candidate: Observation
    outcome: Outcome
    found: tuple[Found, ...] | None = ()
    rules: tuple[Rule, ...] = ()
    again: Observation | None = None


WORDS: Final = (
    "RAW",
    "mill",
    "Größe",
    "naïve",
    "東京",
    "a:b",
    'say "hi"',
    "back\\slash",
    "tab\there",
    "😀",
    "",
    " ",
    "a/b~c",
)


@cache
def pairs(seed: int) -> tuple[Pair, ...]:
    """250 pairs of every sort, the same for the same seed; kept, since making them takes longer than judging them."""
    dice = Random(seed)
    return tuple(dice.choice(_SORTS)(dice) for _ in range(250))


# --- what a backend says


def _scalar(dice: Random) -> Any:
    return dice.choice(
        (
            lambda: dice.randrange(-5, 100_000),
            lambda: 2**53 + dice.randrange(1, 1000),
            lambda: dice.randrange(10**6) / 100,
            lambda: dice.random() * 10 ** dice.randrange(-8, 9),
            lambda: dice.choice((True, False)),
            lambda: None,
            lambda: f"{dice.choice(WORDS)}-{dice.randrange(10_000)}",
            lambda: _uuid(dice),
            lambda: _moment(dice),
            lambda: str(dice.randrange(1000)),
            lambda: [],
            dict,
        )
    )()


def _uuid(dice: Random) -> str:
    digits = f"{dice.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _moment(dice: Random, second: int | None = None) -> str:
    second = dice.randrange(60) if second is None else second
    day = f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
    return f"{day}T{dice.randrange(24):02}:{dice.randrange(60):02}:{second:02}.{dice.randrange(1000):03}Z"


def _object(dice: Random, depth: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {"id": dice.randrange(10**9)}
    for _ in range(dice.randrange(2, 7)):
        name = f"{dice.choice(('code', 'weightKg', 'at', 'note', 'ÖL', 'a/b', 'x~y', 'q r'))}{dice.randrange(100)}"
        if depth < 3 and dice.random() < 0.3:
            made[name] = _object(dice, depth + 1)
        elif depth < 3 and dice.random() < 0.3:
            made[name] = [_object(dice, depth + 2) for _ in range(dice.randrange(4))]
        elif dice.random() < 0.2:
            made[name] = [f"tag{number}" for number in dice.sample(range(50), dice.randrange(1, 5))]
        else:
            made[name] = _scalar(dice)
    return made


def _document(dice: Random) -> Any:
    rows = [_object(dice) for _ in range(dice.choice((1, 2, 3, 10, 40)))]
    return dice.choice((lambda: _object(dice), lambda: rows, lambda: {"data": rows, "total": len(rows)}))()


# --- the same in other words


def _shuffled(dice: Random, value: Any) -> Any:
    """Objects with their keys in another order."""
    if isinstance(value, dict):
        names = list(value)
        dice.shuffle(names)
        return {name: _shuffled(dice, value[name]) for name in names}
    return [_shuffled(dice, each) for each in value] if isinstance(value, list) else value


def _written(dice: Random, value: Any) -> bytes:
    """JSON as some library or other writes it."""
    value = _shuffled(dice, value)
    if dice.random() < 0.2:
        text = _python_floats(json.dumps(value))
    else:
        text = json.dumps(
            value,
            ensure_ascii=dice.random() < 0.5,
            indent=dice.choice((None, None, 2)),
            separators=dice.choice(((",", ":"), (", ", ": "))),
        )
    if dice.random() < 0.1:
        text = text.replace("/", "\\/")
    return dice.choice((b"", b"", b"", b"\xef\xbb\xbf")) + text.encode() + dice.choice((b"", b"", b"\n", b"\r\n"))


def _python_floats(text: str) -> str:
    """Whole numbers get a point, outside of texts."""

    def respell(digits: str) -> Any:
        return _Wrapped(digits + ".0")

    return _dump(json.loads(text, parse_int=respell, parse_float=_Wrapped))


class _Wrapped(str):
    """The digits of a number."""


def _dump(value: Any) -> str:
    if isinstance(value, _Wrapped):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_dump(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value)


_HEADERS: Final = (
    (b"Cache-Control", b"no-cache, max-age=0", b"max-age=0,no-cache"),
    (b"Vary", b"Origin, Accept-Encoding", b"origin"),
    (b"Location", b"http://legacy:3001/api/lots/7?a=b%20c", b"/api/lots/7?a=b%20c"),
    (b"Set-Cookie", b"sid=abc; Path=/; HttpOnly; SameSite=Lax", b"sid=xyz; HttpOnly; path=/; samesite=lax"),
    (b"Set-Cookie", b"theme=dark; Path=/; Max-Age=3600", b"theme=light; Max-Age=3600; Path=/"),
    (b"Access-Control-Allow-Methods", b"GET,HEAD,PUT", b"PUT, GET, HEAD"),
    (b"Content-Disposition", b'attachment; filename="lots.csv"', b"attachment; filename=lots.csv"),
    (b"Strict-Transport-Security", b"max-age=15552000; includeSubDomains", b"max-age=15552000;includeSubDomains"),
    (b"Link", b'</x?page=2>; rel="next"', b"<http://new/x?page=2>; rel=next"),
    (b"X-Total-Count", b"40", b"40"),
    (b"Retry-After", b"3", b"3"),
)
_UNHEARD: Final = (b"Date", b"Server", b"X-Powered-By", b"ETag", b"X-Request-Id", b"Content-Length", b"Keep-Alive")


def _headers(dice: Random, media: str) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """Two heads that say the same."""
    chosen = dice.sample(_HEADERS, dice.randrange(4))
    mine = [(name, one) for name, one, _ in chosen]
    theirs = [(name.lower() if dice.random() < 0.5 else name, other) for name, _, other in chosen]
    for side in (mine, theirs):
        side += [(name, b"%d" % dice.randrange(1000)) for name in dice.sample(_UNHEARD, dice.randrange(4))]
        side.append((dice.choice((b"Content-Type", b"content-type")), _media(dice, media).encode()))
        dice.shuffle(side)
    return mine, theirs


def _media(dice: Random, media: str) -> str:
    if media == "application/json":
        return dice.choice((media, media + "; charset=utf-8", "Application/JSON;charset=UTF8"))
    if media.startswith("text/") and "stream" not in media:
        return dice.choice((media + "; charset=utf-8", media.title() + ';charset="UTF8"'))
    return media


_CODINGS: Final[tuple[tuple[bytes, Callable[[bytes], bytes]], ...]] = (
    (b"gzip", gzip.compress),
    (b"br", brotli.compress),
    (b"zstd", zstd.compress),
    (b"deflate", zlib.compress),
)


def _answers(
    dice: Random, control: bytes, candidate: bytes, *, media: str = "application/json", status: int = 200
) -> tuple[Observation, Observation]:
    """Both answers with heads that say the same, each perhaps compressed."""
    made = []
    for side, body, headers in zip(Side, (control, candidate), _headers(dice, media), strict=True):
        if body and dice.random() < 0.3:
            coding, compress = dice.choice(_CODINGS)
            headers.append((b"Content-Encoding", coding))
            body = compress(body)
        made.append(Observation(side, status, tuple(headers), body, 1.0))
    return made[0], made[1]


# --- what is planted

_Planted = tuple[Any, tuple[Found, ...]]


def _spots(value: Any, place: str = "body", holder: Any = None, key: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Every place with what holds it; the root has no holder."""
    if holder is not None:
        yield place, holder, key
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in items:
        yield from _spots(each, f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}", value, name)


def _other(dice: Random, value: Any) -> tuple[Any, Kind]:
    """Another value, as like the first as a bug would make it, and the kind of the difference."""
    changes: list[tuple[Any, Kind]] = [("planted", Kind.TYPE)]
    match value:
        case bool():
            changes = [(not value, Kind.VALUE), (int(value), Kind.TYPE), (str(value).lower(), Kind.TYPE)]
        case int():
            changes = [(value + 1, Kind.VALUE), (str(value), Kind.TYPE), (-value - 1, Kind.VALUE), (None, Kind.TYPE)]
            if value in (0, 1):
                changes.append((bool(value), Kind.TYPE))
        case float():
            changes = [(value * 1.0000001 + 1e-9, Kind.VALUE), (repr(value), Kind.TYPE), (None, Kind.TYPE)]
        case None:
            changes = [("", Kind.TYPE), (0, Kind.TYPE), (False, Kind.TYPE), ([], Kind.TYPE), ("null", Kind.TYPE)]
        case str():
            changes = [(value + " ", Kind.VALUE), (None, Kind.TYPE), (value + "x", Kind.VALUE), ([value], Kind.TYPE)]
            changes += [(one, Kind.VALUE) for one in _near(value) if one != value]
        case list() | dict():
            changes = [(None, Kind.TYPE), ("planted", Kind.TYPE), ({} if isinstance(value, list) else [], Kind.TYPE)]
    return dice.choice(changes)


def _near(text: str) -> tuple[str, ...]:
    return (
        text.upper(),
        text.swapcase(),
        unicodedata.normalize("NFD", text),
        text.replace(".", ",").replace("Z", "+01:00"),
    )


def _planted(dice: Random, document: Any) -> _Planted:
    """The document with one change, and where that is."""
    changed = deepcopy(document)
    place, holder, key = dice.choice([spot for spot in _spots(changed) if isinstance(spot[1], dict)])
    way = dice.random()
    if way < 0.15:
        del holder[key]
        return changed, ((Kind.MISSING, place),)
    if way < 0.3:
        holder["planted"] = _scalar(dice)
        return changed, ((Kind.EXTRA, f"{place.rpartition('/')[0]}/planted"),)
    holder[key], kind = _other(dice, holder[key])
    return changed, ((kind, place),)


def _planted_element(dice: Random, document: Any) -> _Planted | None:
    """A change of one array: an element more or less, or two that changed places."""
    changed = deepcopy(document)
    arrays = [(place, holder[key]) for place, holder, key in _spots(changed) if isinstance(holder[key], list)]
    if isinstance(changed, list):
        arrays.append(("body", changed))
    arrays = [(place, array) for place, array in arrays if len(array) > 1 and not any(map(_is_bare, array))]
    if not arrays:
        return None
    place, array = dice.choice(arrays)
    at = dice.randrange(len(array))
    way = dice.random()
    if way < 0.4:
        del array[at]
        return changed, ((Kind.MISSING, f"{place}/{at}"),)
    if way < 0.8:
        array.insert(at, {"id": -1, "planted": True})
        return changed, ((Kind.EXTRA, f"{place}/{at}"),)
    array.append(array.pop(0))
    return changed, ((Kind.ORDER, place),)


def _is_bare(element: Any) -> bool:
    return element in ({}, [], None)


# --- the sorts of pairs


def _same(dice: Random) -> Pair:
    document = _document(dice)
    control, candidate = _answers(dice, _written(dice, document), _written(dice, document))
    return Pair("same JSON", control, candidate, Outcome.MATCHED)


def _changed(dice: Random) -> Pair:
    document = _document(dice)
    other, found = _planted(dice, document)
    control, candidate = _answers(dice, _written(dice, document), _written(dice, other))
    return Pair("planted in JSON", control, candidate, Outcome.MISMATCHED, found)


def _changed_array(dice: Random) -> Pair:
    document = _document(dice)
    planted = _planted_element(dice, document)
    if planted is None:
        return _changed(dice)
    control, candidate = _answers(dice, _written(dice, document), _written(dice, planted[0]))
    return Pair("planted in an array", control, candidate, Outcome.MISMATCHED, planted[1])


def _changed_error(dice: Random) -> Pair:
    envelope = {"error": {"code": f"E{dice.randrange(100)}", "message": dice.choice(WORDS) + "!", "fields": [1, 2]}}
    other, found = _planted(dice, envelope)
    status = dice.choice((400, 404, 409, 422, 500))
    control, candidate = _answers(dice, _written(dice, envelope), _written(dice, other), status=status)
    return Pair("planted in an error", control, candidate, Outcome.MISMATCHED, found)


def _changed_status(dice: Random) -> Pair:
    document = _document(dice)
    control, candidate = _answers(dice, _written(dice, document), _written(dice, document))
    other = Observation(Side.NEW, dice.choice((201, 202, 404, 500)), candidate.headers, candidate.body, 1.0)
    return Pair("planted status", control, other, Outcome.MISMATCHED, ((Kind.STATUS, "status"),))


_HEADER_CHANGES: Final = (
    ("set-cookie", b"a=1; Path=/; HttpOnly; Secure", b"a=1; Path=/; Secure"),
    ("set-cookie", b"a=1; Path=/; SameSite=Lax", b"a=1; Path=/; SameSite=None"),
    ("set-cookie", b"a=1; Path=/", b"a=1; Path=/api"),
    ("set-cookie", b"a=1; Max-Age=3600", b"a=1; Max-Age=36000"),
    ("set-cookie", b"a=1", b"b=1"),
    ("set-cookie", b"a=1", None),
    ("location", b"http://legacy/api/lots/7", b"http://legacy/api/lots/8"),
    ("location", b"/api/lots/7?a=1", b"/api/lots/7"),
    ("content-language", b"de", b"en"),
    ("content-range", b"0-9/10", b"0-9/11"),
    ("x-total-pages", b"4", b"5"),
    ("access-control-allow-origin", b"*", b"null"),
    ("allow", b"GET, PUT", b"GET"),
    ("www-authenticate", b'Bearer realm="a"', b"Basic"),
    ("www-authenticate", b'Bearer error="invalid_token"', b'Bearer error="insufficient_scope"'),
    ("retry-after", b"30", b"300"),
    ("x-content-type-options", b"nosniff", None),
    ("cache-control", b"private, max-age=60", b"public, max-age=60"),
    ("content-disposition", b"attachment; filename=a.csv", b"inline; filename=a.csv"),
)


def _changed_header(dice: Random) -> Pair:
    document = _document(dice)
    name, one, other = dice.choice(_HEADER_CHANGES)
    if dice.random() < 0.5 and other is not None:
        one, other = other, one
    answers = _answers(dice, _written(dice, document), _written(dice, document))
    control, candidate = (_with(answer, name, value) for answer, value in zip(answers, (one, other), strict=True))
    return Pair(f"planted {name}", control, candidate, Outcome.MISMATCHED, ((Kind.HEADER, f"header/{name}"),))


def _with(answer: Observation, name: str, value: bytes | None) -> Observation:
    """The answer with no other line of that name."""
    kept: Headers = tuple(line for line in answer.headers if line[0].lower() != name.encode())
    headers = kept if value is None else (*kept, (name.title().encode(), value))
    return Observation(answer.side, answer.status, headers, answer.body, 1.0)


def _form(dice: Random) -> Pair:
    fields = {f"f{at}": f"{dice.choice(WORDS)}{dice.randrange(100)}" for at in range(dice.randrange(2, 8))}
    other = dict(fields)
    found: tuple[Found, ...] = ()
    if dice.random() < 0.5:
        name = dice.choice(list(other))
        other[name] += "x"
        found = ((Kind.VALUE, f"body/{name}"),)
    names = list(other)
    dice.shuffle(names)
    one = "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items())
    two = "&".join(f"{name}={quote(other[name])}" for name in names)
    media = "application/x-www-form-urlencoded"
    control, candidate = _answers(dice, one.encode(), two.encode(), media=media)
    return Pair("form", control, candidate, Outcome.MISMATCHED if found else Outcome.MATCHED, found)


def _lines(dice: Random) -> Pair:
    rows = [_object(dice) for _ in range(dice.randrange(1, 6))]
    other, found = _planted(dice, rows) if dice.random() < 0.5 else (rows, ())
    events = dice.random() < 0.5
    media = "text/event-stream" if events else "application/x-ndjson"
    if events:
        found = tuple((kind, _into_data(where)) for kind, where in found)
    bodies = ["".join(_line(dice, row, events) for row in side).encode() for side in (rows, other)]
    control, candidate = _answers(dice, bodies[0], bodies[1], media=media)
    return Pair(media, control, candidate, Outcome.MISMATCHED if found else Outcome.MATCHED, found)


def _line(dice: Random, row: Any, event: bool) -> str:
    text = json.dumps(_shuffled(dice, row), separators=dice.choice(((",", ":"), (", ", ": "))))
    end = dice.choice(("\n", "\r\n"))
    return f"{dice.choice((': ping' + end, ''))}data: {text}{end}{end}" if event else text + end


def _into_data(where: str) -> str:
    body, at, rest = where.split("/", 2)
    return f"{body}/{at}/data/{rest}"


def _opaque(dice: Random) -> Pair:
    media = dice.choice(("text/plain", "text/html", "text/csv", "application/xml", "image/png", "application/pdf"))
    content = "".join(f"<p>{dice.choice(WORDS)}{dice.random()}</p>\n" for _ in range(dice.randrange(1, 20))).encode()
    other = content
    kind = Kind.VALUE
    if dice.random() < 0.5:
        at = dice.randrange(len(content) - 2)
        longer = dice.random() < 0.5
        other = content[:at] + b"\x21" + content[at + (0 if longer else 1) :]
        if longer and not media.startswith("text") and "xml" not in media:
            kind = Kind.SIZE
    if other != content and not _is_text(other):
        return _opaque(dice)  # the change cut a letter in two, which makes it no text any more
    found: tuple[Found, ...] = ((kind, "body"),) if other != content else ()
    control, candidate = _answers(dice, content, other, media=media)
    return Pair(media, control, candidate, Outcome.MISMATCHED if found else Outcome.MATCHED, found)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(dice: Random) -> Pair:
    document = _document(dice)
    control, candidate = _answers(dice, _written(dice, document), _written(dice, document))
    broken = dice.choice((_cut, _garbled, _repeated, _not_json, _bomb))(dice, candidate)
    if dice.random() < 0.5:
        control, broken = (
            Observation(Side.LEGACY, 200, broken.headers, broken.body, 1.0, truncated=broken.truncated),
            Observation(Side.NEW, 200, control.headers, control.body, 1.0),
        )
    return Pair("unreadable", control, broken, Outcome.NOT_COMPARABLE)


def _plain(answer: Observation, body: bytes, *, coding: bytes | None = None) -> Observation:
    headers = [line for line in answer.headers if line[0].lower() != b"content-encoding"]
    if coding is not None:
        headers.append((b"Content-Encoding", coding))
    return Observation(answer.side, answer.status, tuple(headers), body, 1.0)


def _cut(dice: Random, answer: Observation) -> Observation:
    return Observation(answer.side, 200, answer.headers, answer.body[:-1], 1.0, truncated=True)


def _garbled(dice: Random, answer: Observation) -> Observation:
    coding, compress = dice.choice(_CODINGS)
    return _plain(answer, compress(b'{"a": "%d"}' % dice.getrandbits(999))[:-3], coding=coding)


def _repeated(dice: Random, answer: Observation) -> Observation:
    return _plain(answer, b'{"id":1,"x":[{"a":":"},{"a":1, "b":2,"a" :1}]}')


def _not_json(dice: Random, answer: Observation) -> Observation:
    return _plain(
        answer, dice.choice((b"<html>", b"[NaN]", b"[1,]", b'{"a":Infinity}', b"[1]x", b"\xff", b" ", b"[" * 9999))
    )


def _bomb(dice: Random, answer: Observation) -> Observation:
    coding, compress = dice.choice(_CODINGS)
    return _plain(answer, compress(b" " * 9_000_000 + b"1"), coding=coding)


def _allowed(dice: Random) -> Pair:
    """A difference that a rule is about, beside the same rows; now and then one more that no rule is about."""
    rows = [_object(dice) for _ in range(dice.randrange(1, 12))]
    one, other = deepcopy(rows), deepcopy(rows)
    reading, mine, theirs = dice.choice(_READINGS)
    for left, right in zip(one, other, strict=True):
        left["drift"], right["drift"] = mine(dice), theirs(dice)
        if reading is Reading.NUMBER:
            right["drift"] = float(left["drift"])
        elif reading is Reading.TIMESTAMP_MS:
            right["drift"] = left["drift"].replace("Z", "000+00:00")
        elif reading is Reading.URL_PATH:
            right["drift"] = left["drift"].replace("http://legacy", "https://new")
    found: tuple[Found, ...] = ()
    if dice.random() < 0.4:
        at = dice.randrange(len(other))
        other[at]["id"] = str(other[at]["id"])
        found = ((Kind.TYPE, f"body/{at}/id"),)
    control, candidate = _answers(dice, _written(dice, one), _written(dice, other))
    outcome = Outcome.MISMATCHED if found else Outcome.ALLOWED
    return Pair(f"allowed {reading}", control, candidate, outcome, found, (rule("body/*/drift", reading=reading),))


_READINGS: Final[tuple[tuple[Reading, Callable[[Random], Any], Callable[[Random], Any]], ...]] = (
    (Reading.NUMBER, lambda dice: f"{dice.randrange(1000)}.{dice.randrange(10)}0", lambda dice: 0),
    (Reading.TIMESTAMP_MS, _moment, _moment),
    (Reading.TIMESTAMP_ANY, lambda dice: _moment(dice, 1), lambda dice: _moment(dice, 2)),
    (Reading.UUID, _uuid, _uuid),
    (Reading.URL_PATH, lambda dice: f"http://legacy/x/{dice.random()}?a=1", _uuid),
    (Reading.ANY, lambda dice: dice.random(), lambda dice: "anything"),
)


def _noisy(dice: Random) -> Pair:
    """Fields that legacy cannot keep still; now and then a change beside them."""
    document = {"meta": {}, "rows": [_object(dice) for _ in range(dice.randrange(1, 10))]}

    def moved(base: Any) -> Any:
        made = deepcopy(base)
        made["meta"] = {
            "now": _moment(dice, dice.randrange(60)),
            "requestId": _uuid(dice),
            "tookMs": dice.randrange(1, 10**6),
            "token": f"{dice.getrandbits(60):x}",
        }
        for row in made["rows"]:
            row["lastSeen"] = _moment(dice)
        return made

    changed = document
    found: tuple[Found, ...] = ()
    if dice.random() < 0.5:
        rows, places = _planted(dice, document["rows"])
        changed = {**document, "rows": rows}
        found = tuple((kind, where.replace("body", "body/rows", 1)) for kind, where in places)
    first, again, new = moved(document), moved(document), moved(changed)
    if any(first["meta"][name] in (again["meta"][name], new["meta"][name]) for name in first["meta"]):
        return _noisy(dice)
    control, candidate = _answers(dice, _written(dice, first), _written(dice, new))
    second = Observation(Side.LEGACY, 200, control.headers, b"", 1.0)
    outcome = Outcome.MISMATCHED if found else Outcome.NOISE
    return Pair("noise", control, candidate, outcome, found, again=_plain(second, _written(dice, again)))


def _conditional(dice: Random) -> Pair:
    document = _document(dice)
    _, candidate = _answers(dice, _written(dice, document), _written(dice, document))
    empty = Observation(Side.LEGACY, 304, ((b"ETag", b'"1"'),), b"", 1.0)
    return Pair("conditional", empty, candidate, Outcome.NOT_COMPARABLE)


_SORTS: Final = (
    *(_same,) * 3,
    *(_changed,) * 3,
    *(_changed_array,) * 2,
    _changed_error,
    _changed_status,
    *(_changed_header,) * 2,
    _form,
    _lines,
    _opaque,
    _unreadable,
    *(_allowed,) * 2,
    *(_noisy,) * 2,
    _conditional,
)
