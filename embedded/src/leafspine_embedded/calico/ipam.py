"""Calico's IPAM: addresses for pods, out of blocks that belong to nodes.

The kubelet calls `assign` before it wires a pod and `release` after it has taken the pod apart; both may be called again. Everything is
kept in the datastore as Calico keeps it (ipamblocks, blockaffinities, ipamhandles), so `kubectl` and `calicoctl ipam` show it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from leafspine_embedded.kube.errors import AlreadyExists, Conflict
from leafspine_embedded.kube.objects import Object, now
from leafspine_embedded.kube.resources import NAMESPACES, NODES, PODS
from leafspine_embedded.kube.store import Store

from . import blocks as block
from . import datastore, selector
from .model import Node, Pool, node_of, pools_of

POOLS_ANNOTATION = "cni.projectcalico.org/ipv4pools"
_UNSUPPORTED = ("cni.projectcalico.org/ipAddrs", "cni.projectcalico.org/ipAddrsNoIpam", "cni.projectcalico.org/floatingIPs")
_ATTEMPTS = 5


class IpamError(Exception):
    """No address could be given; the text is what the pod's event shows."""


def handle_of(container_id: str) -> str:
    """The handle under which a pod's sandbox holds its address."""
    return f"k8s-pod-network.{container_id}"


def _handle_name(handle: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", handle.lower())[:253]


async def assign(store: Store, node: str, handle: str, pod: Mapping[str, Any]) -> IPv4Address:
    """An address for a pod on a node; the same one when the handle already holds one.

    pod: the v1 Pod. Its annotation cni.projectcalico.org/ipv4pools (a JSON list of pool names or CIDRs) narrows the choice. Raises
    IpamError: no pool, no free address, the datastore is locked, or an annotation that this engine does not have.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _assign(store, node, handle, pod)
        except (Conflict, AlreadyExists):
            if attempt == _ATTEMPTS - 1:
                raise IpamError(f"failed to assign an address on {node}: the block changed {_ATTEMPTS} times in between") from None
    raise AssertionError("unreachable")


async def release(store: Store, handle: str) -> None:
    """Give back what the handle holds; nothing happens when it holds nothing."""
    release_now(store, handle)


def _settings(store: Store) -> tuple[bool, int]:
    spec = (datastore.find(store, "ipamconfigs", "default") or {}).get("spec") or {}
    return bool(spec.get("strictAffinity")), int(spec.get("maxBlocksPerHost") or 20)


def _assign(store: Store, name: str, handle: str, pod: Mapping[str, Any]) -> IPv4Address:
    information = (datastore.find(store, "clusterinformations", "default") or {}).get("spec") or {}
    if information.get("datastoreReady") is False:
        raise IpamError("Calico is currently not ready to process requests")
    present = _held(store, handle)
    if present:
        return present[0]
    obj = store.find(NODES, None, name)
    if obj is None:
        raise IpamError(f'node "{name}" not found')
    metadata = pod["metadata"]
    pools = _pools_for(store, node_of(obj), pod)
    secondary = {"namespace": metadata.get("namespace", "default"), "node": name, "pod": metadata["name"], "timestamp": now()}
    strict, limit = _settings(store)
    for pick in (_from_own_blocks, _from_new_block, _from_other_nodes):
        if pick is _from_other_nodes and strict:
            break
        address = pick(store, name, pools, handle, secondary, strict, limit)
        if address is not None:
            return address
    raise IpamError(f"failed to request IPv4 addresses: no more free addresses in the pools {', '.join(str(pool.cidr) for pool in pools)}")


def _wanted_pools(pod: Mapping[str, Any]) -> list[str] | None:
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    for key in _UNSUPPORTED:
        if annotations.get(key):
            raise IpamError(f"annotation {key} is not supported by the embedded engine")
    text = annotations.get(POOLS_ANNOTATION)
    if not text:
        return None
    try:
        wanted = json.loads(text)
    except ValueError as error:
        raise IpamError(f"failed to parse '{text}' as JSON: {error}") from None
    if not isinstance(wanted, list) or not all(isinstance(entry, str) for entry in wanted):
        raise IpamError(f"annotation {POOLS_ANNOTATION} must be a JSON list of pool names or CIDRs, not {text}")
    return wanted


def _pools_for(store: Store, node: Node, pod: Mapping[str, Any]) -> list[Pool]:
    wanted = _wanted_pools(pod)
    namespace = store.find(NAMESPACES, None, pod["metadata"].get("namespace", "default")) or {"metadata": {}}
    labels = namespace["metadata"].get("labels") or {}
    found = []
    for pool in pools_of(datastore.scan(store, "ippools")):
        named = wanted is not None and (pool.name in wanted or str(pool.cidr) in wanted)
        if pool.disabled or not pool.workloads or not (named if wanted is not None else pool.automatic):
            continue
        try:
            inside = not pool.namespace_selector or selector.matches(pool.namespace_selector, labels)
        except selector.SelectorError:
            inside = False
        if pool.selects(node) and inside:
            found.append(pool)
    if not found:
        raise IpamError("no configured Calico pools" if wanted is None else f"no enabled IP pool matches {json.dumps(wanted)} on {node.name}")
    return found


def _held(store: Store, handle: str) -> list[IPv4Address]:
    entry = datastore.find(store, "ipamhandles", _handle_name(handle))
    found: list[IPv4Address] = []
    for cidr in ((entry or {}).get("spec") or {}).get("block") or {}:
        obj = datastore.find(store, "ipamblocks", block.block_name(IPv4Network(cidr)))
        if obj is not None:
            found += block.addresses_of(obj["spec"], handle)
    return found


def _inside(spec: Mapping[str, Any], pools: Iterable[Pool]) -> bool:
    network = block.cidr_of(spec)
    return any(network.subnet_of(pool.cidr) for pool in pools)


def _take(store: Store, obj: Object, handle: str, secondary: Mapping[str, str]) -> IPv4Address | None:
    address = block.allocate(obj["spec"], handle, secondary)
    if address is None:
        return None
    datastore.update(store, "ipamblocks", obj)
    name, cidr = _handle_name(handle), obj["spec"]["cidr"]
    entry = datastore.find(store, "ipamhandles", name)
    if entry is None:
        datastore.create(store, "ipamhandles", name, {"block": {cidr: 1}, "deleted": False, "handleID": handle})
    else:
        held = entry["spec"].setdefault("block", {})
        held[cidr] = held.get(cidr, 0) + 1
        datastore.update(store, "ipamhandles", entry)
    return address


def _first(store: Store, pools: list[Pool], handle: str, secondary: Mapping[str, str], mine: Callable[[str], bool]) -> IPv4Address | None:
    for shared in datastore.scan(store, "ipamblocks"):
        if mine(block.owner(shared["spec"])) and _inside(shared["spec"], pools) and shared["spec"].get("unallocated"):
            obj = datastore.find(store, "ipamblocks", shared["metadata"]["name"])
            address = _take(store, obj, handle, secondary) if obj is not None else None
            if address is not None:
                return address
    return None


def _from_own_blocks(store: Store, node: str, pools: list[Pool], handle: str, secondary: Mapping[str, str], strict: bool, limit: int) -> IPv4Address | None:
    return _first(store, pools, handle, secondary, lambda owner: owner == node)


def _from_new_block(store: Store, node: str, pools: list[Pool], handle: str, secondary: Mapping[str, str], strict: bool, limit: int) -> IPv4Address | None:
    specs = [obj["spec"] for obj in datastore.scan(store, "ipamblocks")]
    if sum(block.owner(spec) == node for spec in specs) >= limit:
        return None
    taken = [block.cidr_of(spec) for spec in specs]
    for pool in pools:
        inside = [cidr for cidr in taken if cidr.overlaps(pool.cidr)]
        for cidr in block.candidates(pool.cidr, pool.block_size, node):
            if any(cidr.overlaps(other) for other in inside):
                continue
            return _take(store, claim(store, node, cidr, strict=strict), handle, secondary)
    return None


def _from_other_nodes(store: Store, node: str, pools: list[Pool], handle: str, secondary: Mapping[str, str], strict: bool, limit: int) -> IPv4Address | None:
    return _first(store, pools, handle, secondary, lambda owner: owner != node)


def claim(store: Store, node: str, cidr: IPv4Network, *, strict: bool = False) -> Object:
    """Make the block and its affinity. Raises AlreadyExists when another node has it."""
    obj = datastore.create(store, "ipamblocks", block.block_name(cidr), block.new_block(cidr, node, strict=strict))
    name = block.affinity_name(node, cidr)
    datastore.delete(store, "blockaffinities", name)
    datastore.create(store, "blockaffinities", name, {"cidr": str(cidr), "deleted": "false", "node": node, "state": "confirmed", "type": "host"})
    return obj


def release_now(store: Store, handle: str) -> list[IPv4Address]:
    """`release` for callers that are not coroutines; returns what was freed."""
    name = _handle_name(handle)
    entry = datastore.find(store, "ipamhandles", name)
    freed: list[IPv4Address] = []
    for cidr in ((entry or {}).get("spec") or {}).get("block") or {}:
        obj = datastore.find(store, "ipamblocks", block.block_name(IPv4Network(cidr)))
        if obj is not None:
            freed += block.release(obj["spec"], handle)
            datastore.update(store, "ipamblocks", obj)
    if entry is not None:
        datastore.delete(store, "ipamhandles", name)
    return freed


def release_node(store: Store, node: str) -> None:
    """Forget a node that left the cluster: its addresses, its blocks, its affinities. A block with borrowed addresses stays, without owner."""
    for obj in datastore.scan(store, "ipamblocks"):
        for _, handle, secondary in block.holders(obj["spec"]):
            if secondary.get("node") == node:
                release_now(store, handle)
    for obj in list(datastore.scan(store, "ipamblocks")):
        if block.owner(obj["spec"]) != node:
            continue
        own = datastore.find(store, "ipamblocks", obj["metadata"]["name"])
        if own is not None and block.holders(own["spec"]):
            own["spec"].pop("affinity", None)
            datastore.update(store, "ipamblocks", own)
        else:
            datastore.delete(store, "ipamblocks", obj["metadata"]["name"])
    for obj in list(datastore.scan(store, "blockaffinities")):
        if obj["spec"].get("node") == node:
            datastore.delete(store, "blockaffinities", obj["metadata"]["name"])


def leaked(store: Store) -> list[str]:
    """Handles of pods that are no longer in the cluster (or are another pod's by now: the address in its status differs)."""
    pods = {(obj["metadata"].get("namespace"), obj["metadata"]["name"]): obj for obj in store.scan(PODS)}
    found = []
    for obj in datastore.scan(store, "ipamblocks"):
        for address, handle, secondary in block.holders(obj["spec"]):
            if "pod" not in secondary:
                continue
            pod = pods.get((secondary.get("namespace"), secondary["pod"]))
            if pod is None:
                found.append(handle)
                continue
            status = pod.get("status") or {}
            ended = status.get("phase") in ("Succeeded", "Failed")
            moved = bool(status.get("podIP")) and status["podIP"] != str(address)
            if ended or moved or pod.get("spec", {}).get("nodeName") not in (None, "", secondary.get("node")):
                found.append(handle)
    return found
