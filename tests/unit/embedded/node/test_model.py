"""Services and slices, reduced to service ports."""

from __future__ import annotations

from typing import Any

import pytest
from leafspine_embedded.node.proxy import conntrack
from leafspine_embedded.node.proxy.controller import remembered
from leafspine_embedded.node.proxy.model import Endpoint, service_ports


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 80, "nodePort": 32000, "protocol": "TCP"}]
    values = {"type": "NodePort", "clusterIP": "10.131.64.5", "ports": ports, "selector": {"app": "app"}, **spec}
    return {"metadata": {"name": "app", "namespace": "default"}, "spec": values}


def slice_of(*endpoints: dict[str, Any], ports: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "app-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "app"}},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": ports if ports is not None else [{"name": "http", "port": 8080, "protocol": "TCP"}],
        **more,
    }


def entry(address: str, node: str = "n1", **conditions: bool | None) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True, "serving": True, "terminating": False, **conditions}}


def test_a_port_gets_the_endpoints_of_all_its_slices() -> None:
    (port,) = service_ports([service()], [slice_of(entry("10.131.128.2")), slice_of(entry("10.131.128.1", "n2"))])
    assert port.endpoints == (Endpoint("10.131.128.1", 8080, "n2"), Endpoint("10.131.128.2", 8080, "n1"))
    assert (port.title, port.node_port, port.external_local, port.local_endpoints("n2")) == ("default/app:http", 32000, False, (port.endpoints[0],))


@pytest.mark.parametrize(
    "other",
    [
        slice_of(entry("10.131.128.9"), ports=[{"name": "other", "port": 1, "protocol": "TCP"}]),
        slice_of(entry("10.131.128.9"), ports=[{"name": "http", "port": 1, "protocol": "UDP"}]),
        slice_of(entry("fd00::9"), addressType="IPv6"),
        {**slice_of(entry("10.131.128.9")), "metadata": {"name": "x", "namespace": "other", "labels": {"kubernetes.io/service-name": "app"}}},
        slice_of(entry("10.131.128.9", ready=False, serving=False)),
    ],
    ids=["other port", "other protocol", "other family", "other namespace", "not ready"],
)
def test_what_does_not_belong_is_left_out(other: dict[str, Any]) -> None:
    (port,) = service_ports([service()], [slice_of(entry("10.131.128.1")), other])
    assert [endpoint.address for endpoint in port.endpoints] == ["10.131.128.1"]


def test_terminating_endpoints_serve_only_when_nobody_else_does() -> None:
    ending = entry("10.131.128.3", ready=False, terminating=True)
    assert [e.address for e in service_ports([service()], [slice_of(ending)])[0].endpoints] == ["10.131.128.3"]
    assert [e.address for e in service_ports([service()], [slice_of(ending, entry("10.131.128.1"))])[0].endpoints] == ["10.131.128.1"]


def test_unset_ready_means_ready() -> None:
    assert len(service_ports([service()], [slice_of({"addresses": ["10.131.128.1"], "conditions": {}})])[0].endpoints) == 1


def test_headless_and_external_names_have_no_rules() -> None:
    assert service_ports([service(clusterIP="None"), service(type="ExternalName", clusterIP="")], []) == []


def test_policies_and_affinity() -> None:
    (port,) = service_ports([service(externalTrafficPolicy="Local", internalTrafficPolicy="Local", sessionAffinity="ClientIP")], [])
    assert (port.external_local, port.internal_local, port.affinity) == (True, True, 10800)
    (inner,) = service_ports([service(type="ClusterIP", externalTrafficPolicy="Local")], [])
    assert (inner.external_local, inner.node_port) == (False, 0)


def test_only_udp_that_lost_its_endpoint_is_forgotten() -> None:
    udp = [{"name": "dns", "port": 53, "protocol": "UDP"}]

    def ports(*addresses: str, protocol: str = "UDP") -> Any:
        spec = service(type="ClusterIP", ports=[{**udp[0], "protocol": protocol}])
        return service_ports([spec], [slice_of(*map(entry, addresses), ports=[{**udp[0], "protocol": protocol}])])

    assert conntrack.stale(ports("10.131.128.1", "10.131.128.2"), ports("10.131.128.2")) == [("10.131.64.5", 53, "10.131.128.1")]
    assert conntrack.stale(ports(), ports("10.131.128.2")) == [("10.131.64.5", 53, "")]
    assert conntrack.stale(ports("10.131.128.2"), ports("10.131.128.2")) == []
    assert conntrack.stale(ports("10.131.128.1", protocol="TCP"), []) == []


def test_affinity_sets_are_read_back() -> None:
    listing = (
        '{"nftables": [{"set": {"name": "affinity-endpoint-A", "elem": [{"elem": {"val": "10.131.9.2", "timeout": 100, "expires": 42}}]}},'
        ' {"set": {"name": "pods", "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}]}}, {"chain": {"name": "x"}}]}'
    )
    assert remembered(listing) == {"affinity-endpoint-A": {"10.131.9.2": 42}}
