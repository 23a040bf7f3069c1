"""Who announces what, from lists of the API: Calico's rules for blocks, ranges, policy Local and excluded nodes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import cluster_view
from observed_lab import Lab, healthy

RANGE = "10.98.0.0/16"


def objects(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = lab["cluster"]["objects"]
    return found


def view(lab: Lab, service: str | None = None) -> dict[str, Any]:
    return cluster_view.view(lab["fabric"], objects(lab), "default", "app", service)


def announce(lab: Lab, key: str = "serviceClusterIPs", cidr: str = RANGE) -> None:
    objects(lab)["bgpconfigurations"][0]["spec"][key] = [{"cidr": cidr}]


def local_service(lab: Lab, nodes: list[str], ready: bool | None = True, **spec: Any) -> None:
    objects(lab)["services"].append(
        {
            "metadata": {"name": "near", "namespace": "default"},
            "spec": {"clusterIP": "10.98.7.7", "externalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 31000}], **spec},
        }
    )
    conditions = {} if ready is None else {"ready": ready}
    objects(lab)["endpointslices"].append(
        {
            "metadata": {"name": "near-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "near"}},
            "endpoints": [{"addresses": [f"10.246.0.{number}"], "nodeName": node, "conditions": conditions} for number, node in enumerate(nodes)],
        }
    )


def test_nodes_announce_their_blocks_only() -> None:
    lab = healthy()
    assert view(lab)["announced"] == view(lab)["blocks"]
    assert all(len(blocks) == 1 for blocks in view(lab)["blocks"].values())
    assert view(lab)["cluster_ips"] is None


@pytest.mark.parametrize("key", ["serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"])
def test_every_node_announces_a_range(key: str) -> None:
    lab = healthy()
    announce(lab, key)
    assert all(RANGE in prefixes for prefixes in view(lab)["announced"].values())
    assert view(lab)["service_ranges"] == [RANGE]


@pytest.mark.parametrize(("value", "excluded"), [("true", True), ("false", False), ("", False)])
def test_only_the_label_value_true_excludes_a_node(value: str, excluded: bool) -> None:
    lab = healthy()
    announce(lab)
    objects(lab)["nodes"][0]["metadata"]["labels"][cluster_view.EXCLUDED] = value
    found = view(lab)["announced"]
    assert (RANGE not in found["control-plane"]) == excluded
    assert RANGE in found["worker"]
    assert view(lab)["blocks"]["control-plane"][0] in found["control-plane"]


@pytest.mark.parametrize("ready", [True, None])
def test_policy_local_is_announced_where_an_endpoint_is_ready(ready: bool | None) -> None:
    lab = healthy()
    announce(lab)
    local_service(lab, ["th-lab-worker3"], ready)
    assert [server for server, prefixes in view(lab)["announced"].items() if "10.98.7.7/32" in prefixes] == ["worker3"]


def test_policy_local_is_not_announced_without_a_ready_endpoint_or_outside_the_ranges() -> None:
    lab = healthy()
    local_service(lab, ["th-lab-worker3"])
    assert "10.98.7.7/32" not in view(lab)["announced"]["worker3"]
    lab = healthy()
    announce(lab)
    local_service(lab, ["th-lab-worker3"], ready=False)
    assert "10.98.7.7/32" not in view(lab)["announced"]["worker3"]
    lab = healthy()
    announce(lab, cidr="10.99.0.0/16")
    local_service(lab, ["th-lab-worker3"])
    assert "10.98.7.7/32" not in view(lab)["announced"]["worker3"]


def test_the_service_that_is_asked_can_be_chosen() -> None:
    lab = healthy()
    local_service(lab, ["th-lab-worker3"])
    found = view(lab, "near")["service"]
    assert (found["policy"], found["node_port"], found["endpoint_nodes"]) == ("Local", 31000, ["th-lab-worker3"])
    assert view(lab)["service"]["policy"] == "Cluster"
    assert view(lab, "none")["service"] is None


def test_what_nobody_has_is_really_nobody_s() -> None:
    lab = healthy()
    found = view(lab)
    taken = {address for addresses in found["pods"].values() for address in addresses}
    assert taken
    assert not set(found["unused"]["pods"].values()) & taken
    assert found["unused"]["node_port"] == 32767
    objects(lab)["services"][0]["spec"]["ports"][0]["nodePort"] = 32767
    assert view(lab)["unused"]["node_port"] == 32766


def test_a_pod_that_ends_or_shares_its_node_s_network_does_not_count() -> None:
    lab = healthy()
    pod = next(one for one in objects(lab)["pods"] if one["metadata"].get("labels", {}).get("app") == "app")
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert len(view(lab)["app"]) == 3
    assert not {address for addresses in view(lab)["pods"].values() for address in addresses} & {server["address"] for server in lab["fabric"]["servers"]}
