"""Who may be succeeded, and what a successor is told."""

from gateway.app.handover import obstacle


def test_the_first_process_of_a_container_is_not_succeeded() -> None:
    """Its end is the container's: the successor would be killed by the kernel in the moment it is to serve."""
    assert "--workers 2" in (obstacle(1) or "")
    assert obstacle(2) is None
