"""Evidence as the admin API tells it. Values are texts from backends: whoever shows them decides how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date

from gateway.admin.schemas import Json
from gateway.db.evidence_values import Cluster, RuleHits, StoredFinding, StratumSeen, VerdictMinute
from gateway.diff.rules import Rule
from gateway.rollout.evidence import BOUNDS_MS, Histogram
from gateway.shadow.finding import AskedRequest
from gateway.shadow.revision import rule_id


def clusters_json(clusters: Sequence[Cluster], revision: str) -> Json:
    """Clusters, and each request that is an example for one of them once, the newest first."""
    examples = {each.finding.id: each.finding for cluster in clusters for each in cluster.exemplars}
    return {
        "clusters": [_cluster(each, revision) for each in clusters],
        "findings": [finding_json(examples[number]) for number in sorted(examples, reverse=True)],
    }


def _cluster(cluster: Cluster, revision: str) -> Json:
    return {
        "id": cluster.id,
        "outcome": cluster.outcome,
        "where": cluster.place,
        "kind": cluster.kind,
        "count": cluster.count,
        "first_seen": cluster.first_seen.isoformat(),
        "last_seen": cluster.last_seen.isoformat(),
        "current": cluster.revision == revision,
        "exemplars": [
            {"finding": each.finding.id, "where": each.where, "control": each.control, "candidate": each.candidate}
            for each in cluster.exemplars
        ],
    }


def finding_json(found: StoredFinding) -> Json:
    """One compared request."""
    return {
        "id": found.id,
        "request_id": found.request_id,
        "at": found.at.isoformat(),
        "method": found.method,
        "target": found.target,
        "stage": found.stage,
        "flag_version": found.flag_version,
        "revision": found.revision,
        "authoritative": found.authoritative,
        "control_status": found.control_status,
        "candidate_status": found.candidate_status,
        "control_ms": found.control_ms,
        "candidate_ms": found.candidate_ms,
        "outcome": found.outcome,
        "reason": found.reason,
        "rescued": found.rescued,
        "mismatches": [
            {"kind": each.kind, "where": each.where, "control": each.control, "candidate": each.candidate}
            for each in found.mismatches
        ],
        "request": None if found.request is None else _request(found.request),
    }


def _request(asked: AskedRequest) -> Json:
    return {
        "headers": [list(header) for header in asked.headers],
        "body": asked.body,
        "left_out": asked.left_out,
        "role": asked.role,
    }


def rules_json(rules: Iterable[Rule], hits: Mapping[str, RuleHits], today: date) -> list[Json]:
    """Every rule in the order of its file, with what it has allowed on live traffic."""
    return [_rule(rule, hits.get(rule_id(rule)), today) for rule in rules]


def _rule(rule: Rule, hits: RuleHits | None, today: date) -> Json:
    scope = rule.scope
    return {
        "id": rule_id(rule),
        "rule": rule.origin,
        "where": rule.where.text,
        "kind": sorted(rule.kinds),
        "as": rule.reading,
        "when": {"legacy": scope.legacy, "new": scope.new, "case": sorted(scope.cases)},
        "because": rule.because,
        "owner": rule.owner,
        "until": rule.until.isoformat(),
        "expired": rule.expired(today),
        "hits": 0 if hits is None else hits.count,
        "first_hit": None if hits is None else hits.first_hit.isoformat(),
        "last_hit": None if hits is None else hits.last_hit.isoformat(),
    }


def stratum_json(seen: StratumSeen) -> Json:
    """A kind of request, and how often it was served and compared."""
    return {
        **asdict(seen.stratum),
        "served": seen.served,
        "compared": seen.compared,
        "last_seen": seen.last_seen.isoformat(),
    }


def minute_json(minute: VerdictMinute) -> Json:
    """What one minute's comparisons said."""
    return {
        "minute": minute.minute.isoformat(),
        "revision": minute.revision,
        **minute.counts,
        "control_ms": histogram_json(minute.control_ms),
        "candidate_ms": histogram_json(minute.candidate_ms),
    }


def histogram_json(times: Histogram) -> list[Json]:
    """The buckets that hold something: how many took at most `le` ms; None is more than every bound."""
    bounds = [*BOUNDS_MS, None]
    return [{"le": bound, "count": count} for bound, count in zip(bounds, times.counts, strict=True) if count]
