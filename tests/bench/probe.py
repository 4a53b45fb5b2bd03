"""Whether a front really proxies: the upstream's marked answer arrives, and the request's parts reach the upstream."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.bench.asking import Answer, Line, line
from tests.bench.loads import KB, Load
from tests.bench.upstream import Upstream

_BODY = bytes(33 + place % 90 for place in range(KB)).replace(b'"', b"-")


@dataclass(frozen=True, slots=True)
class Findings:
    """`faults` keep a front out of the run; `notes` are told beside its figures."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]


def probe(port: int, upstream: Upstream, loads: Iterable[Load]) -> Findings:
    """Ask through a front what can be checked, two times over one connection, and what the loads will ask."""
    faults: list[str] = []
    notes: list[str] = []
    if upstream.kind == "streams":
        return Findings(tuple(_streamed(port, upstream)), ())
    try:
        with line(port) as front, line(upstream.port) as direct:
            for _ in range(2):
                faults += _marked(front, upstream)
            faults += _posted(front)
            for path in sorted({load.path for load in loads}):
                if not _same(front.ask("GET", path), direct.ask("GET", path), upstream.mark):
                    faults.append(f"{path} is not what the upstream answers")
            notes += _manners(front)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        faults.append(f"{type(error).__name__}: {error}")
    return Findings(tuple(dict.fromkeys(faults)), tuple(notes))


def _streamed(port: int, upstream: Upstream) -> Iterator[str]:
    """Two uploads, which must arrive whole."""
    try:
        with line(port) as front:
            for size in (100 * KB, KB * KB):
                answer = front.ask("POST", "/upload", body=bytes(size))
                if (answer.headers.get("x-mark"), answer.headers.get("x-length")) != (upstream.mark, str(size)):
                    yield f"an upload of {size:,} bytes does not arrive"
    except (OSError, http.client.HTTPException) as error:
        yield f"{type(error).__name__}: {error}"


def _marked(front: Line, upstream: Upstream) -> list[str]:
    answer = front.ask("GET", "/mark?a=1&b=%20x", headers={"x-probe": "here"})
    if answer.status != 200 or answer.headers.get("x-mark") != upstream.mark or answer.json()["mark"] != upstream.mark:
        return ["the upstream's marked answer does not arrive"]
    return [] if answer.json()["probe"] == "here" else ["a header of the request does not arrive"]


def _posted(front: Line) -> list[str]:
    answer = front.ask("POST", "/echo", body=_BODY, headers={"content-type": "application/octet-stream"})
    return [] if answer.headers.get("x-body", "").encode("latin-1") == _BODY else ["a POST's body does not arrive"]


def _same(mine: Answer, theirs: Answer, mark: str) -> bool:
    return (mine.status, mine.body, mine.headers.get("x-mark")) == (theirs.status, theirs.body, mark)


def _manners(front: Line) -> list[str]:
    answer = front.ask("GET", "/mark?a=1&b=%20x")
    seen = answer.json()
    said = {
        "sends no X-Forwarded-For": "127.0.0.1" not in seen["forwarded_for"],
        "closes its connection to the upstream": "close" in seen["connection"].lower(),
        "rewrites the query": seen["query"] != "a=1&b=%20x",
        "joins Set-Cookie lines": answer.headers.get_all("set-cookie") != ["a=1", "b=2"],
    }
    return [sentence for sentence, is_so in said.items() if is_so]
