"""Flags and histories as people read them in 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.output import counted, folded, plain
from gateway.cli.share import WHOLE, show_share


def flag_text(flag: Mapping[str, Any]) -> str:
    """A flag in a few words: `canary 5%, compared 10%`."""
    stage = str(flag["stage"])
    words = f"canary {show_share(flag['canary'])}" if stage == "canary" else stage
    compared = flag["sample"] != WHOLE and stage not in ("legacy", "retired")
    return f"{words}, compared {show_share(flag['sample'])}" if compared else words


def routes_table(routes: Sequence[Mapping[str, Any]], plan: Mapping[str, Any]) -> RenderableType:
    """Every route: its key, its request, its flag; and a note when the gateway cannot ask its database."""
    if not routes:
        return "no routes: every request goes to legacy"
    table = _table("route", "request", "effect", "stage", "version")
    for route in routes:
        flag = route["flag"]
        request = plain(f"{route['method']} {route['path']}")
        table.add_row(plain(route["key"]), request, route["effect"], flag_text(flag), str(flag["version"]))
    notes = []
    if plan["panic"]:
        notes.append("\nPANIC: everything goes to legacy, whatever stands here, until `strangler panic --off`")
    if not plan["fresh"]:
        notes.append(f"\nThe flags may be out of date: {plain(plan['why_stale'])}")
    return Stack(table, *notes)


def route_text(route: Mapping[str, Any]) -> RenderableType:
    """One route: its request, its flag, and what became of its copies since the gateway started."""
    flag, copies = route["flag"], route["copies"]
    lines = [
        f"{route['key']}  {route['method']} {route['path']}  {route['effect']}",
        f"stage     {flag_text(flag)} (version {flag['version']})",
        f"copies    {copies['taken']} taken since the start",
        f"compared  {_counts(copies['compared'])}",
        f"dropped   {_counts(copies['dropped'])}",
    ]
    lines += [f"unsafe    {each['where']} {each['act']}: its writes are not rehearsed" for each in copies["unsafe"]]
    return Text(plain("\n".join(lines)))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items())) or "none"


def history_text(
    route: str, changes: Sequence[Mapping[str, Any]], rollbacks: Sequence[Mapping[str, Any]]
) -> RenderableType:
    """The changes of a route, and below them what took itself back."""
    table = _history_table(route, changes)
    return Stack(table, *(Text(f"\n{rollback_text(each)}") for each in rollbacks)) if rollbacks else table


def rollback_text(rollback: Mapping[str, Any]) -> str:
    """One rollback that nobody asked for: why, how many requests are known to be affected, which to look at."""
    slow = f"{rollback['slow']} slow; " if rollback["slow"] else ""
    rescued = f", {rollback['rescued']} of them rescued" if rollback["rescued"] else ""
    lines = [
        f"taken back by itself at {moment(rollback['at'])} from version {rollback['from_version']}: {rollback['why']}",
        f"  affected: {rollback['affected']} of {counted(rollback['answered'], 'request')} that the new side answered "
        f"({rollback['failed']} failed{rescued}; {slow}"
        f"{rollback['mismatched']} of {rollback['compared']} compared mismatched)",
        *(f"  look at {each['request_id']} {each['where']}" for each in rollback["exemplars"]),
    ]
    return "\n".join(folded(plain(line), behind="    ") for line in lines)


def _history_table(route: str, changes: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not changes:
        return f"nobody has moved {route} yet"
    table = _table("when", "what", "who", "why")
    for change in changes:
        what = f"{flag_text(change['before'])} -> {flag_text(change['after'])}"
        what += " (forced)" if change["forced"] else ""
        table.add_row(moment(change["at"]), what, plain(change["by"]), plain(change["reason"]))
    return table


def moment(text: str) -> str:
    """A time as people read it: to the second, in UTC."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
