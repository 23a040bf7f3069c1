"""Which service routes a node announces."""

from __future__ import annotations

from typing import Any

import pytest
from leafspine_embedded.calico.model import EXCLUDE_LABEL, BgpConfiguration, Node, bgp_configuration_of
from leafspine_embedded.calico.services import service_routes

CONFIG = bgp_configuration_of(
    {
        "spec": {
            "serviceClusterIPs": [{"cidr": "10.96.0.0/16"}],
            "serviceExternalIPs": [{"cidr": "192.0.2.0/24"}],
            "serviceLoadBalancerIPs": [{"cidr": "198.51.100.0/24"}],
        }
    }
)
RANGES = ["10.96.0.0/16", "192.0.2.0/24", "198.51.100.0/24"]


def service(policy: str | None = "Local", ip: str = "10.96.1.1", **extra: Any) -> dict[str, Any]:
    spec = {"clusterIP": ip, "clusterIPs": [ip], **({"externalTrafficPolicy": policy} if policy else {}), **extra}
    return {"metadata": {"name": "app", "namespace": "default"}, "spec": spec, "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}}


def endpoints(node: str = "w0", ready: bool | None = True, name: str = "app") -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready}
    return {
        "metadata": {"name": "app-x", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"addresses": ["10.244.0.1"], "nodeName": node, "conditions": conditions}],
    }


def routes(node: Node, services: list[Any], slices: list[Any], config: BgpConfiguration = CONFIG) -> list[str]:
    return [str(network) for network in service_routes(node, config, services, slices)]


W0, W1 = Node("w0"), Node("w1")


def test_without_ranges_nothing_is_announced() -> None:
    assert routes(W0, [service()], [endpoints()], BgpConfiguration()) == []


def test_policy_cluster_adds_nothing_to_the_ranges() -> None:
    assert routes(W0, [service("Cluster")], [endpoints()]) == RANGES
    assert routes(W0, [service(None)], [endpoints()]) == RANGES


def test_policy_local_adds_the_addresses_on_nodes_with_an_endpoint_only() -> None:
    wanted = service(externalIPs=["192.0.2.9", "203.0.113.1"])
    assert routes(W0, [wanted], [endpoints()]) == [*RANGES, "10.96.1.1/32", "192.0.2.9/32", "198.51.100.7/32"]
    assert routes(W1, [wanted], [endpoints()]) == RANGES


@pytest.mark.parametrize(("ready", "announced"), [(True, True), (None, True), (False, False)])
def test_only_ready_endpoints_count(ready: bool | None, announced: bool) -> None:
    assert ("10.96.1.1/32" in routes(W0, [service()], [endpoints(ready=ready)])) is announced


def test_another_service_s_endpoints_do_not_count() -> None:
    assert routes(W0, [service()], [endpoints(name="other")]) == RANGES


def test_an_address_outside_its_range_and_a_headless_service_are_not_announced() -> None:
    assert "10.97.0.1/32" not in routes(W0, [service(ip="10.97.0.1")], [endpoints()])
    assert routes(W0, [service(ip="None", type="ClusterIP")], [endpoints()]) == [*RANGES, "198.51.100.7/32"]


@pytest.mark.parametrize(("value", "excluded"), [("true", True), ("", False), ("True", False), ("false", False)])
def test_only_the_exact_label_value_excludes_a_node(value: str, excluded: bool) -> None:
    found = routes(Node("w0", {EXCLUDE_LABEL: value}), [service()], [endpoints()])
    assert (found == []) is excluded


def test_without_aggregation_load_balancers_are_announced_one_by_one() -> None:
    config = bgp_configuration_of({"spec": {"serviceLoadBalancerIPs": [{"cidr": "198.51.100.0/24"}], "serviceLoadBalancerAggregation": "Disabled"}})
    assert routes(W1, [service("Cluster")], [endpoints()], config) == ["198.51.100.7/32"]
    assert routes(W1, [service("Cluster")], [], config) == []
