"""What the first calico-node creates, which address it picks, and the manifest that starts it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
import yaml
from leafspine_embedded.calico import autodetect, datastore, manifest, nat, startup
from leafspine_embedded.calico.autodetect import AutodetectError, Interface
from leafspine_embedded.calico.model import BgpConfiguration, bgp_configuration_of, node_of, parse_asn, pools_of, seconds
from leafspine_embedded.images import catalogue
from leafspine_embedded.kube.resources import NODES
from leafspine_embedded.kube.store import Store

ETH0 = Interface("eth0", (IPv4Interface("172.18.0.2/16"),))
NET0 = Interface("net0", (IPv4Interface("10.1.5.11/24"),))
LINKS = [Interface("docker0", (IPv4Interface("172.17.0.1/16"),)), ETH0, NET0]
IP = IPv4Address("10.1.5.11")


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifest.text()))


def environment() -> dict[str, str]:
    (daemonset,) = [d for d in documents() if d["kind"] == "DaemonSet"]
    return {e["name"]: e.get("value", "") for e in daemonset["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_the_manifest_s_image_is_in_the_catalogue_and_its_variables_start_it(store: Store) -> None:
    (daemonset,) = [d for d in documents() if d["kind"] == "DaemonSet"]
    assert catalogue.find(daemonset["spec"]["template"]["spec"]["containers"][0]["image"]).agent == "calico-node"
    assert startup.ensure(store, environment(), "10.244.0.0/16")


def test_the_first_start_creates_the_defaults_once_and_changes_nothing_later(store: Store) -> None:
    made = startup.ensure(store, environment(), "10.244.0.0/16")
    assert made == ["clusterinformations/default", "felixconfigurations/default", "ipamconfigs/default", "ippools/default-ipv4-ippool"]
    pool = datastore.find(store, "ippools", "default-ipv4-ippool")
    assert pool is not None
    assert pool["spec"] == {
        "allowedUses": ["Workload", "Tunnel"], "assignmentMode": "Automatic", "blockSize": 26, "cidr": "10.244.0.0/16", "ipipMode": "Never",
        "natOutgoing": True, "nodeSelector": "all()", "vxlanMode": "Never",
    }  # fmt: skip
    assert datastore.find(store, "bgpconfigurations", "default") is None
    version = store.version
    assert startup.ensure(store, {**environment(), "CALICO_IPV4POOL_CIDR": "10.9.0.0/16"}, "10.244.0.0/16") == []
    assert store.version == version


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"CALICO_IPV4POOL_IPIP": "Always"}, "tunnels are not supported"),
        ({"CALICO_IPV4POOL_VXLAN": "CrossSubnet"}, "tunnels are not supported"),
        ({"CALICO_IPV4POOL_IPIP": "Sometimes"}, "Unrecognized CALICO_IPV4POOL_IPIP"),
        ({"CALICO_IPV4POOL_CIDR": "10.1.2.3/16"}, "host bits"),
        ({"CALICO_IPV4POOL_BLOCK_SIZE": "33"}, "Invalid blocksize"),
        ({"CALICO_NETWORKING_BACKEND": "vxlan"}, "only bird"),
        ({"CALICO_IPV4POOL_NAT_OUTGOING": "perhaps"}, "true or false"),
    ],
)
def test_a_wrong_environment_is_refused_before_anything_is_made(store: Store, env: dict[str, str], message: str) -> None:
    version = store.version
    with pytest.raises(startup.StartupError, match=message):
        startup.ensure(store, {**environment(), **env}, "10.244.0.0/16")
    assert store.version == version


def test_without_the_definitions_it_says_what_to_do(empty_store: Store) -> None:
    with pytest.raises(datastore.NotInstalled, match="apply Calico's manifest"):
        startup.ensure(empty_store, environment(), "10.244.0.0/16")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("", "172.18.0.2/16"),
        ("first-found", "172.18.0.2/16"),
        ("kubernetes-internal-ip", "10.1.5.11/24"),
        ("interface=net.*", "10.1.5.11/24"),
        ("interface=bond0,eth0", "172.18.0.2/16"),
        ("skip-interface=eth.*", "10.1.5.11/24"),
        ("cidr=10.1.0.0/16,192.0.2.0/24", "10.1.5.11/24"),
    ],
)
def test_autodetection(method: str, expected: str) -> None:
    assert str(autodetect.detect(method, LINKS, IP)) == expected


@pytest.mark.parametrize(
    "method", ["interface=bond0", "interface=", "interface=(", "cidr=192.0.2.0/24", "cidr=x", "skip-interface=eth.*,net.*", "can-reach=8.8.8.8", "magic"]
)
def test_autodetection_that_finds_nothing_or_makes_no_sense_is_an_error(method: str) -> None:
    with pytest.raises(AutodetectError):
        autodetect.detect(method, LINKS, IP)


def test_the_internal_ip_without_its_interface_is_a_host_address() -> None:
    assert str(autodetect.detect("kubernetes-internal-ip", [ETH0], IP)) == "10.1.5.11/32"
    with pytest.raises(AutodetectError):
        autodetect.detect("kubernetes-internal-ip", [ETH0], None)


def test_ip_decides_whether_a_stored_address_stays() -> None:
    stored = IPv4Interface("10.9.9.9/24")
    assert autodetect.wanted({"IP": "autodetect"}, stored, LINKS, IP) == ETH0.addresses[0]
    assert autodetect.wanted({}, stored, LINKS, IP) == stored
    assert autodetect.wanted({}, None, LINKS, IP) == ETH0.addresses[0]
    assert str(autodetect.wanted({"IP": "10.1.5.11/24"}, stored, LINKS, IP)) == "10.1.5.11/24"
    for wrong in ("none", "x"):
        with pytest.raises(AutodetectError):
            autodetect.wanted({"IP": wrong}, None, LINKS, IP)


def test_links_that_are_down_or_local_do_not_count() -> None:
    text = (
        '[{"ifname":"lo","flags":["UP"],"addr_info":[{"local":"127.0.0.1","prefixlen":8,"scope":"host"}]},'
        '{"ifname":"a","flags":[],"addr_info":[{"local":"10.0.0.1","prefixlen":24,"scope":"global"}]},'
        '{"ifname":"b","flags":["UP"],"addr_info":[{"local":"10.0.1.1","prefixlen":24,"scope":"global"}]},{}]'
    )
    assert autodetect.parse(text) == [Interface("b", (IPv4Interface("10.0.1.1/24"),))]


def test_the_node_s_annotations_are_written_and_read_back(store: Store) -> None:
    assert startup.describe_node(store, "n1", NET0.addresses[0], "65005", autodetect.annotation(LINKS))
    assert not startup.describe_node(store, "n1", NET0.addresses[0], "65005", autodetect.annotation(LINKS))
    obj = store.get(NODES, None, "n1")
    assert obj["metadata"]["annotations"]["projectcalico.org/Interfaces"] == (
        '[{"name":"eth0","addresses":["172.18.0.2"]},{"name":"net0","addresses":["10.1.5.11"]}]'
    )
    node = node_of(obj)
    assert (str(node.address), node.asn, node.labels["rack"]) == ("10.1.5.11/24", 65005, "rack1")


def test_annotations_that_do_not_parse_count_as_absent() -> None:
    node = node_of({"metadata": {"name": "n", "annotations": {"projectcalico.org/IPv4Address": "x", "projectcalico.org/ASNumber": "y"}}})
    assert (node.address, node.asn) == (None, None)


@pytest.mark.parametrize(("value", "number"), [(65005, 65005), ("65005", 65005), ("1.10", 65546), (4294967295, 4294967295)])
def test_as_numbers(value: object, number: int) -> None:
    assert parse_asn(value) == number


@pytest.mark.parametrize("value", ["abc", "1.2.3", "70000.1", -1, 2**32, True, 1.5, None, ""])
def test_what_is_no_as_number(value: object) -> None:
    with pytest.raises(ValueError):
        parse_asn(value)


@pytest.mark.parametrize(("text", "value"), [("150s", 150), ("1m30s", 90), ("2h", 7200), ("500ms", 0), ("x", None), (None, None), ("", None)])
def test_durations(text: str | None, value: int | None) -> None:
    assert seconds(text) == value


def test_nat_masquerades_pools_that_ask_for_it_towards_everything_but_pools() -> None:
    pools = pools_of(
        [{"metadata": {"name": "a"}, "spec": {"cidr": "10.244.0.0/16", "natOutgoing": True}}, {"metadata": {"name": "b"}, "spec": {"cidr": "10.245.0.0/16"}}]
    )
    text = nat.render(pools, BgpConfiguration())
    assert "set masq-pools { type ipv4_addr; flags interval; elements = { 10.244.0.0/16 }; }" in text
    assert "set all-pools { type ipv4_addr; flags interval; elements = { 10.244.0.0/15 }; }" in text
    assert "set service-ranges { type ipv4_addr; flags interval; }" in text
    ranged = nat.render(pools, bgp_configuration_of({"spec": {"serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]}}))
    assert "set service-ranges { type ipv4_addr; flags interval; elements = { 10.96.0.0/16 }; }" in ranged
