"""The mirror: sends copies after the client has its answer, compares, and hands the findings on.

It is bounded in jobs, in bytes and in time, and offering never waits: what does not fit is dropped and
counted. Comparing has a thread of its own. Nothing that goes wrong in here reaches a client.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from gateway.diff.body import same_bytes
from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome
from gateway.message import Headers, Observation, OutboundRequest, Side
from gateway.shadow.budget import Budget
from gateway.shadow.finding import EvidenceSink, Finding
from gateway.shadow.redact import redact_target, redact_verdict
from gateway.telemetry import count, log, request_id
from gateway.upstream.observe import observe
from gateway.upstream.transport import Transport

HELD_BYTES: Final = 32 * 1024 * 1024
OVERHEAD: Final = 2 * 1024  # bytes a job or a finding takes beside its texts, roughly
SHORT: Final = 512  # bytes of a target that are redacted without a thread
BATCH: Final = 200
FLUSH_S: Final = 0.5
STORE_S: Final = 10.0  # how long the store may take over one batch
CLOSE_S: Final = 2.0  # how long closing waits for it

Watch = Callable[[OutboundRequest], tuple[OutboundRequest, Callable[[Observation], None]]]


@dataclass(frozen=True, slots=True)
class Job:
    """A copy to send: the request for the other side, and what the client was answered.

    `watch` sees the copy when it leaves, may put headers on it, and is then told what came of it.
    """

    route: str
    request_id: str
    stage: str
    flag_version: int
    answered: Observation
    copy: OutboundRequest
    watch: Watch | None = None

    @property
    def size(self) -> int:
        """The bytes it holds, roughly."""
        body = self.copy.body if isinstance(self.copy.body, bytes) else b""
        heads = _size(self.answered.headers) + _size(self.copy.headers) + len(self.copy.target)
        return OVERHEAD + heads + len(self.answered.body) + len(body)


class Mirror:
    """Takes jobs from the request path; runs until it is closed.

    Jobs, queued or under way, hold at most `held_bytes`, and findings that wait for the store as much again;
    each of `concurrency` copies under way holds up to `cap` bytes of an answer beside that.
    """

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
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self._transports = transports
        self._rules = rules
        self._sink = sink
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._cap = cap
        self._most_findings = queue
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(maxsize=queue)
        self._held_by_jobs = Budget(held_bytes)
        self._findings: deque[Finding] = deque()
        self._held_by_findings = Budget(held_bytes)
        self._found = asyncio.Event()
        # one thread: comparing is all Python, more of them would only share its lock with the loop
        self._comparer = ThreadPoolExecutor(1, "compare")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the workers; call from the running loop."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        self._tasks.append(asyncio.create_task(self._flush()))

    def offer(self, job: Job) -> bool:
        """Queue a job, or drop it, counted, when there is no room for it; never waits."""
        if self._jobs.full():
            count("shadow_dropped.queue_full")
            return False
        if not self._held_by_jobs.take(job.size):
            count("shadow_dropped.bytes")
            return False
        self._jobs.put_nowait(job)
        count("shadow_offered")
        return True

    @property
    def waiting(self) -> int:
        """Copies that wait for a worker."""
        return self._jobs.qsize()

    @property
    def held(self) -> int:
        """Bytes that copies hold, waiting or under way."""
        return self._held_by_jobs.held

    async def aclose(self) -> None:
        """Stop the workers; what is queued is dropped, what was found is stored if that goes quickly."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        self._comparer.shutdown(wait=False, cancel_futures=True)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._store_all()
        except TimeoutError:
            count("evidence_dropped.closing", len(self._findings))

    async def _work(self) -> None:
        while True:
            await self._shadow(await self._jobs.get())  # no name here: it would keep the last job alive

    async def _shadow(self, job: Job) -> None:
        request_id.set(job.request_id)
        other = job.answered.side.other
        try:
            transport = self._transports[other]
            copy, ended = (job.copy, None) if job.watch is None else job.watch(job.copy)
            observed = await observe(other, transport, copy, timeout_s=self._timeout_s, cap=self._cap)
            if ended is not None:
                ended(observed)
            self._keep(await self._judge(job, observed))
        except Exception as bug:  # noqa: BLE001 - a bug in a comparison must not end the worker or reach a client
            count("shadow_dropped.bug")
            log("shadow_failed", level=logging.ERROR, bug=bug, route=job.route)
        finally:
            self._held_by_jobs.give(job.size)

    async def _judge(self, job: Job, observed: Observation) -> Finding:
        work = partial(_finding, job, observed, self._rules(job.route), datetime.now(UTC))
        if same_bytes(job.answered, observed) and len(job.copy.target) <= SHORT:
            return work()
        # a document of 1 KiB may need a table of a hundred milliseconds, and the loop serves clients
        return await asyncio.get_running_loop().run_in_executor(self._comparer, work)

    def _keep(self, finding: Finding) -> None:
        count(f"shadow_verdict.{finding.verdict.outcome}")
        if len(self._findings) >= self._most_findings:
            count("evidence_dropped.queue_full")
        elif not self._held_by_findings.take(_weight(finding)):
            count("evidence_dropped.bytes")
        else:
            self._findings.append(finding)
            self._found.set()

    async def _flush(self) -> None:
        while True:
            await self._found.wait()
            await asyncio.sleep(FLUSH_S)
            self._found.clear()
            await self._store_all()

    async def _store_all(self) -> None:
        while self._findings:
            batch = [self._findings.popleft() for _ in range(min(BATCH, len(self._findings)))]
            try:
                await self._store(batch)
            finally:
                self._held_by_findings.give(sum(map(_weight, batch)))

    async def _store(self, findings: list[Finding]) -> None:
        try:
            async with asyncio.timeout(STORE_S):
                await self._sink.store(findings)
        except ConnectionError:
            count("evidence_dropped.store_down", len(findings))
        except TimeoutError:
            count("evidence_dropped.store_slow", len(findings))
        except Exception as bug:  # noqa: BLE001 - evidence that cannot be written is lost, the mirror is not
            count("evidence_dropped.bug", len(findings))
            log("evidence_failed", level=logging.ERROR, bug=bug)


def _finding(job: Job, observed: Observation, rules: Rules, now: datetime) -> Finding:
    answered = job.answered
    control, candidate = (observed, answered) if observed.side is Side.LEGACY else (answered, observed)
    verdict = compare(control, candidate, rules, today=now.date())
    return Finding(
        route=job.route,
        request_id=job.request_id,
        at=now,
        method=job.copy.method,
        target=redact_target(job.copy.target),
        stage=job.stage,
        flag_version=job.flag_version,
        authoritative=answered.side,
        control_status=control.status,
        candidate_status=candidate.status,
        control_ms=control.elapsed_ms,
        candidate_ms=candidate.elapsed_ms,
        verdict=verdict if verdict.outcome is Outcome.MATCHED else redact_verdict(verdict),
    )


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _weight(finding: Finding) -> int:
    """The bytes a finding holds, roughly."""
    verdict = finding.verdict
    shown = [*verdict.mismatches, *(one.mismatch for one in verdict.allowed)]
    texts = sum(len(one.where) + len(one.control or "") + len(one.candidate or "") for one in shown)
    return OVERHEAD + len(finding.target) + texts
