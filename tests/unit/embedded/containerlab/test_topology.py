"""Topology files: what is read, and the words in which a wrong one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.containerlab import catalogue, topology
from leafspine_embedded.containerlab.model import Endpoint, Link, mac_address


def data(directory: Path) -> dict[str, Any]:
    (directory / "config.boot").write_text("")
    return {
        "name": "tb-unit",
        "mgmt": {"network": "tb-unit", "bridge": "tb-unit", "ipv4-subnet": "172.29.5.0/24"},
        "topology": {
            "nodes": {
                "leaf0": {
                    "kind": "linux",
                    "image": "vyos:1.4",
                    "cmd": "/sbin/init",
                    "mgmt-ipv4": "172.29.5.2",
                    "binds": ["/lib/modules:/lib/modules", "config.boot:/opt/vyatta/etc/config/config.boot"],
                    "env": {"LEAFSPINE_BOOT_SHA256": "abc"},
                },
                "br-leaf0": {"kind": "bridge"},
                "tb-worker": {"kind": "ext-container"},
            },
            "links": [{"endpoints": ["leaf0:eth3", "br-leaf0:br-leaf0-net2"], "mtu": 1500}, {"endpoints": ["br-leaf0:x", "tb-worker:net0"]}],
        },
    }


def read(content: dict[str, Any] | str, directory: Path) -> topology.Topology:
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    return topology.parse(text, given="clab.yml", file=directory / "clab.yml")


def test_the_reference_form_is_read(tmp_path: Path) -> None:
    found = read(data(tmp_path), tmp_path)
    leaf = found.nodes["leaf0"]
    assert (leaf.container, leaf.management_address) == ("clab-tb-unit-leaf0", "172.29.5.2")
    assert leaf.config_boot == tmp_path / "config.boot"
    assert catalogue.is_router(leaf)
    assert found.nodes["tb-worker"].container == "tb-worker"
    assert found.links == (
        Link(Endpoint("leaf0", "eth3"), Endpoint("br-leaf0", "br-leaf0-net2"), 1500),
        Link(Endpoint("br-leaf0", "x"), Endpoint("tb-worker", "net0"), 9500),  # the real tool's default
    )
    assert (str(found.management.gateway), found.management.bridge) == ("172.29.5.1", "tb-unit")


def test_defaults_and_kinds_are_merged(tmp_path: Path) -> None:
    content = data(tmp_path)
    content["topology"]["defaults"] = {"env": {"A": "1", "B": "1"}}
    content["topology"]["kinds"] = {"linux": {"env": {"B": "2"}, "image": "nettool:1"}}
    content["topology"]["nodes"]["plain"] = {"kind": "linux"}
    found = read(content, tmp_path)
    assert found.nodes["leaf0"].env == {"A": "1", "B": "2", "LEAFSPINE_BOOT_SHA256": "abc"}
    assert found.nodes["plain"].image == "nettool:1"


def change(*path: str, to: Any) -> Any:
    def work(content: dict[str, Any]) -> None:
        place: Any = content
        for name in path[:-1]:
            place = place[int(name) if isinstance(place, list) else name]
        if isinstance(place, list):
            place[int(path[-1])] = to
        else:
            place[path[-1]] = to

    return work


NODES = ("topology", "nodes")
WRONG = {
    "no name": (change("name", to=None), "missing lab name"),
    "unknown kind": (change(*NODES, "leaf0", "kind", to="linuxx"), 'kind "linuxx" is not supported'),
    "unknown key": (change(*NODES, "leaf0", "imaage", to="x"), "field imaage not found in type types.NodeDefinition"),
    "unknown top key": (change("topologyy", to={}), "field topologyy not found in type core.Config"),
    "known but unsupported key": (change(*NODES, "leaf0", "network-mode", to="container:x"), '"network-mode" is not supported by the embedded'),
    "unsupported startup-config": (change(*NODES, "leaf0", "startup-config", to="x"), '"startup-config" is not supported'),
    "unknown link node": (change("topology", "links", "0", "endpoints", "0", to="zz:eth1"), "Unable to find node zz."),
    "host endpoint": (change("topology", "links", "0", "endpoints", "0", to="host:x"), 'links to "host" are not supported'),
    "duplicate endpoint": (change("topology", "links", "1", "endpoints", "1", to="leaf0:eth3"), "Duplicate endpoint leaf0:eth3"),
    "one endpoint": (change("topology", "links", "0", "endpoints", to=["leaf0:eth3"]), "exactly two endpoints"),
    "eth0 as link": (change("topology", "links", "0", "endpoints", "0", to="leaf0:eth0"), "eth0 interface can't be used"),
    "long interface": (change("topology", "links", "0", "endpoints", "1", to="br-leaf0:" + "x" * 16), "1 to 15 characters"),
    "bad mtu": (change("topology", "links", "0", "mtu", to="big"), "mtu 'big' must be a number"),
    "bind source": (change(*NODES, "leaf0", "binds", to=["nope.boot:/x"]), "Failed to verify bind path: stat .*/nope.boot: no such file or directory"),
    "bind form": (change(*NODES, "leaf0", "binds", to=["nope"]), "invalid bind 'nope'"),
    "bad address": (change(*NODES, "leaf0", "mgmt-ipv4", to="172.29.5.300"), 'node "leaf0": mgmt-ipv4'),
    "same address": (change(*NODES, "other", to={"kind": "linux", "image": "nettool", "mgmt-ipv4": "172.29.5.2"}), 'used by both "leaf0" and "other"'),
    "image missing": (change(*NODES, "leaf0", "image", to=""), 'node "leaf0": image is missing'),
    "bad subnet": (change("mgmt", "ipv4-subnet", to="172.29.5.1/24"), "mgmt: .* has host bits set"),
    "external access": (change("mgmt", "external-access", to=True), "forwards nothing"),
    "no nodes": (change(*NODES, to={}), "at least one node"),
    "nodes no mapping": (change(*NODES, "leaf0", to=[1]), 'node "leaf0": cannot unmarshal'),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(tmp_path: Path, case: str) -> None:
    content = data(tmp_path)
    WRONG[case][0](content)
    with pytest.raises(EngineError, match=WRONG[case][1]):
        read(content, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\ntopology:\n  nodes: {a: [}\n", r"yaml: line 3: did not find expected node content"),
        ("name: x\ntopology:\n  nodes:\n    a: {}\n    a: {}\n", r'line 5: key "a" already set in map'),
        ("name: x\n\tbad: y\n", "yaml: line 2:"),
        ("[]", "cannot unmarshal list"),
    ],
)
def test_bad_yaml_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read(text, tmp_path)


def test_an_unknown_image_and_a_router_without_configuration(tmp_path: Path) -> None:
    content = data(tmp_path)
    content["topology"]["nodes"]["leaf0"]["image"] = "alpine:3"
    with pytest.raises(EngineError, match=r"^Image alpine:3 not found locally, and image-pull-policy=Never prevents containerlab from pulling it\.$"):
        catalogue.check(read(content, tmp_path).nodes["leaf0"])
    content = data(tmp_path)
    del content["topology"]["nodes"]["leaf0"]["binds"]
    with pytest.raises(EngineError, match="needs a file bound to"):
        catalogue.check(read(content, tmp_path).nodes["leaf0"])


def test_addresses_are_fixed_and_differ() -> None:
    one = mac_address("lab", Endpoint("leaf0", "eth1"))
    assert one == mac_address("lab", Endpoint("leaf0", "eth1"))
    assert one.startswith("aa:c1:ab:")
    assert len({one, mac_address("lab", Endpoint("leaf0", "eth2")), mac_address("other", Endpoint("leaf0", "eth1"))}) == 3
