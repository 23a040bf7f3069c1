"""Calico's agents on real nodes: BIRD in namespaces, a FRR neighbour as the leaf, the kernel's own tables as the judge.

leaf td-leaf (10.130.5.1, AS 65005, route reflector client sessions) -- bridge -- td-n1 (10.130.5.10), td-n2 (10.130.5.11)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.calico import datastore, ipam, manifest
from leafspine_embedded.calico.birdctl import ask, control_socket, node_dir
from leafspine_embedded.calico.node import run_node
from leafspine_embedded.common import netns, process
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.resources import ENDPOINTSLICES, NAMESPACES, NODES, SERVICES, Resource
from leafspine_embedded.kube.store import Store

pytestmark = pytest.mark.root

LEAF, NODES_HERE = "td-leaf", {"td-n1": "10.130.5.10", "td-n2": "10.130.5.11"}
ENV = {"IP": "autodetect", "IP_AUTODETECTION_METHOD": "kubernetes-internal-ip", "AS": "", "CLUSTER_TYPE": "k8s,bgp"}
POD = {"metadata": {"name": "app", "namespace": "default"}}


def run(*argv: str, netns_name: str | None = None, check: bool = True) -> str:
    prefix = netns.prefix(netns_name) if netns_name else []
    done = subprocess.run([*prefix, *argv], capture_output=True, text=True, timeout=20, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv}: {done.stderr or done.stdout}")
    return done.stdout


def routes(namespace: str) -> dict[str, dict[str, Any]]:
    return {route["dst"]: route for route in json.loads(run("ip", "-j", "route", netns_name=namespace) or "[]")}


async def until(check: Callable[[], Any], what: str, timeout: float = 10.0) -> float:
    """Seconds it took until the check was true."""
    begun = time.monotonic()
    while not await asyncio.to_thread(check):
        assert time.monotonic() - begun < timeout, f"{what} did not come within {timeout} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture
def wires() -> Iterator[None]:
    """A bridge inside the leaf's namespace joins the nodes, like a rack's segment."""
    names = [LEAF, *NODES_HERE]
    for name in names:
        netns.delete(name)
    try:
        for name in names:
            netns.create(name)
            run("ip", "link", "set", "lo", "up", netns_name=name)
        run("ip", "link", "add", "eth3", "type", "bridge", netns_name=LEAF)
        run("ip", "addr", "add", "10.130.5.1/24", "dev", "eth3", netns_name=LEAF)
        run("ip", "link", "set", "eth3", "up", netns_name=LEAF)
        for name, address in NODES_HERE.items():
            run("ip", "link", "add", name, "netns", LEAF, "type", "veth", "peer", "name", "net0", "netns", name)
            run("ip", "link", "set", name, "master", "eth3", "up", netns_name=LEAF)
            run("ip", "addr", "add", f"{address}/24", "dev", "net0", netns_name=name)
            run("ip", "link", "set", "net0", "up", netns_name=name)
            run("ip", "route", "add", "default", "via", "10.130.5.1", netns_name=name)
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", netns_name=LEAF)
        yield
    finally:
        for name in names:
            netns.delete(name)


@pytest.fixture
def leaf(wires: None, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """A BIRD route reflector on the leaf (what FRR is in the lab), independent of the code under test; answers `show ...`."""
    clients = "".join(
        f"protocol bgp n{i} {{ local as 65005; neighbor {a} as 65005; passive on; rr client; graceful restart; "
        "ipv4 { import all; export all; add paths rx; }; }\n"
        for i, a in enumerate(NODES_HERE.values())
    )
    config, socket = tmp_path / "leaf.conf", tmp_path / "leaf.ctl"
    config.write_text(
        "router id 10.130.5.1;\nprotocol device {}\nprotocol direct { ipv4; }\nprotocol kernel { ipv4 { export all; }; merge paths on; }\n"
        f'protocol static {{ ipv4; route 10.130.99.0/24 via "eth3"; }}\n{clients}'
    )
    process.spawn(["/usr/sbin/bird", "-f", "-c", str(config), "-s", str(socket)], name="leaf", run_dir=tmp_path, netns=LEAF)
    try:
        yield lambda command: "\n".join(text for _, text in ask(socket, command))
    finally:
        process.stop(tmp_path, "leaf")


@pytest.fixture
async def cluster(wires: None, tmp_path: Path) -> AsyncIterator[tuple[Store, ClusterContext]]:
    # BIRD runs as a user of its own, which must be able to pass the folders above its configuration.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o711)
    store = Store()
    for name in ("default", "kube-system"):
        store.create(NAMESPACES, {"metadata": {"name": name}})
    for document in yaml.safe_load_all(manifest.text()):
        if document["kind"] == "CustomResourceDefinition":
            spec = document["spec"]
            store.registry.add(Resource(spec["group"], "v1", spec["names"]["kind"], spec["names"]["plural"], False, custom=True))
    nodes = []
    for i, (name, address) in enumerate(NODES_HERE.items()):
        nodes.append(Node(name, "worker", name, i, "172.18.0.2", address))
        labels = {"rack": "rack0", "kubernetes.io/hostname": name}
        store.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": {"addresses": [{"type": "InternalIP", "address": address}]}})
    context = ClusterContext("td-calico", tmp_path / "c", "10.130.128.0/17", "10.130.96.0/20", nodes, default_cni=False)
    context.dir.mkdir()
    yield store, context


@contextlib.asynccontextmanager
async def running(store: Store, context: ClusterContext, stop_clean: bool = True) -> AsyncIterator[list[str]]:
    """The agents of both nodes; yields their log lines."""
    stop, lines = asyncio.Event(), []
    tasks = [asyncio.create_task(run_node(store, context, name, ENV, stop, lambda line, n=name: lines.append(f"{n}: {line}"))) for name in NODES_HERE]
    try:
        await until(lambda: context.cni_ready == set(NODES_HERE) or any(task.done() for task in tasks), "both agents")
        for task in tasks:
            if task.done():
                task.result()
        yield lines
    finally:
        stop.set()
        if not stop_clean:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if stop_clean:
            assert not any(process.alive(node_dir(context.dir, name), "bird") for name in NODES_HERE)


@pytest.fixture(autouse=True)
def no_bird_left(tmp_path: Path) -> Iterator[None]:
    yield
    for name in NODES_HERE:
        process.stop(node_dir(tmp_path / "c", name), "bird")


def use_leaf(store: Store) -> None:
    datastore.create(store, "bgpconfigurations", "default", {"nodeToNodeMeshEnabled": False})
    for name in NODES_HERE:
        obj = store.get(NODES, None, name)
        obj["metadata"].setdefault("annotations", {})["projectcalico.org/ASNumber"] = "65005"
        store.update(NODES, obj)
    datastore.create(store, "bgppeers", "rack0-to-leaf0", {"peerIP": "10.130.5.1", "asNumber": 65005, "nodeSelector": "rack == 'rack0'"})


async def test_nodes_announce_their_blocks_to_the_leaf_and_learn_from_it(cluster: Any, leaf: Any) -> None:
    store, context = cluster
    async with running(store, context) as lines:
        use_leaf(store)
        first, second = [await ipam.assign(store, name, f"h-{name}", POD) for name in NODES_HERE]
        blocks = [str(ipam.block.IPv4Network(f"{a}/26", strict=False)) for a in (first, second)]
        await until(lambda: all(block in routes(LEAF) for block in blocks), "both blocks on the leaf")
        await until(lambda: blocks[1] in routes("td-n1") and blocks[0] in routes("td-n2") and "10.130.99.0/24" in routes("td-n1"), "the other node's block")
        table = run("ip", "route", netns_name="td-n1")
        # As in the real lab: own block a blackhole, the others' next hop the other node itself, no metric, proto bird.
        assert f"blackhole {blocks[0]} proto bird \n" in table
        assert f"{blocks[1]} via 10.130.5.11 dev net0 proto bird \n" in table
        assert {b: routes(LEAF)[b]["gateway"] for b in blocks} == dict(zip(blocks, NODES_HERE.values(), strict=True))
        assert run("cat", "/proc/sys/net/ipv4/ip_forward", netns_name="td-n1").strip() == "1"
        obj = store.get(NODES, None, "td-n1")
        assert obj["metadata"]["annotations"]["projectcalico.org/IPv4Address"] == "10.130.5.10/24"
        assert [c["reason"] for c in obj["status"]["conditions"] if c["type"] == "NetworkUnavailable"] == ["CalicoIsUp"]
        assert not [line for line in lines if "refused" in line]


async def test_the_mesh_is_there_by_default_and_goes_when_it_is_switched_off(cluster: Any) -> None:
    store, context = cluster
    async with running(store, context):
        address = await ipam.assign(store, "td-n1", "h", POD)
        block = str(ipam.block.IPv4Network(f"{address}/26", strict=False))
        await until(lambda: block in routes("td-n2"), "the block over the mesh")
        datastore.create(store, "bgpconfigurations", "default", {"nodeToNodeMeshEnabled": False})
        await until(lambda: block not in routes("td-n2"), "the withdrawal")
        assert block in routes("td-n1")


async def test_a_changed_peer_is_live_within_a_second(cluster: Any, leaf: Any) -> None:
    store, context = cluster
    async with running(store, context):
        use_leaf(store)
        socket = control_socket(node_dir(context.dir, "td-n1"))

        def established() -> bool:
            return any("Node_10_130_5_1" in text and "Established" in text for _, text in ask(socket, "show protocols"))

        await until(established, "the session")
        datastore.delete(store, "bgppeers", "rack0-to-leaf0")
        assert await until(lambda: not established(), "the end of the session") < 1.0
        datastore.create(store, "bgppeers", "rack0-to-leaf0", {"peerIP": "10.130.5.1", "asNumber": 65005, "nodeSelector": "rack == 'rack1'"})
        await asyncio.sleep(0.5)
        assert not established()


async def test_services_are_announced_as_range_and_local_ones_only_from_their_nodes(cluster: Any, leaf: Any) -> None:
    store, context = cluster
    async with running(store, context):
        use_leaf(store)
        config = datastore.find(store, "bgpconfigurations", "default")
        config["spec"]["serviceClusterIPs"] = [{"cidr": "10.130.96.0/20"}]
        datastore.update(store, "bgpconfigurations", config)
        spec = {"clusterIP": "10.130.96.5", "clusterIPs": ["10.130.96.5"], "externalTrafficPolicy": "Local", "type": "NodePort", "ports": [{"port": 80}]}
        store.create(SERVICES, {"metadata": {"name": "app", "namespace": "default"}, "spec": spec})
        slice_ = {
            "metadata": {"name": "app-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "app"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.130.128.1"], "nodeName": "td-n2", "conditions": {"ready": True}}],
        }
        store.create(ENDPOINTSLICES, slice_)
        await until(lambda: "10.130.96.5" in routes(LEAF) and len(routes(LEAF).get("10.130.96.0/20", {}).get("nexthops", [])) == 2, "range and address")
        assert routes(LEAF)["10.130.96.5"]["gateway"] == "10.130.5.11"
        for name in NODES_HERE:
            assert not [dst for dst in routes(name) if dst.startswith("10.130.96.")], "the node's own kernel never gets the range"
        obj = store.get(NODES, None, "td-n1")
        obj["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"] = "true"
        store.update(NODES, obj)
        await until(lambda: routes(LEAF)["10.130.96.0/20"].get("gateway") == "10.130.5.11", "the excluded node's withdrawal")
        config = datastore.find(store, "bgpconfigurations", "default")
        del config["spec"]["serviceClusterIPs"]
        datastore.update(store, "bgpconfigurations", config)
        await until(lambda: not [dst for dst in routes(LEAF) if dst.startswith("10.130.96.")], "the withdrawal of range and address")


async def test_nat_outgoing_masquerades_towards_the_outside_only(cluster: Any, leaf: Any) -> None:
    store, context = cluster
    async with running(store, context):
        use_leaf(store)
        address = await ipam.assign(store, "td-n1", "h", POD)
        block = str(ipam.block.IPv4Network(f"{address}/26", strict=False))
        await until(lambda: block in routes(LEAF), "the block on the leaf")
        # A pod's address on the node itself: what leaves with it as source goes through postrouting like a pod's packet.
        run("ip", "addr", "add", f"{address}/32", "dev", "lo", netns_name="td-n1")
        table = run("nft", "list", "table", "ip", "leafspine-calico", netns_name="td-n1")
        assert "masquerade fully-random" in table
        run("nft", "add", "table", "ip", "seen", netns_name=LEAF)
        run("nft", "add", "chain", "ip", "seen", "in", "{ type filter hook input priority -300; }", netns_name=LEAF)
        for source in (str(address), "10.130.5.10"):
            run("nft", "add", "rule", "ip", "seen", "in", "ip", "saddr", source, "icmp", "type", "echo-request", "counter", netns_name=LEAF)
        run("ping", "-c1", "-W1", "-I", str(address), "10.130.5.1", netns_name="td-n1")
        counted = [
            line.split("packets ")[1].split()[0] for line in run("nft", "list", "chain", "ip", "seen", "in", netns_name=LEAF).splitlines() if "packets" in line
        ]
        assert counted == ["0", "1"], "the leaf sees the node's address, not the pod's"
        pool = datastore.find(store, "ippools", "default-ipv4-ippool")
        pool["spec"]["natOutgoing"] = False
        datastore.update(store, "ippools", pool)
        await until(lambda: "elements" not in run("nft", "list", "set", "ip", "leafspine-calico", "masq-pools", netns_name="td-n1"), "the pool without NAT")
        run("ping", "-c1", "-W1", "-I", str(address), "10.130.5.1", netns_name="td-n1")
        counted = [
            line.split("packets ")[1].split()[0] for line in run("nft", "list", "chain", "ip", "seen", "in", netns_name=LEAF).splitlines() if "packets" in line
        ]
        assert counted == ["1", "1"]


async def test_a_restart_of_the_engine_or_of_the_pod_loses_no_route(cluster: Any, leaf: Any) -> None:
    store, context = cluster
    async with running(store, context, stop_clean=False):
        use_leaf(store)
        address = await ipam.assign(store, "td-n1", "h", POD)
        block = str(ipam.block.IPv4Network(f"{address}/26", strict=False))
        await until(lambda: block in routes(LEAF) and block in routes("td-n2"), "the block everywhere")
        before = process.pid(node_dir(context.dir, "td-n1"), "bird")
    assert process.pid(node_dir(context.dir, "td-n1"), "bird") == before, "BIRD outlives the engine's process"
    context.cni_ready.clear()
    async with running(store, context):
        assert process.pid(node_dir(context.dir, "td-n1"), "bird") == before, "and is adopted"
    assert block in routes(LEAF) and block in routes("td-n2"), "graceful restart keeps the routes while the pod is away"
    context.cni_ready.clear()
    async with running(store, context):
        await until(lambda: "Established" in leaf("show protocols n0"), "the session after the restart", 15)
        assert block in routes(LEAF)


async def test_a_dead_bird_comes_back_and_a_refused_text_leaves_the_old_one(cluster: Any, leaf: Any) -> None:
    store, context = cluster
    async with running(store, context) as lines:
        use_leaf(store)
        await until(lambda: "Established" in leaf("show protocols n0"), "the session")
        process.stop(node_dir(context.dir, "td-n1"), "bird", timeout=0)
        await until(lambda: process.alive(node_dir(context.dir, "td-n1"), "bird"), "a new BIRD")
        datastore.create(store, "bgppeers", "bad", {"peerIP": "10.130.5.9", "asNumber": 65005, "localASNumber": 0, "maxRestartTime": "99999999h"})
        await until(lambda: any("refused" in line for line in lines), "the refusal in the log")
        await until(lambda: "Established" in leaf("show protocols n0"), "the old configuration", 15)
