"""Known troubles: none on healthy facts, and each alone is named with what mends it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import doctor, lab_state
from observed_lab import healthy, observed

Facts = dict[str, Any]

MACHINE: Facts = {
    "system": {"id": "debian", "version": "12"},
    "root": True,
    "free_mb": 20000,
    "memory_mb": 4000,
    "namespaces": "",
    "missing": [],
    "bgp_listeners": [],
    "bridge_nf": True,
    "forward_drop": True,
    "bridge_accepts": ["th-leaf0", "th-leaf1"],
    "bridges": ["th-leaf0", "th-leaf1", "docker0"],
    "management_route": "th-lab",
    "limits": {"fs.inotify.max_user_instances": 512, "fs.inotify.max_user_watches": None},
    "proxy": [],
    "no_proxy": "localhost",
}


def lab_facts(change: Callable[[Facts], object] | None = None) -> tuple[Facts, Facts]:
    """The recorded lab's fabric and facts; ``change`` gets the recorded lab first."""
    recorded = healthy()
    if change:
        change(recorded)
    outputs = {name: seen["stdout"] for name, seen in observed(recorded)["routers"].items()}
    fabric, objects = recorded["fabric"], recorded["cluster"]["objects"]
    facts = {
        "state": lab_state.state(fabric, outputs, objects, {name: [] for name in outputs}),
        "outputs": outputs,
        "objects": objects,
        "namespaces": ["clab-th-lab-leaf0"],
        "rp_filter": {"leaf0": {"all": 0, "eth1": 2, "eth2": 0}},
        "tcp": {"ping": True, "tcp": True, "full": True},
    }
    return fabric, facts


def troubles(
    machine: Facts | None = None, lab: Callable[[Facts], object] | None = None, recorded: Callable[[Facts], object] | None = None
) -> dict[str, list[str]]:
    """Diagnosis -> "where: found"."""
    fabric, facts = lab_facts(recorded)
    facts = copy.deepcopy(facts)
    if lab:
        lab(facts)
    examined = doctor.examine(fabric, MACHINE | (machine or {}), facts)
    assert all(found["mend"] for one in examined for found in one["findings"])
    return {one["name"]: [f"{found['where']}: {found['found']}" for found in one["findings"]] for one in examined if one["findings"]}


def test_healthy_facts_have_no_trouble() -> None:
    assert troubles() == {}


@pytest.mark.parametrize(
    ("facts", "name", "words"),
    [
        ({"system": {"id": "debian", "version": "11"}}, "system", "machine: debian 11"),
        ({"system": {"id": "ubuntu", "version": "22.04"}}, "system", "machine: ubuntu 22.04"),
        ({"system": {"id": "arch", "version": ""}}, "system", "machine: arch"),
        ({"root": False}, "rights", "not root"),
        ({"memory_mb": 300}, "room", "300 MB of memory"),
        ({"free_mb": 10}, "room", "10 MB free"),
        ({"namespaces": "unshare failed: Operation not permitted"}, "namespaces", "Operation not permitted"),
        ({"missing": ["bird"]}, "programs", "missing: bird"),
        ({"bgp_listeners": ['LISTEN 0.0.0.0:179 users:(("bgpd"))']}, "bgp_on_the_host", "bgpd"),
        ({"bridge_accepts": ["th-leaf0"]}, "docker_forward", "th-leaf1: FORWARD drops"),
        ({"management_route": "docker0"}, "management", "is reached by docker0"),
        ({"limits": {"fs.inotify.max_user_instances": 64}}, "limits", "max_user_instances is 64"),
        ({"proxy": ["HTTPS_PROXY"]}, "proxy", "NO_PROXY has no exception for 10.133.5.10"),
    ],
)
def test_a_trouble_of_the_machine_is_named_alone(facts: Facts, name: str, words: str) -> None:
    found = troubles(machine=facts)
    assert list(found) == [name]
    assert words in found[name][0]


@pytest.mark.parametrize(
    "facts",
    [
        {"proxy": ["HTTPS_PROXY"], "no_proxy": "localhost, 10.0.0.0/8"},
        {"bridge_nf": False, "bridge_accepts": []},
        {"forward_drop": False, "bridge_accepts": []},
    ],
)
def test_what_only_looks_like_a_trouble_is_none(facts: Facts) -> None:
    assert troubles(machine=facts) == {}


def lost_next_hop(lab: Facts) -> None:
    """The kernel of leaf0 has one of two next hops, BGP still both: what FRR 8.4 does after a flap."""
    route = next(entry for entry in lab["tables"]["leaf0"]["routes"] if entry["dst"] == "10.133.8.0/24")
    route["nexthops"] = route["nexthops"][:1]


def wrong_label(lab: Facts) -> None:
    lab["cluster"]["objects"]["nodes"][0]["metadata"]["labels"]["rack"] = "rack9"


def small_mtu(lab: Facts) -> None:
    next(one for one in lab["tables"]["leaf0"]["interfaces"] if one["ifname"] == "eth1")["mtu"] = 1400


def leak(lab: Facts) -> None:
    lab["tables"]["leaf0"]["routes"].append({"dst": "10.133.8.0/25", "gateway": "172.29.48.1", "dev": "eth0"})


def no_bfd(lab: Facts) -> None:
    for one in lab["fabric"]["routers"][0]["neighbors"]:
        one.update(bfd=False, timers=None)


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (lost_next_hop, "kernel_routes", "leaf0: BGP spreads 10.133.8.0/24 over 2 next hops, the kernel has 1"),
        (wrong_label, "cluster", "rack9 instead of rack0"),
        (small_mtu, "mtu", "leaf0 eth1: MTU 1400, at spine0 eth1 1500"),
        (leak, "management_leak", "leaf0: 10.133.8.0/25 leads over eth0"),
        (no_bfd, "slow_detection", "spine0: session with leaf0: no BFD, hold time 180 s"),
        (lambda lab: next(iter(lab["tables"]["leaf0"]["sessions"]["ipv4Unicast"]["peers"].values())).update(state="Idle"), "sessions", "leaf0: session with"),
    ],
)
def test_a_trouble_of_the_lab_is_named_alone(change: Callable[[Facts], object], name: str, words: str) -> None:
    found = troubles(recorded=change)
    assert list(found) == [name]
    assert words in found[name][0]


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (lambda facts: facts["rp_filter"]["leaf0"].update(eth1=1), "reverse_path", "leaf0: rp_filter is strict on eth1"),
        (lambda facts: facts["rp_filter"]["leaf0"].update(all=1), "reverse_path", "leaf0: rp_filter is strict on eth2"),
        (lambda facts: facts["tcp"].update(tcp=False), "checksums", "ping passes, TCP does not"),
        (lambda facts: facts["tcp"].update(full=False), "mtu", "small packets pass"),
        (lambda facts: facts.update(objects=None), "cluster", "Kubernetes API: it does not answer"),
        (lambda facts: facts["state"]["routers"][0].update(up=False), "half_gone", "spine0: does not answer while others do"),
        (lambda facts: [one.update(up=False) for one in facts["state"]["routers"]], "half_gone", "namespaces are left: clab-th-lab-leaf0"),
        (lambda facts: facts["state"]["drift"].update(leaf0=["set a b"]), "drift", "leaf0: 1 lines differ"),
        (lambda facts: facts["state"]["crashes"].append({"process": "leaf0-bgpd", "reason": "killed", "gave_up": True}), "crashes", "leaf0-bgpd: killed"),
        (lambda facts: facts["state"]["pods"][0].update(ready=False, reason="CrashLoopBackOff"), "crashes", "CrashLoopBackOff"),
    ],
)
def test_a_fact_of_the_lab_that_is_a_trouble_is_named_alone(change: Callable[[Facts], object], name: str, words: str) -> None:
    found = troubles(lab=change)
    assert list(found) == [name]
    assert words in found[name][0]


def test_people_read_troubles_first_and_what_was_not_examined() -> None:
    fabric, facts = lab_facts()
    text = doctor.text(doctor.examine(fabric, MACHINE | {"missing": ["bird"]}, None), running=False)
    assert text.startswith("TROUBLE  machine: missing: bird\n    mend ./lab up installs them")
    assert "ok       Root, or sudo" in text
    assert text.endswith("no lab runs: only the machine was examined")
    assert "TROUBLE" not in doctor.text(doctor.examine(fabric, MACHINE, facts), running=True)


def test_every_diagnosis_has_a_title() -> None:
    assert all(one.__doc__ for one in (*doctor.MACHINE, *doctor.LAB))
    json.dumps(doctor.examine(*lab_facts()[:1], MACHINE, None))
