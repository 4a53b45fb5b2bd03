"""From both answers and the verdict to a finding: what is kept of an exchange, redacted before anything is queued.

Comparing is over by then: it has seen the values themselves. Nothing here waits, or knows who stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, OutboundRequest, Side
from gateway.routing.template import Template
from gateway.shadow.credentials import cookies_set_in, credentials_in
from gateway.shadow.finding import AskedRequest, Finding
from gateway.shadow.names import unescaped
from gateway.shadow.pairs import MOST, VALUES, secrets_beside_names
from gateway.shadow.redact import Keyed, Redactor, secret_levels
from gateway.shadow.revision import revision_of, rule_id
from gateway.shadow.stratum import bearer, media_type, role_of, stratum_of

MAX_BODY: Final = 16 * 1024  # bytes of a request's body that are kept
MAX_HEADERS: Final = 30
MAX_VALUE: Final = 1_000

_PARTS: Final = "content-disposition: form-data"  # also where no content type says so

LOOKED_INTO: Final = frozenset({Outcome.MISMATCHED, Outcome.NOT_COMPARABLE})

# what belongs to the connection, to the way here or to the browser: asking again sets it anew, or does without
_NOT_KEPT: Final = frozenset(
    b"host connection content-length transfer-encoding te trailer upgrade expect via forwarded x-real-ip x-request-id "
    b"traceparent tracestate baggage user-agent referer priority dnt upgrade-insecure-requests".split()
)
_NOT_KEPT_BEGINNINGS: Final = (b"x-forwarded-", b"x-strangler-", b"sec-", b"proxy-", b"cf-", b"x-b3-", b"x-amzn-")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, both answers and the verdict on them, with nothing hidden. `target` is the client's own.

    `rows` are those of both sides that a write's verdict was made with.
    """

    route: str
    request_id: str
    stage: str
    flag_version: int
    authoritative: Side
    target: bytes
    request: OutboundRequest
    control: Observation
    candidate: Observation
    verdict: Verdict
    rescued: bool = False
    rows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Basis:
    """What every finding on a route rests on while its rules stay: it may travel to another process."""

    rules: Rules
    mask: Keyed
    names: frozenset[str]
    revision: str
    ids: Mapping[str, str]  # of rules, by where they stand
    levels: frozenset[int] = frozenset()  # of the path, which are secret


class Recorder:
    """Makes findings. `names_of` tells the further secret names of a route and `template_of` its path.

    `new_version` says which new side answers.
    """

    def __init__(
        self,
        mask: Keyed | None = None,
        *,
        new_version: str = "",
        names_of: Callable[[str], frozenset[str]] = lambda route: frozenset(),
        template_of: Callable[[str], Template | None] = lambda route: None,
    ) -> None:
        self._mask = mask or Keyed()
        self._new_version = new_version
        self._names_of, self._template_of = names_of, template_of
        self._known: dict[str, Basis] = {}

    def finding(self, exchange: Exchange, rules: Rules, now: datetime) -> Finding:
        """The finding on an exchange that was judged by these rules."""
        return finding_of(exchange, self.basis(exchange.route, rules), now)

    def basis(self, route: str, rules: Rules) -> Basis:
        """What findings on a route rest on: the same one as long as its rules, its names and the key are in force."""
        names, key, known = self._names_of(route), self._mask.key, self._known.get(route)
        template = self._template_of(route)
        levels = frozenset[int]() if template is None else secret_levels(template, names)
        wanted = names, key, levels
        if known is None or known.rules is not rules or wanted != (known.names, known.mask.key, known.levels):
            ids = {rule.origin: rule_id(rule) for rule in rules.rules}
            known = Basis(rules, Keyed(key), names, revision_of(rules, self._new_version), ids, levels)
            self._known[route] = known
        return known


def finding_of(exchange: Exchange, basis: Basis, now: datetime) -> Finding:
    """What is kept of an exchange; nothing of both answers' bodies but what the verdict shows."""
    request, control, candidate = exchange.request, exchange.control, exchange.candidate
    verdict = exchange.verdict
    known = () if verdict.outcome is Outcome.MATCHED else _known(exchange, basis)
    names = basis.names if len(known) <= MOST else basis.names | VALUES
    redactor = Redactor(basis.mask, names, basis.levels, known)
    return Finding(
        route=exchange.route,
        request_id=exchange.request_id,
        at=now,
        method=request.method,
        target=redactor.target(exchange.target) if verdict.outcome in LOOKED_INTO else "",
        stage=exchange.stage,
        flag_version=exchange.flag_version,
        authoritative=exchange.authoritative,
        control_status=control.status,
        candidate_status=candidate.status,
        control_ms=control.elapsed_ms,
        candidate_ms=candidate.elapsed_ms,
        verdict=verdict if verdict.outcome is Outcome.MATCHED else redactor.verdict(verdict),
        revision=basis.revision,
        stratum=stratum_of(request, control, exchange.target),
        rescued=exchange.rescued,
        rules_hit=tuple({basis.ids.get(one.rule, ""): None for one in verdict.allowed}),
        request=asked(request, redactor) if verdict.outcome in LOOKED_INTO else None,
    )


def _known(exchange: Exchange, basis: Basis) -> Sequence[str]:
    """What is known to be secret by what stands beside it, by the route's path or by the request; the longest first."""
    path = exchange.target.partition(b"?")[0].decode("latin-1").split("/")
    in_path = [unescaped(path[at]) for at in basis.levels if at < len(path)]
    request, answers = exchange.request, (exchange.control, exchange.candidate)
    body = request.body if isinstance(request.body, bytes) else b""
    secret = Redactor(names=basis.names).is_secret
    beside = secrets_beside_names(answers, body, secret, exchange.rows)
    told = credentials_in(request.headers, exchange.target, body, secret)
    cookies = (one for answer in answers for one in cookies_set_in(answer.headers, secret))
    return sorted({*in_path, *beside, *told, *cookies} - {""}, key=len, reverse=True)


def asked(request: OutboundRequest, redactor: Redactor) -> AskedRequest:
    """What is kept of a request so that it can be asked again by somebody with credentials of their own."""
    headers = tuple(
        (name.decode("latin-1"), redactor.value(value.decode("latin-1")))
        for name, value in request.headers
        if _is_kept(name, redactor) and len(value) <= MAX_VALUE
    )[:MAX_HEADERS]
    body, left_out = _body(request, redactor)
    role = role_of(request.headers) if bearer(request.headers) else ""
    return AskedRequest(headers, body, left_out, role)


def _is_kept(name: bytes, redactor: Redactor) -> bool:
    lower = name.lower()
    return (
        lower not in _NOT_KEPT
        and not lower.startswith(_NOT_KEPT_BEGINNINGS)
        and not redactor.is_secret(lower.decode("latin-1"))
    )


def _body(request: OutboundRequest, redactor: Redactor) -> tuple[str | None, str]:
    """The body as text, redacted; or None, and why it was left out."""
    body = request.body
    if not isinstance(body, bytes) or not body:
        return None, ""
    coding = next((value for name, value in request.headers if name == b"content-encoding"), b"")
    if coding:
        return None, "it is compressed"
    if len(body) > MAX_BODY:
        return None, f"it has {len(body)} bytes, more than {MAX_BODY}"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None, "it is no text"
    if "\0" in text or media_type(request.headers).startswith("multipart/") or _PARTS in text.lower():
        return None, "it is no text"
    is_form = media_type(request.headers) == "application/x-www-form-urlencoded"
    return redactor.form(text) if is_form else redactor.text(text), ""
