"""What flip and rollback say afterwards: before and after, or who was faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.output import Answer, Code, Trouble
from gateway.cli.show import flag_text, moment

if TYPE_CHECKING:
    from gateway.cli.admin_client import AdminClient, Reply


def moved(route: str, before: Reply, after: Reply) -> Answer:
    """The answer to a change that was made."""
    old, new = before.data["flag"], after.data["flag"]
    data = {"route": route, "before": old, "after": new}
    if new["version"] == old["version"]:
        return Answer(data, f"{route}: {flag_text(new)}, as it was: nothing changed (version {new['version']})")
    return Answer(data, f"{route}: {flag_text(old)} -> {flag_text(new)} (version {new['version']})")


def lost_race(client: AdminClient, route: str, expected: str | None) -> Trouble:
    """Somebody else has changed the flag since it was read: say who, and to what."""
    current = client.get("routes", route).data["flag"]
    changes = client.get("routes", route, "history", limit=1).data["changes"]
    who = f"{changes[0]['by']} at {moment(changes[0]['at'])}" if changes else str(current["set_by"])
    sentence = (
        f"{route} is not at version {(expected or '').strip(chr(34))} any more: {who} made it "
        f"{flag_text(current)} (version {current['version']}); nothing was changed"
    )
    return Trouble(Code.NO, "lost_race", sentence, current=current)
