"""Reports to look at: the recorded healthy lab with a drill that holds, and one with single things broken and a drill that does not."""

from __future__ import annotations

from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import lab_report, lab_result, lab_state
from observed_lab import all_checks, healthy, observed

Document = dict[str, Any]


def at(seconds: float) -> str:
    return f"2026-11-25T10:00:{seconds:09.6f}Z"


def flow(number: int, direction: str, lost: int) -> Document:
    """A flow with a packet each 5 ms, which lost some when the link went down."""
    gap = round(lost * 5.2, 1)
    outages = [{"at": at(8.04), "until": at(8.04 + gap / 1000), "lost": lost, "gap_ms": gap}] if lost else []
    return {
        "direction": direction,
        "from": "pod app-zrcf9 (control-plane)",
        "to": "pod app-ksn7b (worker2)",
        "protocol": "udp",
        "port": 42000 + number,
        "sent": 6200,
        "lost": lost,
        "duplicates": 0,
        "longest_gap_ms": gap,
        "gap_at": at(8.04) if lost else None,
        "outages": outages,
    }


def drill(worst: int) -> Document:
    """A run of the drill uplink; ``worst``: packets that one flow lost. Its bound is a gap of 50 ms."""
    flows = [
        flow(number, direction, {1: worst, 4: 3}.get(number, 0) if direction == "requests" else 0)
        for number in range(8)
        for direction in ("requests", "replies")
    ]
    longest = max(one["longest_gap_ms"] for one in flows)
    holds = longest <= 50
    steps = [
        (2.0, "flows run", "mark"),
        (8.0, "leaf0 eth1 down", "configure"),
        (20.0, "leaf0 eth1 up again", "configure"),
        (31.0, "everything is as it was", "before"),
    ]
    return {
        "version": 1,
        "kind": "drill",
        "lab": "th-lab",
        "engine": "embedded",
        "name": "uplink",
        "title": "A leaf's first uplink goes down and comes back",
        "run": 1,
        "started": at(0),
        "finished": at(33.5),
        "seconds": 33.5,
        "interval_ms": 5,
        "steps": [{"name": name, "at": at(when), "do": do} for when, name, do in steps],
        "flows": flows,
        "bound": [
            {"step": "leaf0 eth1 down", "at": at(8), "bound": {"gap_ms": 50}, "found": {"lost": worst + 3, "longest_gap_ms": longest}, "holds": holds},
            {"step": "leaf0 eth1 up again", "at": at(20), "bound": {"lost": 0}, "found": {"lost": 0, "longest_gap_ms": 0.0}, "holds": True},
        ],
        "expectations": [
            {"what": "drill uplink, leaf0 eth1 down: longest gap in ms", "expected": "at most 50", "found": f"{longest}", "look": "x", "holds": holds},
            {"what": "drill uplink, leaf0 eth1 down: session", "expected": "all 24 hold", "found": "24 hold", "look": "./lab verify", "holds": True},
        ],
        "holds": holds,
    }


def broken(lab: Document) -> None:
    """leaf0 eth1 is down, its session too, and leaf0's configuration differs in two lines, one of which looks like HTML."""
    table = lab["tables"]["leaf0"]
    next(one for one in table["interfaces"] if one["ifname"] == "eth1")["flags"] = ["UP"]
    table["sessions"]["ipv4Unicast"]["peers"]["10.133.10.2"]["state"] = "Active"
    lab["tables"]["spine0"]["sessions"]["ipv4Unicast"]["peers"]["10.133.10.1"]["state"] = "Connect"
    lab["drift"] = {"leaf0": ["delete nat source rule 7 description '<b>x</b>'", "set protocols bgp neighbor 10.133.10.2 remote-as 500"]}


def document(sick: bool = False, running: bool = True, kept: bool = True) -> Document:
    """A report; ``sick``: of the broken lab, ``running``: whether a lab was looked at, ``kept``: whether results were there."""
    lab = healthy()
    if sick:
        broken(lab)
    fabric, outputs = lab["fabric"], {name: seen["stdout"] for name, seen in observed(lab)["routers"].items()}
    objects = lab["cluster"]["objects"]
    state = lab_state.state(fabric, outputs, objects, {**{name: [] for name in outputs}, **lab["drift"]}) if running else None
    run = {"engine": "embedded", "started": at(0), "finished": at(11.8), "routers": list(outputs)}
    results = [lab_result.verify_result(all_checks(lab), fabric, run), drill(31 if sick else 2)] if kept else []
    versions = lab_report.versions(objects, ["Version:          VyOS 1.4-embedded\n", "FRRouting 8.4.4 (vm) on Linux"], {"ansible-core": "2.19.5"})
    return lab_report.report(fabric, {"engine": "embedded", "made": at(50), "versions": versions}, state, results)
