"""What one process sees of one route on the new side: the ledger's figures and the mirror's findings, look by look."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.db.rollbacks import WATCHED, Exemplar
from gateway.diff.verdict import Outcome
from gateway.message import Side
from gateway.metrics.catalogue import BOUNDS
from gateway.proxy.ledger import Ledger, Totals
from gateway.proxy.unanswered import Open
from gateway.rollout.breach import Breach, Seen, Watch
from gateway.rollout.evidence import Histogram
from gateway.rollout.flag import Flag
from gateway.rollout.slow import NOT_KNOWN, Limit, Times, limit_of
from gateway.rollout.stage import Stage
from gateway.routing.route import Route
from gateway.shadow.finding import Found

EXEMPLARS: Final = 5
_COMPARED: Final = (Outcome.MATCHED, Outcome.ALLOWED, Outcome.MISMATCHED)
_NOTHING: Final = Seen()
_BODILESS: Final = ("GET", "HEAD", "OPTIONS", "DELETE")


@dataclass(slots=True)
class Post:
    """A route at one version of its flag, watched from here. `exemplars` are the first requests that went wrong.

    `left_at`: since when the flag is another one, and only what was under way then is still counted. `known` are
    legacy's times as evidence has them, which count while this process has fewer; `asked_at`: when it was asked.
    `uploads`: the route's requests may have bodies.
    """

    flag: Flag
    watch: Watch
    _ledger: Ledger
    _before: tuple[Totals, Totals]
    _began: Totals  # of the new side
    _found: Seen = _NOTHING
    _counted: set[Open] = field(default_factory=set)  # before their end, for being slow already
    _is_waited_for: bool = False
    exemplars: list[Exemplar] = field(default_factory=list)
    left_at: float | None = None
    known: Histogram = NOT_KNOWN
    asked_at: float = float("-inf")
    is_told: bool = False  # whether the mirror had found something by the last look that it had not by the one before
    uploads: bool = True
    _limit: Limit | None = None

    @classmethod
    def at(cls, flag: Flag, route: Route, ledger: Ledger, seen: tuple[int, int]) -> Post:
        """Begin to watch, after requests of which earlier posts have `seen` so many answered and failed."""
        new, legacy = _totals(ledger, flag)
        before = replace(new, answered=seen[0], failed=seen[1]), legacy
        return cls(flag, Watch(route.terms), ledger, before, new, uploads=route.method not in _BODILESS)

    @property
    def seen(self) -> tuple[int, int]:
        """What it has seen in the ledger, so that a successor goes on from there."""
        return self._before[0].answered, self._before[0].failed

    def heard(self, finding: Found) -> None:
        """Take a finding about this version of the flag in."""
        outcome = finding.outcome
        if finding.rescued:  # the ledger has legacy's good answer; a comparison it was not
            self._found += Seen(failed=1, rescued=1)
            self._show(finding)
            return
        mismatched = outcome is Outcome.MISMATCHED or finding.broken
        if not mismatched and outcome not in _COMPARED:
            return
        # what failed is in the ledger already
        had = mismatched and finding.authoritative is Side.NEW and (finding.candidate_status or 500) < 500
        was_late = had and self._limit is not None and finding.candidate_ms > self._limit.after_s * 1000
        self._found += Seen(compared=1, mismatched=int(mismatched), wrong=int(had), late=-int(was_late))
        if mismatched:
            self._show(finding)

    def _show(self, finding: Found) -> None:
        if len(self.exemplars) < EXEMPLARS:
            places = finding.opened().verdict.mismatches
            self.exemplars.append(Exemplar(finding.request_id, places[0].where if places else finding.reason))

    @property
    def waits(self) -> bool:
        """Whether some request had no answer at the last look, slow or not: it may fail, which is to be known."""
        return self._is_waited_for

    def look(self, unanswered: Iterable[Open] = (), at: float = 0.0, *, paused: bool = False) -> Breach | None:
        """Judge what has happened since the last look; `unanswered` are the requests that wait, `at` this moment.

        `paused`: this process stood still meanwhile, so that no time says anything about a side.
        """
        (new, legacy), (new_before, legacy_before) = now, before = _totals(self._ledger, self.flag), self._before
        times = Times(legacy_before.times, BOUNDS, self.known, self.uploads)
        limit, by_last = limit_of(times, self.watch.terms.slack_ms), self._limit
        self._limit = limit
        if limit != by_last:
            self.watch.total += self._recounted(limit, by_last)
        earlier = self._count_early(unanswered, at, limit)
        found, self._found, self._before = self._found, _NOTHING, now
        self.is_told = found != _NOTHING
        if now == before and found == _NOTHING and not earlier:
            return None
        answered = max(0, new.answered - new_before.answered + earlier)
        slow = _above(new.times, limit) - _above(new_before.times, limit) + earlier
        seen = Seen(
            answered=answered,
            failed=new.failed - new_before.failed,
            slow=min(answered, max(0, slow)),
            late=slow - _above(new.failed_times, limit) + _above(new_before.failed_times, limit),
            legacy=legacy.answered - legacy_before.answered,
            legacy_failed=legacy.failed - legacy_before.failed,
        )
        judged_by = None if paused else limit
        return self.watch.saw(seen + found, judged_by, waiting=sum(each.waits for each in self._counted))

    @property
    def lacks_times(self) -> bool:
        """Whether more of legacy's times would tell more."""
        return Times(self._before[1].times, BOUNDS, self.known).are_few

    def _recounted(self, limit: Limit | None, by_last: Limit | None) -> Seen:
        """What more of the past is slow by this limit than by the last one: nobody bets on it, and it is told right."""
        seen, began = self._before[0], self._began
        slow, failed = (
            sum(sign * (_above(times, limit) - _above(times, by_last)) for sign, times in ((1, now), (-1, then)))
            for now, then in ((seen.times, began.times), (seen.failed_times, began.failed_times))
        )
        return Seen(slow=slow, late=slow - failed)

    def _count_early(self, unanswered: Iterable[Open], at: float, limit: Limit | None) -> int:
        """How many more requests are slow before their end, less those that the ledger has by now."""
        ended = {each for each in self._counted if each.over}
        self._counted -= ended
        version = self.flag.version
        waiting = [
            each
            for each in unanswered
            if each.waits and each.routed.flag is not None and each.routed.flag.version == version
        ]
        self._is_waited_for = bool(waiting)
        if limit is None:
            return -len(ended)
        new = {each for each in waiting if at - each.begun > limit.after_s} - self._counted
        self._counted |= new
        return len(new) - len(ended)


async def by_route(unanswered: Iterable[list[Open]]) -> dict[str, list[Open]]:
    """Those that wait for the new side, by their route's key."""
    found: dict[str, list[Open]] = defaultdict(list)
    for some in unanswered:
        for each in some:
            if each.routed.decision.authoritative is Side.NEW:
                found[each.routed.key].append(each)
        await asyncio.sleep(0)  # clients are served by the same loop
    return found


def _totals(ledger: Ledger, flag: Flag) -> tuple[Totals, Totals]:
    """What the new side and legacy did of a route since this process started."""
    return ledger.totals(flag.route, Side.NEW, WATCHED), ledger.totals(flag.route, Side.LEGACY, Stage)


def _above(times: Sequence[int], limit: Limit | None) -> int:
    """How many requests took longer than the limit."""
    return 0 if limit is None else sum(times[BOUNDS.index(limit.after_s) + 1 :])
