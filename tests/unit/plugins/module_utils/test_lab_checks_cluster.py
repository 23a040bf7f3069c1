"""What breaks in the cluster or in a node's kernel is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import checks, lab_checks
from observed_lab import Lab, all_checks, findings, healthy

Change = Callable[[Lab], object]


WORKER = "th-lab-worker"


def item(lab: Lab, kind: str, name: str) -> dict[str, Any]:
    return next(one for one in lab["cluster"]["objects"][kind] if one["metadata"]["name"] == name)


def on_node(lab: Lab, change: Callable[[list[dict[str, Any]]], object], what: str = "routes") -> None:
    answer = lab["cluster"]["answers"][f"worker {what}"]
    data = json.loads(answer["stdout"])
    change(data)
    answer["stdout"] = json.dumps(data)


def a_pod(lab: Lab, node: str = WORKER) -> dict[str, Any]:
    return next(one for one in lab["cluster"]["objects"]["pods"] if one["metadata"].get("labels", {}).get("app") == "app" and one["spec"]["nodeName"] == node)


CLUSTER: dict[str, tuple[Change, list[str]]] = {
    "a wrong label": (
        lambda lab: item(lab, "nodes", WORKER)["metadata"]["labels"].update(rack="rack1"),
        [f"{WORKER}: label rack: expected rack0, found rack1"],
    ),
    "a wrong internal address": (
        lambda lab: item(lab, "nodes", WORKER)["status"].update(addresses=[{"type": "InternalIP", "address": "172.21.0.3"}]),
        [f"{WORKER}: InternalIP: expected 10.133.5.11, found 172.21.0.3"],
    ),
    "a wrong BGP address": (
        lambda lab: item(lab, "nodes", WORKER)["metadata"]["annotations"].update({"projectcalico.org/IPv4Address": "172.21.0.3/16"}),
        [f"{WORKER}: BGP address: expected 10.133.5.11/24, found 172.21.0.3/16"],
    ),
    "a wrong AS number": (
        lambda lab: item(lab, "nodes", WORKER)["metadata"]["annotations"].update({"projectcalico.org/ASNumber": "64512"}),
        [f"{WORKER}: BGP AS number: expected 65005, found 64512"],
    ),
    "a node that is not ready": (
        lambda lab: item(lab, "nodes", WORKER)["status"].update(conditions=[]),
        [f"{WORKER}: condition Ready: expected True, found not True"],
    ),
    "mesh on": (
        lambda lab: item(lab, "bgpconfigurations", "default")["spec"].update(nodeToNodeMeshEnabled=True),
        ["Calico: node-to-node mesh: expected off, found on"],
    ),
    "a peer with another selector": (
        lambda lab: item(lab, "bgppeers", "rack0-to-leaf0")["spec"].update(nodeSelector="all()"),
        ["Calico: BGPPeer rack0-to-leaf0: expected 10.133.5.1 AS 65005 for rack == 'rack0', found 10.133.5.1 AS 65005 for all()"],
    ),
    "a peer that nobody intends": (
        lambda lab: lab["cluster"]["objects"]["bgppeers"].append({"metadata": {"name": "x"}, "spec": {"peerIP": "10.9.9.9", "asNumber": 1}}),
        ["Calico: BGPPeer x: expected no such peer, found 10.9.9.9 AS 1 for None"],
    ),
    "an overlay": (
        lambda lab: lab["cluster"]["objects"]["pools"][0]["spec"].update(ipipMode="Always"),
        ["Calico: overlay of IPPool default-ipv4-ippool: expected none, found ipipMode Always"],
    ),
    "natOutgoing off": (
        lambda lab: lab["cluster"]["objects"]["pools"][0]["spec"].update(natOutgoing=False),
        ["Calico: natOutgoing of IPPool default-ipv4-ippool: expected True, found False"],
    ),
    "a service range in a node's kernel": (
        lambda lab: on_node(lab, lambda data: data.append({"dst": "10.98.0.0/16", "type": "blackhole", "protocol": "bird"})),
        [
            f"{WORKER}: route 10.98.0.0/16: expected no such route, found blackhole (proto bird)",
            f"{WORKER}: routes to services: expected none, found 10.98.0.0/16",
        ],
    ),
    "an own block without blackhole": (
        lambda lab: on_node(lab, lambda data: data.remove(next(one for one in data if one["dst"] == "10.246.58.128/26"))),
        [f"{WORKER}: route 10.246.58.128/26: expected blackhole, found no route"],
    ),
    "a detour through the leaf": (
        lambda lab: on_node(lab, lambda data: next(one for one in data if one["dst"] == "10.246.162.192/26").update(gateway="10.133.5.1")),
        [f"{WORKER}: route 10.246.162.192/26: expected via 10.133.5.10, found via 10.133.5.1"],
    ),
    "a daemon's copy of a connected route": (
        lambda lab: on_node(lab, lambda data: next(one for one in data if one["dst"] == "10.133.5.0/24").update(protocol="bird")),
        [f"{WORKER}: route 10.133.5.0/24: expected dev net0, found dev net0 proto bird"],
    ),
    "a default route through the container engine": (
        lambda lab: on_node(lab, lambda data: next(one for one in data if one["dst"] == "default").update(gateway="172.21.0.1")),
        [f"{WORKER}: route default: expected via 10.133.5.1, found via 172.21.0.1"],
    ),
    "a pod without its route": (
        lambda lab: on_node(lab, lambda data: data.remove(next(one for one in data if one["dst"] == "10.246.58.128"))),
        [f"{WORKER}: route 10.246.58.128/32: expected dev cali*, found no route"],
    ),
    "a node's MTU": (
        lambda lab: on_node(lab, lambda data: next(one for one in data if one["ifname"] == "net0").update(mtu=1450), "interfaces"),
        [f"{WORKER}: net0 MTU: expected 1500, found 1450"],
    ),
    "an endpoint that the service lacks": (
        lambda lab: item(
            lab, "endpointslices", next(one["metadata"]["name"] for one in lab["cluster"]["objects"]["endpointslices"] if "app" in one["metadata"]["name"])
        )["endpoints"].pop(0),
        ["service: endpoints of service app: expected 10.246.144.128 10.246.162.192 10.246.232.128 10.246.58.128, found "],
    ),
}


@pytest.mark.parametrize(("change", "expected"), CLUSTER.values(), ids=CLUSTER)
def test_what_breaks_in_the_cluster_is_named_first(change: Change, expected: list[str]) -> None:
    """A few of these change the model too and are followed by what follows from them."""
    found = findings(change)
    assert [line[: len(text)] for line, text in zip(found, expected, strict=False)] == expected


def test_a_block_that_nobody_has_is_missing_everywhere() -> None:
    """A node that announces something new: every router must have it, and does not yet."""
    lab = healthy()
    block = dict(lab["cluster"]["objects"]["blocks"][0])
    block["spec"] = block["spec"] | {"cidr": "10.246.99.0/26", "affinity": f"host:{WORKER}"}
    lab["cluster"]["objects"]["blocks"].append(block)
    lines = [line for line in checks.lines(all_checks(lab)) if "route 10.246.99.0/26" in line and "no route" in line]
    assert {line.split(":")[0] for line in lines} >= {"leaf0", "leaf1", "spine0", "spine1", WORKER, "th-lab-worker2"}


def test_a_cluster_that_does_not_answer_is_one_finding() -> None:
    lab = healthy()
    look = lab_checks.cluster_look({"failed": True, "msg": "connection refused"}, lab["fabric"])
    assert [line.split(" (look")[0] for line in checks.lines(look["checks"])] == ["Kubernetes API: answer: expected readable, found 'connection refused'"]
