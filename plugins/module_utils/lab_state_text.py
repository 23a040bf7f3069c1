# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab's state (lab_state) as lines for a terminal. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

State = dict[str, Any]

MOST_CRASHES = 10  # the last ones are told


def text(state: State) -> str:
    """Troubles first, then every device, session, prefix, pod and service, in columns."""
    parts = [f"lab {state['lab']}: {summary(state)}"]
    if state["troubles"]:
        parts += ["", "troubles", *_columns([["", one["where"], one["what"]] for one in state["troubles"]])]
    parts += ["", "routers", *_columns([["", one["name"], f"AS {one['asn']}", one["address"], "up" if one["up"] else "DOWN"] for one in state["routers"]])]
    nodes = [
        ["", one["name"], one["rack"], f"AS {one['asn']}", one["address"], "ready" if one["ready"] else "NOT READY", one["node"]] for one in state["nodes"]
    ]
    parts += ["", "nodes", *_columns(nodes)]
    sessions = [
        ["", f"{one['router']} - {one['peer']}", one["type"], one["address"], one["state"], duration(one["uptime"]), prefixes(one)] for one in state["sessions"]
    ]
    parts += ["", "sessions", *_columns(sessions)]
    rows = [
        ["", one["prefix"], one["origin"], "; ".join(f"{router} > {' '.join(hops)}" for router, hops in one["routers"].items())] for one in state["prefixes"]
    ]
    parts += ["", "prefixes (router > next hops)", *_columns(rows)]
    pods = [["", one["name"], one["address"] or "-", "ready" if one["ready"] else "NOT READY", restarts(one)] for one in state["pods"]]
    parts += ["", "pods", *_columns(pods)]
    parts += ["", "services", *_columns([["", one["name"], one["type"], one["cluster_ip"] or "-"] for one in state["services"]])]
    parts += ["", "drift", *(_drift(state) or ["  none: every router is configured as intended" if state["drift"] else "  unknown"])]
    if state["crashes"]:
        parts += ["", "crashes", *_columns([["", one["time"], one["process"], one["reason"], _after(one)] for one in state["crashes"][-MOST_CRASHES:]])]
    return "\n".join(parts)


def _after(crash: State) -> str:
    return "given up" if crash.get("gave_up") else "started again"


def summary(state: State) -> str:
    """One line: how many of everything are well."""
    up = sum(one["up"] for one in state["routers"])
    sessions = sum(one["state"] == "Established" for one in state["sessions"])
    nodes = sum(one["ready"] for one in state["nodes"])
    pods = sum(one["ready"] for one in state["pods"])
    return (
        f"{up} of {len(state['routers'])} routers, {sessions} of {len(state['sessions'])} sessions, "
        f"{nodes} of {len(state['nodes'])} nodes, {pods} of {len(state['pods'])} pods ready"
    )


def _drift(state: State) -> list[str]:
    return [f"  {router}: {line}" for router, lines in state["drift"].items() for line in lines]


def prefixes(session: State) -> str:
    return "" if session["received"] is None else f"{session['received']} prefixes in, {session['sent']} out"


def restarts(pod: State) -> str:
    said = [f"{pod['restarts']} restarts"] if pod["restarts"] else []
    return ": ".join([*said, *([pod["reason"]] if pod["reason"] else [])])


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 42 s, 3 min, 5 h 10 min, 2 d 3 h; empty for None."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def _columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows in columns two blanks apart; the last column is as long as it is."""
    table = [[str(cell) for cell in row] for row in rows]
    if not table:
        return ["  none"]
    widths = [max(len(row[number]) for row in table) for number in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
