"""The plan: which difference between file, record and host leads to which work. Nothing real is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.containerlab import plan, record, topology
from leafspine_embedded.containerlab.observe import Interface, Observed
from leafspine_embedded.containerlab.record import Record


def make_topology(directory: Path, **changes: Any) -> topology.Topology:
    (directory / "config.boot").write_text("")
    router = {"kind": "linux", "image": "vyos", "binds": ["config.boot:/opt/vyatta/etc/config/config.boot"]}
    nodes = {"leaf0": dict(router), "spine0": dict(router), "br0": {"kind": "bridge"}, "tb-w": {"kind": "ext-container"}}
    links = [{"endpoints": ["leaf0:eth1", "spine0:eth1"]}, {"endpoints": ["leaf0:eth2", "br0:p0"]}, {"endpoints": ["br0:p1", "tb-w:net0"]}]
    for name, value in changes.pop("nodes", {}).items():
        nodes[name] = {**nodes.get(name, router), **value}
    for name in changes.pop("without", []):
        del nodes[name]
    content = {"name": "tb-plan", "mgmt": {"bridge": "tb-plan"}, "topology": {"nodes": nodes, "links": changes.pop("links", links)}}
    return topology.parse(yaml.safe_dump(content), given="t", file=directory / "t.yml")


def deployed(read: topology.Topology) -> tuple[Record, Observed]:
    """The record and the host right after a deploy."""
    kept = record.wanted(read, None)
    seen = Observed(service_alive=True)
    for number, built in enumerate(kept.nodes.values()):
        if built.node.kind != "bridge":
            built.inode = 100 + number if built.node.built_here else None
            seen.inodes[built.node.container] = 100 + number
            seen.interfaces[built.node.container] = {}
    host = seen.interfaces.setdefault("", {"tb-plan": Interface(1, "bridge"), "br0": Interface(2, "bridge")})
    index = iter(range(10, 1000))
    places = kept.places()
    for link in kept.links:
        one, two = next(index), next(index)
        for end, here, peer in ((link.a, one, two), (link.b, two, one)):
            seen.interfaces[places[end.node]][end.interface] = Interface(here, "veth", peer, "br0" if places[end.node] == "" else "")
    for name in ("leaf0", "spine0"):
        one, two = next(index), next(index)
        seen.interfaces[f"clab-tb-plan-{name}"]["eth0"] = Interface(one, "veth", two)
        host[f"v-{name}"] = Interface(two, "veth", one, "tb-plan")
        seen.dead[name] = []
    return kept, seen


PORTS = {"leaf0": "v-leaf0", "spine0": "v-spine0"}


def made(want: topology.Topology, kept: Record | None, seen: Observed) -> dict[str, Any]:
    ports = {name: f"v-{name}" for name in want.nodes}
    result = plan.make(record.wanted(want, kept), kept, seen, ports).as_json("tb-plan")
    return {key: value for key, value in result.items() if value and key != "dry-run"}


def test_nothing_to_do_is_the_measured_answer(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    result = plan.make(record.wanted(read, kept), kept, seen, PORTS)
    assert result.empty
    assert result.as_json("tb-plan") == {
        "dry-run": True,
        "deployed-lab": False,
        "added-nodes": [],
        "deleted-nodes": [],
        "recreated-nodes": [],
        "started-nodes": [],
        "added-links": [],
        "deleted-endpoints": [],
        "restarted-nodes": [],
    }


def test_undeployed(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    assert made(read, None, Observed()) == {"deployed-lab": True, "lab-name": "tb-plan"}


def test_nothing_finished_is_undeployed(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    for built in kept.nodes.values():
        built.inode = None
    assert made(read, kept, seen) == {"deployed-lab": True, "lab-name": "tb-plan"}


@pytest.mark.parametrize(("change", "names"), [({"env": {"H": "2"}}, "env"), ({"mgmt-ipv4": "172.20.20.77"}, "mgmt-ipv4"), ({"image": "vyos:2"}, "image")])
def test_changed_settings_recreate_only_that_node(tmp_path: Path, change: dict[str, Any], names: str) -> None:
    kept, seen = deployed(make_topology(tmp_path))
    found = made(make_topology(tmp_path, nodes={"leaf0": change}), kept, seen)
    assert found == {
        "recreated-nodes": ["leaf0"],
        "added-links": ["leaf0:eth1 <--> spine0:eth1", "leaf0:eth2 <--> br0:p0"],
        "node-change-reasons": {"leaf0": f"config drift: {names}"},
    }


def test_a_moved_configuration_file_recreates_and_its_content_does_not(tmp_path: Path) -> None:
    kept, seen = deployed(make_topology(tmp_path))
    (tmp_path / "other.boot").write_text("")
    moved = make_topology(tmp_path, nodes={"leaf0": {"binds": ["other.boot:/opt/vyatta/etc/config/config.boot"]}})
    assert made(moved, kept, seen)["recreated-nodes"] == ["leaf0"]
    read = make_topology(tmp_path)
    (tmp_path / "config.boot").write_text("other content")
    assert made(read, kept, seen) == {}


def test_a_link_is_checked_at_both_ends(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    for place, name, broken in (
        ("clab-tb-plan-leaf0", "eth1", None),
        ("clab-tb-plan-spine0", "eth1", Interface(99, "veth", 98)),  # somebody else's veth of that name
    ):
        kept, seen = deployed(read)
        if broken is None:
            del seen.interfaces[place][name]
        else:
            seen.interfaces[place][name] = broken
        assert made(read, kept, seen) == {"added-links": ["leaf0:eth1 <--> spine0:eth1"]}


def test_a_port_that_left_its_bridge(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    port = seen.interfaces[""]["p1"]
    seen.interfaces[""]["p1"] = Interface(port.index, "veth", port.peer, "")
    assert made(read, kept, seen) == {"added-links": ["br0:p1 <--> tb-w:net0"]}


def test_a_lost_external_container(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    seen.interfaces["tb-w"] = {}
    assert made(read, kept, seen) == {"added-links": ["br0:p1 <--> tb-w:net0"]}


def test_a_namespace_of_another_inode_is_not_the_one_deployed(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    seen.inodes["clab-tb-plan-leaf0"] = 999
    assert made(read, kept, seen)["added-nodes"] == ["leaf0"]


def test_management(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    del seen.interfaces[""]["tb-plan"]
    seen.interfaces[""]["v-leaf0"] = Interface(5, "veth", 6, "")
    result = plan.make(record.wanted(read, kept), kept, seen, PORTS)
    assert (result.bridge_missing, result.management_ports, result.empty) == (True, ["leaf0"], False)


def test_dead_daemons_and_a_dead_service(tmp_path: Path) -> None:
    read = make_topology(tmp_path)
    kept, seen = deployed(read)
    seen.dead["leaf0"] = ["bgpd"]
    assert made(read, kept, seen) == {"restarted-nodes": ["leaf0"], "node-change-reasons": {"leaf0": "not running: bgpd"}}
    kept, seen = deployed(read)
    seen.service_alive = False
    assert made(read, kept, seen)["restarted-nodes"] == ["leaf0", "spine0"]


def test_nodes_and_links_that_come_and_go(tmp_path: Path) -> None:
    kept, seen = deployed(make_topology(tmp_path))
    links = [{"endpoints": ["leaf0:eth2", "br0:p0"]}, {"endpoints": ["br0:p1", "tb-w:net0"]}]
    assert made(make_topology(tmp_path, without=["spine0"], links=links), kept, seen) == {
        "deleted-nodes": ["spine0"],
        "deleted-endpoints": ["leaf0:eth1"],
    }
    assert made(make_topology(tmp_path, nodes={"leaf1": {}}), kept, seen) == {"added-nodes": ["leaf1"]}


def test_addresses_are_given_once_and_kept(tmp_path: Path) -> None:
    first = record.wanted(make_topology(tmp_path), None)
    assert {name: built.address for name, built in first.nodes.items() if built.address} == {"leaf0": "172.20.20.2/24", "spine0": "172.20.20.3/24"}
    more = make_topology(tmp_path, nodes={"aaa": {}, "leaf0": {"mgmt-ipv4": "172.20.20.4"}})
    again = record.wanted(more, first)
    assert {name: built.address for name, built in again.nodes.items() if built.address} == {
        "leaf0": "172.20.20.4/24",
        "spine0": "172.20.20.3/24",
        "aaa": "172.20.20.2/24",
    }


def test_the_record_survives_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFSPINE_RUN", str(tmp_path / "run"))
    kept, _ = deployed(make_topology(tmp_path))
    kept.save()
    again = record.read("tb-plan")
    assert again == kept
    assert record.read("tb-other") is None
    (kept.directory / "state.json").write_text("{")
    with pytest.raises(Exception, match="containerlab destroy --name tb-plan"):
        record.read("tb-plan")
