"""Bounds what a route may have of clusters and strata: what has no room is counted in one row for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeVar

from sqlalchemy import Column, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.db import evidence_tally as tallying
from gateway.db.evidence_tally import ClusterKey, Seen, Sighting, StratumKey, Tally, digest
from gateway.db.tables import mismatch_clusters, strata

CLUSTERS: Final = 500  # of a route, whatever their outcome
STRATA: Final = 500  # of a route and revision
FEW: Final = 100  # clusters of a route that are looked up one by one
ROWS: Final = 1_000  # of one statement: PostgreSQL takes 65,535 parameters

_ROOM: Final = 0x5347_4556  # "SGEV": held by whoever adds clusters or strata, so that their number is what was counted

_CLUSTER = mismatch_clusters.c
CLUSTER_KEY: Final = (_CLUSTER.route, _CLUSTER.outcome, _CLUSTER.place, _CLUSTER.kind)
_STRATUM_KEY: Final = (strata.c.route, strata.c.revision, strata.c.digest)

Key = TypeVar("Key", bound=tuple[Any, ...])


class _Counted(Protocol):
    """What can be added up with its like."""

    def join(self, other: Self) -> None: ...


Value = TypeVar("Value", bound=_Counted)


async def with_room(
    connection: AsyncConnection, tally: Tally
) -> tuple[dict[ClusterKey, Sighting], dict[StratumKey, Seen]]:
    """The clusters and strata of a batch, those that a route has no room for joined."""
    clusters, seen = tally.clusters, tally.strata
    known = await _known(connection, clusters, seen)
    if known != (set(clusters), set(seen)):
        await connection.execute(select(func.pg_advisory_xact_lock(_ROOM)))
        known = await _known(connection, clusters, seen)
        places, kinds = await _rooms(connection, clusters, seen)
        clusters = _bounded(clusters, places, CLUSTERS, known[0], of=_route, overflow=tallying.overflow_of)
        seen = _bounded(seen, kinds, STRATA, known[1], of=_revised, overflow=tallying.overflow_stratum)
    return dict(sorted(clusters.items())), dict(sorted(seen.items()))  # not before: most of it may have gone


def _bounded(
    wanted: Mapping[Key, Value],
    taken: Mapping[tuple[str, ...], int],
    most: int,
    known: Collection[Key],
    *,
    of: Callable[[Key], tuple[str, ...]],
    overflow: Callable[[Key], Key],
) -> dict[Key, Value]:
    """What is wanted as far as there is room beside what is `taken`, the rest joined; what is `known` has its place."""
    room = Counter(taken)
    found: dict[Key, Value] = {}
    for key in (*filter(known.__contains__, wanted), *(key for key in wanted if key not in known)):
        place, value = key, wanted[key]
        if key not in known:
            if room[of(key)] >= most:
                place = overflow(key)
            else:
                room[of(key)] += 1
        if place in found:
            found[place].join(value)
        else:
            found[place] = value
    return found


def _route(key: tuple[Any, ...]) -> tuple[str, ...]:
    return key[:1]


def _revised(key: tuple[Any, ...]) -> tuple[str, ...]:
    return key[:2]


async def _known(
    connection: AsyncConnection, clusters: Iterable[ClusterKey], seen: Iterable[StratumKey]
) -> tuple[set[ClusterKey], set[StratumKey]]:
    """Which of them have a row."""
    by_digest = {(route, revision, digest(stratum)): (route, revision, stratum) for route, revision, stratum in seen}
    wanted = set(clusters)
    several = Counter(map(_route, wanted))
    asked = [key for key in wanted if several[_route(key)] <= FEW]
    found: set[ClusterKey] = await _rows_of(connection, CLUSTER_KEY, asked)
    for (route,), number in several.items():
        if number > FEW:  # a batch may name 50,000 places of a route, of which the table has a hundredth
            rows = await connection.execute(select(*CLUSTER_KEY).where(_CLUSTER.route == route))
            found |= wanted & {tuple(row) for row in rows}
    return (found, {by_digest[row] for row in await _rows_of(connection, _STRATUM_KEY, list(by_digest))})


async def _rows_of(connection: AsyncConnection, columns: Sequence[Column[Any]], keys: Sequence[Key]) -> set[Key]:
    found: set[Any] = set()
    for some in chunks(keys):
        rows = await connection.execute(select(*columns).where(tuple_(*columns).in_(some)))
        found |= {tuple(row) for row in rows}
    return found


async def _rooms(
    connection: AsyncConnection, clusters: Iterable[ClusterKey], seen: Iterable[StratumKey]
) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]]:
    """How many clusters each route has, and how many strata each revision."""
    return (
        await _counted(connection, [_CLUSTER.route], {key[0] for key in clusters}),
        await _counted(connection, [strata.c.route, strata.c.revision], {key[0] for key in seen}),
    )


async def _counted(
    connection: AsyncConnection, columns: Sequence[Column[Any]], routes: Iterable[str]
) -> dict[tuple[str, ...], int]:
    wanted = select(*columns, func.count()).where(columns[0].in_(sorted(routes))).group_by(*columns)
    return {tuple(row[:-1]): row[-1] for row in await connection.execute(wanted)}


def chunks(items: Sequence[Any]) -> Iterator[list[Any]]:
    """As many at once as a statement takes."""
    for start in range(0, len(items), ROWS):
        yield list(items[start : start + ROWS])
