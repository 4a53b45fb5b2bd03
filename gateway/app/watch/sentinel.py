"""Watches every route that is in canary or new in this process, and takes back what goes wrong, off the hot path.

With the database dead it still does so for its own process, and tells the database when that is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from time import perf_counter
from typing import Final

from gateway.app.watch.post import Post, by_route
from gateway.db.accept import put_in_force
from gateway.db.engine import DatabaseDown
from gateway.db.flags import Unchanged
from gateway.db.rollbacks import BY, WATCHED, Key, RollbackStore, reason
from gateway.proxy.ledger import Ledger
from gateway.proxy.unanswered import Open
from gateway.rollout.breach import Breach, Seen
from gateway.rollout.flag import Change, Flag, Flipped, apply
from gateway.rollout.plan import Live
from gateway.rollout.slow import LATENCY_S
from gateway.rollout.stage import Stage
from gateway.rollout.steps import BY as PLAN
from gateway.routing.route import Route, WayBack
from gateway.shadow.finding import Found
from gateway.telemetry import count, log

Unanswered = Callable[[], Iterable[list[Open]]]

LOOK_S: Final = 0.25
REST: Final = 9.0  # times as long as a look took, so that a thousand busy routes take a tenth of a processor at most
AT_ONCE: Final = 16
TELL_S: Final = 1.0
LEARN_S: Final = 5.0  # how long evidence is not asked again for legacy's times
WRITE_S: Final = 1.5  # how long the database may take over a rollback before this process goes ahead
AGAIN_S: Final = 1.0
LINGER_S: Final = 5.0
MOST_EARLY: Final = 10_000  # findings


class Sentinel:
    """One for each process that serves clients.

    `process` tells it from the others; `webhook`: somebody is to be told of rollbacks.
    """

    def __init__(self, live: Live, store: RollbackStore, process: str, *, webhook: bool) -> None:
        self._live, self._store, self._process, self._webhook = live, store, process, webhook
        self._posts: dict[Key, Post] = {}
        self._earlier: dict[Key, Post] = {}  # by the version of a plan's step before the one that it is at
        self._early: deque[Found] = deque(maxlen=MOST_EARLY)  # of a flag that came in force since the last look
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: dict[Key, Seen] = {}
        self._taking: dict[Key, asyncio.Task[None]] = {}

    def heard(self, finding: Found) -> None:
        """Take in what the mirror found, as soon as it has: to bring it to the database takes its time."""
        key = finding.route, finding.flag_version
        post = self._posts.get(key) or self._earlier.get(key)
        if post is None:
            flag = self._live.known.flag(finding.route)
            if flag.version == finding.flag_version and flag.stage in WATCHED:
                self._early.append(finding)
            return
        try:
            post.heard(finding)
        except Exception as bug:  # noqa: BLE001 - whoever tells has a lane to free
            log("watch_bug", level=logging.ERROR, bug=bug)

    async def watch(self, ledger: Ledger, unanswered: Unanswered = tuple) -> None:
        """Look at this process's routes, for ever; `unanswered` gives the requests that wait for an answer."""
        telling = asyncio.create_task(self._tell())
        try:
            took, begun, was_late = 0.0, perf_counter(), False
            while True:
                rest = max(LOOK_S, took * REST)
                await asyncio.sleep(rest)
                late, begun = perf_counter() - begun - took - rest > LATENCY_S, perf_counter()
                # a machine that stood still is no side's fault; one that always does may well be the new side's
                paused, was_late = late and not was_late, late
                try:
                    await self._look(ledger, unanswered, paused=paused)
                except Exception as bug:  # noqa: BLE001 - a bug in a judgement must not end the watch
                    log("watch_bug", level=logging.ERROR, bug=bug)
                took = perf_counter() - begun
        finally:
            for task in (telling, *self._taking.values()):
                task.cancel()
            await asyncio.gather(telling, *self._taking.values(), return_exceptions=True)

    async def _look(self, ledger: Ledger, unanswered: Unanswered, *, paused: bool) -> None:
        wanted = self._wanted()
        for key, (flag, route) in wanted.items():
            post = self._posts.get(key)
            if post is None and _is_a_plans_step(flag):
                post = self._move(flag)
            if post is None or post.watch.terms != route.terms:
                self._relieve(flag.route)
                self._posts[key] = Post.at(flag, route, ledger, self._seen.get(flag.route, (0, 0)))
        while self._early:
            finding = self._early.popleft()
            if (finding.route, finding.flag_version) in self._posts:
                self.heard(finding)
        now, at = asyncio.get_running_loop().time(), perf_counter()
        waiting = await by_route(unanswered()) if self._posts else {}
        for number, (key, post) in enumerate(list(self._posts.items())):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)  # clients are served by the same loop
            breach = post.look(waiting.get(post.flag.route, ()), at, paused=paused)
            if key not in wanted:
                self._leave(key, post, now)
            elif breach is not None and key not in self._taking:
                task = self._taking[key] = asyncio.create_task(self._take_back(post, breach))
                task.add_done_callback(partial(self._over, key))

    def _over(self, key: Key, _task: asyncio.Task[None]) -> None:
        del self._taking[key]

    def _wanted(self) -> dict[Key, tuple[Flag, Route]]:
        plan = self._live.known
        watched = (
            (flag, plan.table.routes[flag.route])
            for flag in plan.flags.values()
            if flag.stage in WATCHED and flag.route in plan.table.routes
        )
        return {
            (flag.route, flag.version): (flag, route)
            for flag, route in watched
            if route.terms.rollback is not WayBack.MANUAL
        }

    def _leave(self, key: Key, post: Post, now: float) -> None:
        """Go on counting for a moment what was under way when the flag changed, and with whoever waits to their end.

        So with copies that wait their turn: of a long queue the findings come long after the requests.
        """
        if post.left_at is None or post.waits or post.is_told:
            post.left_at = now
        elif now - post.left_at > LINGER_S and key not in self._taking:
            self._relieve(post.flag.route)

    def _move(self, flag: Flag) -> Post | None:
        """Have a route's post go on at a plan's next step, with all it has seen and what is found late of the last.

        The step was taken because nothing was known against the new side, and what comes to be known counts.
        """
        at = next((key for key, post in self._posts.items() if key[0] == flag.route and post.left_at is None), None)
        if at is None or at in self._taking:
            return None
        post = self._earlier[at] = self._posts.pop(at)
        self._posts[flag.route, flag.version] = post
        post.flag = flag
        return post

    def _relieve(self, route: str) -> None:
        """End every post of a route: the next one goes on where they were."""
        for posts in (self._posts, self._earlier):
            for key, post in list(posts.items()):
                if key[0] == route:
                    self._seen[route] = post.seen
                    del posts[key]

    async def _take_back(self, post: Post, breach: Breach) -> None:
        """Change the flag everywhere; while the database cannot be asked, here, and everywhere later."""
        flag, alone = post.flag, False
        while True:
            try:
                await self._store.tell(self._process, {(flag.route, flag.version): breach.seen}, within=WRITE_S)
                outcome = await self._store.take_back(
                    flag, breach, post.exemplars, webhook=self._webhook, within=WRITE_S
                )
            except DatabaseDown:
                if not alone:
                    alone = self._goes_ahead(post, breach)
                await asyncio.sleep(AGAIN_S)
                continue
            except Exception as bug:  # noqa: BLE001 - whatever it is, this process's callers are not left where they are
                log("auto_rollback_bug", level=logging.ERROR, bug=bug, route=flag.route)
                self._goes_ahead(post, breach)
                return
            if isinstance(outcome, Unchanged) and _is_a_plans_step(outcome.flag):
                flag = outcome.flag
                continue
            self._act_on(outcome, post, breach)
            return

    def _goes_ahead(self, post: Post, breach: Breach) -> bool:
        outcome = apply(post.flag, Change(Stage.LEGACY, reason=reason(breach, post.exemplars)), by=BY)
        if isinstance(outcome, Flipped):
            put_in_force(self._live, outcome.flag)
            log("auto_rollback_here", level=logging.ERROR, route=post.flag.route, what=breach.what)
        return True

    def _act_on(self, outcome: Flipped | Unchanged, post: Post, breach: Breach) -> None:
        put_in_force(self._live, outcome.flag)
        if isinstance(outcome, Unchanged):
            return  # somebody else was faster
        seen = breach.seen
        count(f"auto_rollback.{breach.what}/{post.flag.route}")
        log(
            "auto_rollback",
            level=logging.ERROR,
            route=post.flag.route,
            from_version=post.flag.version,
            version=outcome.flag.version,
            what=breach.what,
            why=breach.sentence,
            affected=breach.affected,
            answered=seen.answered,
            exemplars=[one.request_id for one in post.exemplars],
        )

    async def _tell(self) -> None:
        """Keep in the database what this process has seen, so that all of them together see more."""
        while True:
            await asyncio.sleep(TELL_S)
            totals = {key: post.watch.total for key, post in self._posts.items()}
            news = {key: seen for key, seen in totals.items() if self._told.get(key) != seen}
            try:
                await self._store.tell(self._process, news)
                self._told = {key: self._told.get(key, Seen()) for key in totals} | news
                await self._learn()
            except DatabaseDown:
                continue
            except Exception as bug:  # noqa: BLE001 - what was seen is told again with the next change
                log("watch_bug", level=logging.ERROR, bug=bug)

    async def _learn(self) -> None:
        """Ask how long legacy took for routes of which too little is known: others may have seen it, copies may."""
        now = perf_counter()
        due = [each for each in self._posts.values() if each.lacks_times and now - each.asked_at > LEARN_S]
        for post in sorted(due, key=attrgetter("asked_at"))[:AT_ONCE]:
            post.known, post.asked_at = await self._store.legacys_times(post.flag.route), now


def _is_a_plans_step(flag: Flag) -> bool:
    """Whether a rollout took its next step while this process noticed: nobody has decided that the breach is none."""
    return flag.stage in WATCHED and flag.set_by == PLAN
