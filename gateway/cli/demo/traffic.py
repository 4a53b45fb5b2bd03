"""Plays the existing frontend against the gateway, at a steady pace and never faster to catch up."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.demo.ask import Talk

_CODES = ("FG-DONER-X1", "MIX-BATCH-88", "RAW-BEEF-001", "RAW-SPICE-001", "FRZ-STORE-007")
_PEOPLE = ("operator@flowviz.com", "admin@flowviz.com", "auditor@flowviz.com")
_NOTES = "Core temperature was read twice by the shift lead."
_TIMEOUT_S = 10.0

# how often out of a hundred requests; a person reads far more than they write
_WEIGHTS = {"lots": 34, "traceability": 33, "runs": 12, "run": 10, "login": 4, "new_lot": 4, "decision": 3}


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the frontend."""

    method: str
    target: str
    body: dict[str, Any] | None = None


@dataclass(slots=True)
class Person:
    """What the played frontend has learnt from answers so far."""

    dice: random.Random
    token: str = ""
    lots: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def next_step(self, name: str, number: int) -> Step:
        """The request a step of this name means for this person now."""
        if name == "login" or not self.token:
            return Step("POST", "/api/login", {"email": self.dice.choice(_PEOPLE)})
        if name == "traceability":
            return Step("GET", f"/api/traceability/{self.dice.choice(_CODES)}")
        if name == "run" and self.runs:
            return Step("GET", f"/api/runs/{self.dice.choice(self.runs)}")
        if name in ("runs", "run"):
            return Step("GET", "/api/runs")
        if name == "new_lot":
            weight = round(self.dice.uniform(1, 900), 2)
            code = f"RAW-DEMO-{time.time_ns():x}-{number}"
            return Step("POST", "/api/lots", {"lot_code": code, "lot_type": "RAW", "weight_kg": weight})
        if name == "decision" and self.lots:
            decision = self.dice.choice(("PASS", "PASS", "PASS", "HOLD"))
            body = {"lot_id": self.dice.choice(self.lots), "decision": decision, "notes": _NOTES}
            return Step("POST", "/api/qc-decisions", body)
        return Step("GET", "/api/lots")

    def learn(self, step: Step, content: Any) -> None:
        """Remember the token and the ids that later steps need."""
        if step.target == "/api/login" and isinstance(content, dict):
            self.token = str(content.get("token", ""))
        elif isinstance(content, list):
            ids = [str(row["id"]) for row in content if isinstance(row, dict) and "id" in row]
            if step.target == "/api/lots":
                self.lots = ids
            elif step.target == "/api/runs":
                self.runs = ids


class Traffic:
    """The frontend in a thread of its own; counts what came back."""

    def __init__(self, url: str, *, per_second: float, seed: int = 7) -> None:
        self._talk = Talk(url, timeout_s=_TIMEOUT_S)
        self._gap_s = 1.0 / per_second
        self._person = Person(random.Random(seed))  # noqa: S311  # which lot is looked at is no secret
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, name="traffic", daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask nothing more; a request under way may end, but nobody waits long for it."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def status(self) -> str:
        """One short line about what came back so far."""
        total, failed = self.counts.total(), self.counts["no answer"] + self.counts["5xx"]
        return f"traffic: {total} requests, {failed} failed ({self.counts['no answer']} without an answer)"

    def _play(self) -> None:
        names, weights = list(_WEIGHTS), list(_WEIGHTS.values())
        due = time.monotonic()
        for number in itertools.count():
            self._ask(self._person.dice.choices(names, weights)[0], number)
            due = max(due + self._gap_s, time.monotonic() - self._gap_s)  # late is late: no burst afterwards
            if self._over.wait(max(0.0, due - time.monotonic())):
                break
        self._talk.close()

    def _ask(self, name: str, number: int) -> None:
        step = self._person.next_step(name, number)
        headers = {"accept": "application/json"}
        if self._person.token:
            headers["authorization"] = f"Bearer {self._person.token}"
        answer = self._talk.ask(step.method, step.target, body=step.body, headers=headers)
        if answer is None:
            self.counts["no answer"] += 1
            return
        status, content = answer
        self.counts[f"{status // 100}xx"] += 1
        if status == 401:
            self._person.token = ""  # it has expired, or the demo has new secrets: log in again
        elif status < 300:
            self._person.learn(step, _read(content))


def _read(content: bytes) -> Any:
    import json

    try:
        return json.loads(content)
    except ValueError:
        return None
