"""The mirror: sends copies after the client has its answer, compares, and hands the findings on.

Its queue is bounded and offering never waits: a full queue drops the copy and counts it. Nothing that
goes wrong in here reaches a client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.finding import EvidenceSink, Finding
from gateway.shadow.redact import redact_target, redact_verdict
from gateway.telemetry import count, log
from gateway.upstream.observe import observe
from gateway.upstream.transport import Transport

BIG = 64 * 1024  # bytes; larger bodies are compared in a thread, the loop serves clients
BATCH = 200
FLUSH_S = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """A copy to send: the request for the other side, and what the client was answered."""

    route: str
    request_id: str
    stage: str
    flag_version: int
    answered: Observation
    copy: OutboundRequest


class Mirror:
    """Takes jobs from the request path; runs until it is closed."""

    def __init__(
        self,
        transports: Mapping[Side, Transport],
        rules: Callable[[str], Rules],
        sink: EvidenceSink,
        *,
        queue: int,
        concurrency: int,
        timeout_s: float,
        cap: int,
    ) -> None:
        self._transports = transports
        self._rules = rules
        self._sink = sink
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._cap = cap
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(maxsize=queue)
        self._findings: asyncio.Queue[Finding] = asyncio.Queue(maxsize=queue)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the workers; call from the running loop."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        self._tasks.append(asyncio.create_task(self._flush()))

    def offer(self, job: Job) -> bool:
        """Queue a job, or drop it, counted, when the queue is full; never waits."""
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            count("shadow_dropped.queue_full")
            return False
        count("shadow_offered")
        return True

    async def aclose(self) -> None:
        """Stop the workers; what is queued is dropped, what was found is stored if that goes at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store(self._waiting())

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            try:
                await self._shadow(job)
            except Exception as bug:  # noqa: BLE001 - a bug in a comparison must not end the worker or reach a client
                count("shadow_dropped.bug")
                log("shadow_failed", level=logging.ERROR, bug=bug, route=job.route)

    async def _shadow(self, job: Job) -> None:
        other = job.answered.side.other
        observed = await observe(other, self._transports[other], job.copy, timeout_s=self._timeout_s, cap=self._cap)
        control, candidate = (observed, job.answered) if other is Side.LEGACY else (job.answered, observed)
        verdict = await self._compare(control, candidate, self._rules(job.route))
        count(f"shadow_verdict.{verdict.outcome}")
        try:
            self._findings.put_nowait(_finding(job, control, candidate, verdict))
        except asyncio.QueueFull:
            count("evidence_dropped.queue_full")

    async def _compare(self, control: Observation, candidate: Observation, rules: Rules) -> Verdict:
        today = datetime.now(UTC).date()
        if len(control.body) + len(candidate.body) > BIG:
            return await asyncio.to_thread(_compare, control, candidate, rules, today)
        return _compare(control, candidate, rules, today)

    async def _flush(self) -> None:
        while True:
            first = await self._findings.get()
            await asyncio.sleep(FLUSH_S)
            await self._store([first, *self._waiting()])

    def _waiting(self) -> list[Finding]:
        found: list[Finding] = []
        while len(found) < BATCH and not self._findings.empty():
            found.append(self._findings.get_nowait())
        return found

    async def _store(self, findings: list[Finding]) -> None:
        if not findings:
            return
        try:
            await self._sink.store(findings)
        except ConnectionError:
            count("evidence_dropped.store_down", len(findings))
        except Exception as bug:  # noqa: BLE001 - evidence that cannot be written is lost, the mirror is not
            count("evidence_dropped.bug", len(findings))
            log("evidence_failed", level=logging.ERROR, bug=bug)


def _compare(control: Observation, candidate: Observation, rules: Rules, today: date) -> Verdict:
    return compare(control, candidate, rules, today=today)


def _finding(job: Job, control: Observation, candidate: Observation, verdict: Verdict) -> Finding:
    return Finding(
        route=job.route,
        request_id=job.request_id,
        at=datetime.now(UTC),
        method=job.copy.method,
        target=redact_target(job.copy.target),
        stage=job.stage,
        flag_version=job.flag_version,
        authoritative=job.answered.side,
        control_status=control.status,
        candidate_status=candidate.status,
        control_ms=control.elapsed_ms,
        candidate_ms=candidate.elapsed_ms,
        verdict=verdict if verdict.outcome is Outcome.MATCHED else redact_verdict(verdict),
    )
