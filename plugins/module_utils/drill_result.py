# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill's bounds, and its result as one document (docs/drills.md has the keys). Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check
from ansible_collections.leafspine.calico.plugins.module_utils.masking import mask

Device = dict[str, Any]

VERSION = 1


def windows(steps: list[Device]) -> list[Device]:
    """The steps that have a bound: {step, at, until, bound}; a window ends where the next one begins."""
    bounded = [one for one in steps if one.get("bound") is not None]
    ends = [one["at"] for one in bounded[1:]] + [None]
    return [{"step": one["name"], "at": one["at"], "until": end, "bound": one["bound"]} for one, end in zip(bounded, ends, strict=True)]


def measured(window: Device, flows: list[Device], first: bool, last: bool) -> Device:
    """What flows lost in a window: {lost, duplicates, longest_gap_ms, flow}. A loss belongs to the window in which it began; what is
    lost at the very beginning or end of a flow to the ``first`` or ``last`` one."""
    lost, longest, where = 0, 0.0, None
    for flow in flows:
        for one in flow["outages"]:
            at = one["at"]
            inside = (first if one["until"] is not None else last) if at is None else (first or at >= window["at"]) and (last or at < window["until"])
            if inside:
                lost += one["lost"]
                if flow["protocol"] == "udp" and (one["gap_ms"] or 0) > longest:
                    longest, where = one["gap_ms"], f"{flow['protocol']} {flow['port']} {flow['direction']}"
    return {"lost": lost, "longest_gap_ms": longest, "flow": where}


def bounds(steps: list[Device], flows: list[Device]) -> list[Device]:
    """Every window with what was measured in it: {step, at, bound, found, holds}."""
    found = []
    every = windows(steps)
    for number, window in enumerate(every):
        seen = measured(window, flows, number == 0, number == len(every) - 1)
        limits = window["bound"]
        holds = bool(flows) and seen["lost"] >= limits.get("lost_least", 0) and seen["lost"] <= limits.get("lost", seen["lost"])
        holds = holds and limits.get("gap_least_ms", 0) <= seen["longest_gap_ms"] <= limits.get("gap_ms", seen["longest_gap_ms"])
        found.append({"step": window["step"], "at": window["at"], "bound": limits, "found": seen, "holds": holds})
    return found


def bound_checks(name: str, steps: list[Device], flows: list[Device]) -> list[Check]:
    """The bounds as checks, and one for the probes themselves: every flow was sent and nothing came twice."""
    checks = []
    for one in bounds(steps, flows):
        limits, seen, where = one["bound"], one["found"], f"drill {name}, {one['step']}"
        look = f"results/drill-{name}-*.json"
        if "lost" in limits or "lost_least" in limits:
            least, most = limits.get("lost_least", 0), limits.get("lost")
            text = str(most) if most == least else f"at most {most}" if most is not None else f"at least {least}"
            ok = bool(flows) and seen["lost"] >= least and (most is None or seen["lost"] <= most)
            checks.append(check("drill", where, "packets lost", text, seen["lost"], look, ok=ok))
        if "gap_ms" in limits:
            least = limits.get("gap_least_ms", 0)
            text = f"at most {limits['gap_ms']}" if not least else f"{least} to {limits['gap_ms']}"
            ok = bool(flows) and least <= seen["longest_gap_ms"] <= limits["gap_ms"]
            checks.append(check("drill", where, "longest gap in ms", text, f"{seen['longest_gap_ms']} ({seen['flow']})", look, ok=ok))
    silent = sorted(f"{flow['protocol']} {flow['port']} {flow['direction']}" for flow in flows if not flow["sent"])
    twice = sorted(f"{flow['protocol']} {flow['port']} {flow['direction']}: {flow['duplicates']}" for flow in flows if flow["duplicates"])
    checks.append(check("drill", f"drill {name}", "flows without a packet", [], silent if flows else ["all"], "the probes' results"))
    return [*checks, check("drill", f"drill {name}", "flows with duplicates", [], twice, "the probes' results")]


def iso(at: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return None if at is None else datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def document(fabric: Device, run: Mapping[str, Any], steps: list[Device], flows: list[Device], checks: Iterable[Check]) -> Device:
    """The result. ``run``: {engine, name, title, number, interval_ms, finished}; times in seconds since 1970, the document has ISO 8601."""
    expectations = expected(checks)
    started, finished = steps[0]["at"] if steps else run["finished"], run["finished"]
    return {
        "version": VERSION,
        "kind": "drill",
        "lab": fabric["lab_name"],
        "engine": run["engine"],
        "name": run["name"],
        "title": run["title"],
        "run": run["number"],
        "started": iso(started),
        "finished": iso(finished),
        "seconds": round(finished - started, 3),
        "interval_ms": run["interval_ms"],
        "steps": [{"name": one["name"], "at": iso(one["at"]), "do": one["do"]} for one in steps],
        "flows": [_flow(flow) for flow in flows],
        "bound": [{**one, "at": iso(one["at"])} for one in bounds(steps, flows)] if flows else [],
        "expectations": expectations,
        "holds": bool(expectations) and all(one["holds"] for one in expectations),
    }


def _flow(flow: Device) -> Device:
    outages = [{**one, "at": iso(one["at"]), "until": iso(one["until"])} for one in flow["outages"]]
    return {**flow, "gap_at": iso(flow["gap_at"]), "outages": outages}


def expected(checks: Iterable[Check]) -> list[Device]:
    """Checks as a drill's expectations: its own one by one, those of the model as one per step and subject, what is false one by one.
    Secrets are masked."""
    found: list[Device] = []
    groups: dict[tuple[str, str], list[Check]] = {}
    for one in checks:
        if one["subject"] == "drill" or not one["ok"]:
            texts = {key: mask(one[key]) for key in ("expected", "found", "look")}
            found.append({"what": mask(f"{one['where']}: {one['what']}"), **texts, "holds": one["ok"]})
        if one["subject"] != "drill":
            groups.setdefault((one["where"].rpartition(": ")[0], one["subject"]), []).append(one)
    for (step, subject), ours in groups.items():
        good = sum(one["ok"] for one in ours)
        what = f"{step}: {subject}" if step else subject
        found.append({"what": what, "expected": f"all {len(ours)} hold", "found": f"{good} hold", "look": "./lab verify", "holds": good == len(ours)})
    return found
