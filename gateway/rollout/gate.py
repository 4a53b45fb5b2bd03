"""May a route go forward? Judges what was seen of it and says why, each reason with the figures behind it. Pure.

It never says yes for lack of evidence. What counts as a sample and why is in docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.rollout.breach import LEGACYS_OWN
from gateway.rollout.evidence import BOUNDS_MS, RouteEvidence, Stratum
from gateway.rollout.flag import Change, Flag
from gateway.rollout.stage import Move, Stage, classify
from gateway.rollout.statistics import at_least, more_hits, quantile, samples_for, slower, stretched, upper_bound
from gateway.routing.route import Terms

ALPHA: Final = 0.01  # how often chance alone may make an equally good new side look worse, for each test
ALPHA_MS: Final = 0.001  # the same for times: slow answers come in bunches, and are no proof as if each came alone
SLACK: Final = 0.1  # of legacy's own time, where that is more than the route's slack_ms
TAIL: Final = 0.95
TAIL_SLACKS: Final = 4  # times slack_ms at the tail, where a pause of the machine shows first
TAIL_SLACK: Final = 0.5
FEWEST_TIMES: Final = 100  # of each side, before anything is said about latency
UNREADABLE: Final = 0.05  # of all comparisons: more of them could hide what mismatches
SHOWN: Final = 10  # strata in a reason's figures

Figures = Mapping[str, float | list[str]]


class Answer(StrEnum):
    """What the gate says of one thing, and in all."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing the gate looked at. `code` is stable, the figures' names are as well."""

    code: str
    answer: Answer
    sentence: str
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to one promotion; every reason is there, those that pass too. `needed`: further clean samples."""

    answer: Answer
    reasons: tuple[Reason, ...]
    needed: int = 0

    @property
    def objections(self) -> tuple[Reason, ...]:
        """The reasons that do not pass, failures first."""
        return tuple(
            each for answer in (Answer.FAIL, Answer.INCONCLUSIVE) for each in self.reasons if each.answer is answer
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A change that the gate does not let through."""

    judgement: Judgement


def asks_for_evidence(flag: Flag, change: Change) -> bool:
    """Whether a change sends more callers to the new side than the flag does: everything else is free.

    Entering shadow sends nobody there, and going back never waits.
    """
    if change.stage is Stage.CANARY and flag.stage is Stage.CANARY:
        return change.canary is not None and change.canary > flag.canary
    return change.stage not in (Stage.LEGACY, Stage.SHADOW) and classify(flag.stage, change.stage) in _FORWARD


_FORWARD: Final = (Move.PROMOTE, Move.SKIP)


def judge(evidence: RouteEvidence, terms: Terms, *besides: Reason) -> Judgement:
    """Judge what was seen of a route, by its terms; `besides`: what else there is to say of it."""
    samples = evidence.matched + evidence.allowed + evidence.wrong
    needed = max(0, samples_for(evidence.wrong, terms.target) - samples)
    reasons = (
        *besides,
        _mismatches(evidence, samples, needed, terms.target),
        _classes(evidence),
        _readable(evidence),
        _errors(evidence, terms.errors),
        _times(evidence, terms.slack_ms),
        _tail(evidence, terms.slack_ms),
        _coverage(evidence),
    )
    return Judgement(_in_all(reasons), reasons, needed)


def _in_all(reasons: tuple[Reason, ...]) -> Answer:
    answers = {each.answer for each in reasons}
    return next((worst for worst in (Answer.FAIL, Answer.INCONCLUSIVE) if worst in answers), Answer.PASS)


def _mismatches(evidence: RouteEvidence, samples: int, needed: int, target: float) -> Reason:
    wrong = evidence.wrong
    bound = upper_bound(wrong, samples) if samples else 1.0
    figures = {
        "samples": samples,
        "mismatched": evidence.mismatched,
        "broken": evidence.broken,
        "noise": evidence.noise,
        "upper_bound": bound,
        "target": target,
        "more_clean_samples": needed,
    }
    seen = f"{_of(wrong, samples, 'comparison')} mismatched"
    seen += f" ({evidence.broken} for answers of the new side that nobody can read)" if evidence.broken else ""
    if not needed:
        sentence = f"{seen}: with 95 % confidence at most {_percent(bound)}, and {_percent(target)} is allowed"
        return Reason("mismatch_rate", Answer.PASS, sentence, figures)
    more = f"{needed} more clean {'sample is' if needed == 1 else 'samples are'} needed for {_percent(target)}"
    # more samples cannot help where the rate itself is over the target: then somebody has to look
    if wrong > samples * target:
        return Reason("mismatch_rate", Answer.FAIL, f"{seen}, {_percent(target)} may; {more}", figures)
    return Reason("mismatch_rate", Answer.INCONCLUSIVE, f"{seen}, which is no proof yet: {more}", figures)


def _classes(evidence: RouteEvidence) -> Reason:
    found = evidence.class_disagreements
    what = "the class of a status, or over 401, 403 and 404"
    if found:
        sentence = f"the sides disagreed {'once' if found == 1 else f'{found} times'} over {what}"
        return Reason("status_class", Answer.FAIL, sentence, {"disagreements": found})
    return Reason("status_class", Answer.PASS, f"the sides never disagreed over {what}", {"disagreements": 0})


def _readable(evidence: RouteEvidence) -> Reason:
    unread, made = evidence.not_comparable, _made(evidence)
    figures = {"not_comparable": unread, "comparisons": made, "limit": UNREADABLE}
    sentence = f"{_of(unread, made, 'comparison')} could not be made (failed, cut, too large or unreadable answers)"
    answer = Answer.INCONCLUSIVE if unread > made * UNREADABLE else Answer.PASS
    return Reason("not_comparable", answer, sentence, figures)


def _errors(evidence: RouteEvidence, allowed: float) -> Reason:
    """Two tests: against legacy, and against what may fail, as an auto-rollback tolerates it.

    Six of sixty against none may be chance to the first one; a route that may fail 1 % never fails so many.
    """
    made = _made(evidence)
    new, legacy = min(evidence.candidate_errors, made), min(evidence.control_errors, made)
    tolerated = max(allowed, LEGACYS_OWN * legacy / made) if made else allowed
    chance = min(more_hits(new, made, legacy, made), at_least(new, made, tolerated))
    figures = {"new": new, "legacy": legacy, "requests": made, "tolerated": tolerated, "p": chance, "alpha": ALPHA}
    seen = f"{_of(new, made, 'request')} failed on the new side, {legacy} on legacy"
    if chance < ALPHA:
        return Reason("errors", Answer.FAIL, f"{seen}: that is more than chance (p = {chance:.2g})", figures)
    if new > made * tolerated:
        sentence = f"{seen}: {_percent(tolerated)} may, and so few requests tell nothing yet (p = {chance:.2g})"
        return Reason("errors", Answer.INCONCLUSIVE, sentence, figures)
    return Reason("errors", Answer.PASS, seen, figures)


def _times(evidence: RouteEvidence, slack_ms: float) -> Reason:
    if few := _too_few_times("latency", evidence):
        return few
    allowed = stretched(evidence.control_ms, by_ms=slack_ms, by_share=SLACK)
    chance = slower(evidence.candidate_ms, allowed)
    figures = {"p": chance, "alpha": ALPHA_MS, "slack_ms": slack_ms, **_medians(evidence)}
    slack = f"legacy's times and {slack_ms:g} ms (or a tenth) more"
    if chance < ALPHA_MS:
        return Reason("latency", Answer.FAIL, f"the new side's times rank above {slack} (p = {chance:.2g})", figures)
    return Reason("latency", Answer.PASS, f"the new side's times do not rank above {slack}", figures)


def _tail(evidence: RouteEvidence, slack_ms: float) -> Reason:
    """Compare how many times lie above legacy's p95: a rank test of that quantile, exact where an average is not."""
    if few := _too_few_times("p95", evidence):
        return few
    control = stretched(evidence.control_ms, by_ms=slack_ms * TAIL_SLACKS, by_share=TAIL_SLACK)
    limit = quantile(control, TAIL)
    above = sum(evidence.candidate_ms.counts[limit + 1 :])
    theirs = sum(control.counts[limit + 1 :])
    chance = more_hits(above, evidence.candidate_ms.total, theirs, control.total)
    limit_ms = BOUNDS_MS[min(limit, len(BOUNDS_MS) - 1)]
    figures = {"limit_ms": limit_ms, "above": above, "p": chance, "alpha": ALPHA_MS, "slack_ms": slack_ms * TAIL_SLACKS}
    seen = f"{_of(above, evidence.candidate_ms.total, 'answer')} of the new side took more than {limit_ms:g} ms"
    if chance < ALPHA_MS:
        return Reason("p95", Answer.FAIL, f"{seen}, legacy's p95 with the slack (p = {chance:.2g})", figures)
    return Reason("p95", Answer.PASS, f"{seen}, legacy's p95 with the slack", figures)


def _too_few_times(code: str, evidence: RouteEvidence) -> Reason | None:
    seen = min(evidence.control_ms.total, evidence.candidate_ms.total)
    if seen >= FEWEST_TIMES:
        return None
    sentence = f"{_of(seen, FEWEST_TIMES, 'answer')} that are needed of both sides were timed"
    return Reason(code, Answer.INCONCLUSIVE, sentence, {"timed": seen, "needed": FEWEST_TIMES})


def _coverage(evidence: RouteEvidence) -> Reason:
    # what legacy failed at is nothing the new side has to repeat
    asked = frozenset(each for each in evidence.served if each.status_class not in (0, 5))
    missing = sorted(asked - evidence.compared)
    figures: Figures = {
        "served": len(asked),
        "missing": len(missing),
        "strata": [str(each) for each in missing[:SHOWN]],
    }
    if missing:
        kinds = "kind of request that legacy served was" if len(missing) == 1 else "kinds of request legacy served were"
        sentence = f"{len(missing)} {kinds} never compared: {'; '.join(_shown(missing))}"
        return Reason("coverage", Answer.INCONCLUSIVE, sentence, figures)
    sentence = f"every kind of request that legacy served was compared ({len(asked)})"
    return Reason("coverage", Answer.PASS, sentence, figures)


def _shown(missing: list[Stratum]) -> Iterator[str]:
    yield from map(str, missing[:3])
    if len(missing) > 3:
        yield f"and {len(missing) - 3} more"


def _made(evidence: RouteEvidence) -> int:
    return evidence.matched + evidence.allowed + evidence.mismatched + evidence.noise + evidence.not_comparable


def _medians(evidence: RouteEvidence) -> dict[str, float]:
    sides = {"legacy_median_ms": evidence.control_ms, "new_median_ms": evidence.candidate_ms}
    return {name: BOUNDS_MS[min(quantile(times, 0.5), len(BOUNDS_MS) - 1)] for name, times in sides.items()}


def _of(some: int, every: int, what: str) -> str:
    return f"{some} of {every} {what}{'' if every == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
