"""Address blocks: which one a node gets, and who holds which address of it. Pure functions on IPAMBlock specs.

A spec is Calico's own: `cidr`, `affinity` ("host:<node>"), `allocations` (for each address the index of its entry in `attributes`, or
null), `attributes` (`handle_id`, `secondary`), `unallocated` (offsets in the order they will be given out; a released one goes to the end,
so an address is not reused at once).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Spec = dict[str, Any]


def block_name(cidr: IPv4Network) -> str:
    """10.244.226.192/26 -> 10-244-226-192-26, the name of the IPAMBlock."""
    return str(cidr).replace(".", "-").replace("/", "-")


def affinity_name(node: str, cidr: IPv4Network) -> str:
    """The name of the BlockAffinity."""
    return f"{node}-{block_name(cidr)}"


def candidates(pool: IPv4Network, size: int, node: str) -> Iterator[IPv4Network]:
    """Every block of the pool once, in an order that only the node's name decides: nodes rarely compete for one block.

    size: prefix length of a block, at least the pool's own.
    """
    count = 1 << max(0, size - pool.prefixlen)
    digest = int.from_bytes(hashlib.sha256(f"{node} {pool}".encode()).digest()[:16], "big")
    first, step = digest % count, (digest >> 64) | 1  # count is a power of two: every odd step visits all blocks
    base = int(pool.network_address)
    for number in range(count):
        yield IPv4Network((base + ((first + number * step) % count << (32 - size)), size))


def new_block(cidr: IPv4Network, node: str, *, strict: bool = False) -> Spec:
    """An empty block with an affinity to the node."""
    return {
        "affinity": f"host:{node}",
        "allocations": [None] * cidr.num_addresses,
        "attributes": [],
        "cidr": str(cidr),
        "deleted": False,
        "sequenceNumber": 0,
        "sequenceNumberForAllocation": {},
        "strictAffinity": strict,
        "unallocated": list(range(cidr.num_addresses)),
    }


def owner(spec: Mapping[str, Any]) -> str:
    """The node of the block's affinity; empty when nobody has it."""
    kind, _, node = str(spec.get("affinity") or "").partition(":")
    return node if kind == "host" else ""


def cidr_of(spec: Mapping[str, Any]) -> IPv4Network:
    return IPv4Network(spec["cidr"])


def addresses_of(spec: Mapping[str, Any], handle: str) -> list[IPv4Address]:
    """The addresses of the block that the handle holds."""
    attributes, base = spec.get("attributes") or [], cidr_of(spec).network_address
    return [base + i for i, index in enumerate(spec.get("allocations") or []) if index is not None and attributes[index].get("handle_id") == handle]


def allocate(spec: Spec, handle: str, secondary: Mapping[str, str]) -> IPv4Address | None:
    """Give the next free address to the handle; changes the spec. None when the block is full."""
    if not spec["unallocated"]:
        return None
    offset = spec["unallocated"].pop(0)
    spec["attributes"].append({"handle_id": handle, "secondary": dict(secondary)})
    spec["allocations"][offset] = len(spec["attributes"]) - 1
    spec["sequenceNumber"] = spec.get("sequenceNumber", 0) + 1
    spec.setdefault("sequenceNumberForAllocation", {})[str(offset)] = spec["sequenceNumber"]
    return cidr_of(spec).network_address + int(offset)


def release(spec: Spec, handle: str) -> list[IPv4Address]:
    """Take back everything the handle holds in the block; changes the spec."""
    freed = addresses_of(spec, handle)
    base = int(cidr_of(spec).network_address)
    for address in freed:
        offset = int(address) - base
        spec["allocations"][offset] = None
        spec["unallocated"].append(offset)
        spec.get("sequenceNumberForAllocation", {}).pop(str(offset), None)
    if freed:
        spec["sequenceNumber"] = spec.get("sequenceNumber", 0) + 1
        _drop_unused_attributes(spec)
    return freed


def _drop_unused_attributes(spec: Spec) -> None:
    used = sorted({index for index in spec["allocations"] if index is not None})
    place = {old: new for new, old in enumerate(used)}
    spec["attributes"] = [spec["attributes"][index] for index in used]
    spec["allocations"] = [None if index is None else place[index] for index in spec["allocations"]]


def holders(spec: Mapping[str, Any]) -> list[tuple[IPv4Address, str, dict[str, str]]]:
    """(address, handle, secondary attributes) of every address in use."""
    attributes, base = spec.get("attributes") or [], cidr_of(spec).network_address
    return [
        (base + i, attributes[index].get("handle_id") or "", dict(attributes[index].get("secondary") or {}))
        for i, index in enumerate(spec.get("allocations") or [])
        if index is not None
    ]
