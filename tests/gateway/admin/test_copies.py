"""What became of a route's copies, out of the figures."""

from gateway.admin.copies import copies_json
from gateway.metrics.snapshot import counted


def test_a_routes_copies_are_told_by_cause_and_outcome() -> None:
    """Other routes' are not among them."""
    snapshot = counted(
        {
            "shadow_offered.lots.list": 9,
            "shadow_offered.lots.get": 1,
            "shadow_dropped.queue_full/lots.list": 3,
            "shadow_dropped.bytes/lots.list": 2,
            "shadow_dropped.bytes/lots.get": 7,
            "shadow_verdict.matched/lots.list": 8,
        }
    )
    assert copies_json(snapshot, "lots.list") == {
        "taken": 9,
        "dropped": {"queue_full": 3, "bytes": 2},
        "compared": {"matched": 8},
        "unsafe": [],
    }
    assert copies_json(snapshot, "runs.list") == {"taken": 0, "dropped": {}, "compared": {}, "unsafe": []}
