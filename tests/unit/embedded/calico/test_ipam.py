"""Address blocks and the objects that record them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leafspine_embedded.calico import blocks, datastore, ipam
from leafspine_embedded.calico.controller import Collector
from leafspine_embedded.kube.resources import NODES, PODS
from leafspine_embedded.kube.store import Store

POD = {"metadata": {"name": "app", "namespace": "default"}}


def pool(store: Store, name: str = "default-ipv4-ippool", cidr: str = "10.130.0.0/16", **spec: Any) -> None:
    datastore.create(store, "ippools", name, {"cidr": cidr, "blockSize": 26, "nodeSelector": "all()", **spec})


def spec_of(store: Store, plural: str) -> list[dict[str, Any]]:
    return [obj["spec"] for obj in datastore.scan(store, plural)]


@given(node=st.text(min_size=1, max_size=20), prefix=st.integers(20, 26))
def test_candidates_are_every_block_once_in_an_order_of_the_node_s_own(node: str, prefix: int) -> None:
    pool = IPv4Network(f"10.128.0.0/{prefix}")
    found = list(blocks.candidates(pool, 26, node))
    assert sorted(found) == list(pool.subnets(new_prefix=26))
    assert found == list(blocks.candidates(pool, 26, node))


def test_nodes_start_at_different_blocks() -> None:
    firsts = {next(blocks.candidates(IPv4Network("10.244.0.0/16"), 26, f"clab-calico-bgp-rr-worker{i}")) for i in range(8)}
    assert len(firsts) >= 7


async def test_the_first_address_makes_block_affinity_and_handle_in_calico_s_shape(store: Store) -> None:
    pool(store)
    address = await ipam.assign(store, "n1", "k8s-pod-network.abc", POD)
    (obj,) = datastore.scan(store, "ipamblocks")
    spec = obj["spec"]
    network = IPv4Network(spec["cidr"])
    assert network.subnet_of(IPv4Network("10.130.0.0/16")) and network.prefixlen == 26 and address == network.network_address
    assert obj["metadata"]["name"] == spec["cidr"].replace(".", "-").replace("/", "-")
    assert (spec["affinity"], spec["allocations"][:2], len(spec["allocations"]), spec["unallocated"][:2]) == ("host:n1", [0, None], 64, [1, 2])
    assert spec["attributes"][0]["handle_id"] == "k8s-pod-network.abc"
    assert {k: v for k, v in spec["attributes"][0]["secondary"].items() if k != "timestamp"} == {"namespace": "default", "node": "n1", "pod": "app"}
    (affinity,) = datastore.scan(store, "blockaffinities")
    assert affinity["metadata"]["name"] == f"n1-{obj['metadata']['name']}"
    assert affinity["spec"] == {"cidr": spec["cidr"], "deleted": "false", "node": "n1", "state": "confirmed", "type": "host"}
    assert spec_of(store, "ipamhandles") == [{"block": {spec["cidr"]: 1}, "deleted": False, "handleID": "k8s-pod-network.abc"}]


async def test_the_same_handle_gets_the_same_address_and_another_the_next(store: Store) -> None:
    pool(store)
    first = await ipam.assign(store, "n1", "h1", POD)
    assert await ipam.assign(store, "n1", "h1", POD) == first
    assert await ipam.assign(store, "n1", "h2", POD) == first + 1
    other = await ipam.assign(store, "n2", "h3", POD)
    assert IPv4Network(f"{other}/26", strict=False) != IPv4Network(f"{first}/26", strict=False)


async def test_a_released_address_is_free_but_not_reused_at_once(store: Store) -> None:
    pool(store)
    first = await ipam.assign(store, "n1", "h1", POD)
    second = await ipam.assign(store, "n1", "h2", POD)
    await ipam.release(store, "h1")
    await ipam.release(store, "h1")
    (spec,) = spec_of(store, "ipamblocks")
    assert [str(a) for a, _, _ in blocks.holders(spec)] == [str(second)]
    assert [h["handleID"] for h in spec_of(store, "ipamhandles")] == ["h2"]
    assert await ipam.assign(store, "n1", "h3", POD) == first + 2
    assert (len(spec["unallocated"]), spec["unallocated"][-1]) == (63, 0)


async def test_a_full_block_is_followed_by_another_and_a_full_pool_by_borrowing(store: Store) -> None:
    pool(store, cidr="10.130.0.0/25")
    for i in range(64):
        await ipam.assign(store, "n1", f"a{i}", POD)
    await ipam.assign(store, "n2", "b0", POD)
    borrowed = await ipam.assign(store, "n1", "a64", POD)
    owners = {s["cidr"]: s["affinity"] for s in spec_of(store, "ipamblocks")}
    assert owners[str(IPv4Network(f"{borrowed}/26", strict=False))] == "host:n2"
    for i in range(62):
        await ipam.assign(store, "n2", f"c{i}", POD)
    with pytest.raises(ipam.IpamError, match="no more free addresses"):
        await ipam.assign(store, "n2", "last", POD)


async def test_strict_affinity_never_borrows(store: Store) -> None:
    pool(store, cidr="10.130.0.0/26")
    datastore.create(store, "ipamconfigs", "default", {"strictAffinity": True, "autoAllocateBlocks": True})
    await ipam.assign(store, "n1", "h1", POD)
    with pytest.raises(ipam.IpamError):
        await ipam.assign(store, "n2", "h2", POD)


async def test_pools_are_chosen_by_node_selector_state_and_annotation(store: Store) -> None:
    pool(store, "rack1", "10.130.0.0/24", nodeSelector="rack == 'rack1'")
    pool(store, "rack2", "10.130.1.0/24", nodeSelector="rack == 'rack2'")
    pool(store, "by-hand", "10.130.2.0/24", assignmentMode="Manual")
    pool(store, "off", "10.130.3.0/24", disabled=True)
    assert await ipam.assign(store, "n1", "h1", POD) in IPv4Network("10.130.0.0/24")
    assert await ipam.assign(store, "n2", "h2", POD) in IPv4Network("10.130.1.0/24")
    named = {"metadata": {**POD["metadata"], "annotations": {ipam.POOLS_ANNOTATION: '["by-hand"]'}}}
    assert await ipam.assign(store, "n1", "h3", named) in IPv4Network("10.130.2.0/24")
    for text in ('["off"]', '["rack2"]', '["nope"]', "{", '"rack1"'):
        with pytest.raises(ipam.IpamError):
            await ipam.assign(store, "n1", "h4", {"metadata": {**POD["metadata"], "annotations": {ipam.POOLS_ANNOTATION: text}}})


@pytest.mark.parametrize("annotation", ["cni.projectcalico.org/ipAddrs", "cni.projectcalico.org/floatingIPs"])
async def test_an_annotation_the_engine_does_not_have_is_refused(store: Store, annotation: str) -> None:
    pool(store)
    with pytest.raises(ipam.IpamError, match=annotation):
        await ipam.assign(store, "n1", "h", {"metadata": {**POD["metadata"], "annotations": {annotation: '["10.130.0.9"]'}}})


async def test_no_pool_an_unknown_node_or_a_locked_datastore_give_no_address(store: Store) -> None:
    with pytest.raises(ipam.IpamError, match="no configured Calico pools"):
        await ipam.assign(store, "n1", "h", POD)
    pool(store)
    with pytest.raises(ipam.IpamError, match='"n9" not found'):
        await ipam.assign(store, "n9", "h", POD)
    datastore.create(store, "clusterinformations", "default", {"datastoreReady": False})
    with pytest.raises(ipam.IpamError, match="not ready"):
        await ipam.assign(store, "n1", "h", POD)


async def test_without_calico_s_definitions_it_says_so(empty_store: Store) -> None:
    empty_store.create(NODES, {"metadata": {"name": "n1"}})
    with pytest.raises(ipam.IpamError, match="no configured Calico pools"):
        await ipam.assign(empty_store, "n1", "h", POD)
    await ipam.release(empty_store, "h")


async def test_an_address_of_a_vanished_pod_is_released_after_the_grace_time_only(store: Store) -> None:
    pool(store)
    held = await ipam.assign(store, "n1", "h1", POD)
    await ipam.assign(store, "n1", "h2", {"metadata": {"name": "here", "namespace": "default"}})
    store.create(PODS, {"metadata": {"name": "here", "namespace": "default"}, "spec": {"nodeName": "n1"}, "status": {}})
    collector = Collector(store, grace=20)
    assert collector.collect(0.0) == []
    assert collector.collect(19.0) == []
    assert collector.collect(20.0) == ["h1"]
    (spec,) = spec_of(store, "ipamblocks")
    assert [h for _, h, _ in blocks.holders(spec)] == ["h2"]
    assert held not in [a for a, _, _ in blocks.holders(spec)]


async def test_a_pod_that_came_back_under_its_name_keeps_only_its_own_address(store: Store) -> None:
    pool(store)
    await ipam.assign(store, "n1", "old", POD)
    new = await ipam.assign(store, "n1", "new", POD)
    store.create(PODS, {"metadata": {"name": "app", "namespace": "default"}, "spec": {"nodeName": "n1"}, "status": {"podIP": str(new)}})
    assert ipam.leaked(store) == ["old"]


async def test_a_node_that_left_loses_its_blocks(store: Store) -> None:
    pool(store)
    await ipam.assign(store, "n1", "h1", POD)
    await ipam.assign(store, "n2", "h2", POD)
    store.delete(NODES, None, "n1")
    Collector(store).collect(0.0)
    assert [s["affinity"] for s in spec_of(store, "ipamblocks")] == ["host:n2"]
    assert [s["node"] for s in spec_of(store, "blockaffinities")] == ["n2"]
    assert [s["handleID"] for s in spec_of(store, "ipamhandles")] == ["h2"]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_block_never_loses_or_doubles_an_address(steps: list[int]) -> None:
    spec = blocks.new_block(IPv4Network("10.0.0.0/28"), "n")
    held: dict[str, IPv4Address] = {}
    for step in steps:
        handle = f"h{step}"
        if handle in held:
            assert blocks.release(spec, handle) == [held.pop(handle)]
        else:
            address = blocks.allocate(spec, handle, {})
            assert (address is None) == (len(held) == 16)
            if address is not None:
                held[handle] = address
        assert {h: a for a, h, _ in blocks.holders(spec)} == held
        assert sorted(spec["unallocated"]) == [i for i, index in enumerate(spec["allocations"]) if index is None]
        assert len(set(held.values())) == len(held) and len(spec["attributes"]) == len(held)
