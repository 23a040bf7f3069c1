"""ipam show, ipam check: what the datastore's blocks say."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from leafspine_embedded.calico import blocks

from .arguments import Arguments
from .crud import Result
from .datastore import Calico
from .errors import CommandError, ResourceError
from .kinds import BY_NAME, Object
from .session import connected
from .tables import boxed

_HEADINGS = ("GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS FREE")


def _number(value: float) -> str:
    """Go's %.5g."""
    return f"{value:.5g}"


def _row(kind: str, cidr: str, capacity: int, used: int) -> list[str]:
    def share(part: int) -> str:
        return f"{_number(part)} ({100 * part / capacity:.0f}%)"

    return [kind, cidr, _number(capacity), share(used), share(capacity - used)]


def _specs(calico: Calico) -> list[Object]:
    found = [obj["spec"] for obj in calico.stored("ipamblocks")]
    # Sorted as the datastore lists them, by their names: 10-244-226-192-26 comes before 10-244-53-0-26.
    return sorted(found, key=lambda spec: blocks.block_name(blocks.cidr_of(spec)))


def _used(spec: Mapping[str, Any]) -> int:
    return sum(index is not None for index in spec.get("allocations") or [])


def _utilisation(calico: Calico, show_blocks: bool) -> str:
    specs, rows = _specs(calico), []
    for pool in calico.list_all(BY_NAME["IPPool"])["items"]:
        network = IPv4Network(pool["spec"]["cidr"])
        inside = [spec for spec in specs if blocks.cidr_of(spec).subnet_of(network)]
        rows.append(_row("IP Pool", str(network), network.num_addresses, sum(map(_used, inside))))
        if show_blocks:
            rows += [_row("Block", spec["cidr"], blocks.cidr_of(spec).num_addresses, _used(spec)) for spec in inside]
        specs = [spec for spec in specs if spec not in inside]
    if show_blocks:
        rows += [_row("Block", spec["cidr"], blocks.cidr_of(spec).num_addresses, _used(spec)) for spec in specs]
    return boxed(_HEADINGS, rows, "llrll")


def _address(calico: Calico, text: str) -> str:
    try:
        address = IPv4Address(text)
    except ValueError:
        raise CommandError(f"Error executing command: invalid IP address specified: {text}", stdout=True) from None
    for spec in _specs(calico):
        for held, handle, secondary in blocks.holders(spec):
            if held == address:
                lines = [f"IP {address} is in use", f"Handle ID: {handle or '<none>'}"]
                if secondary:
                    lines += ["Active Owner Attributes:", *(f"  {key}: {secondary[key]}" for key in sorted(secondary))]
                else:
                    lines.append("No Active Owner attributes defined")
                return "\n".join(lines) + "\n"
    return f"{address} is not assigned\n"


def _borrowed(calico: Calico) -> str:
    rows = []
    for spec in _specs(calico):
        for address, _, secondary in blocks.holders(spec):
            if secondary.get("node") and secondary["node"] != blocks.owner(spec):
                pod = f"{secondary.get('namespace', '')}/{secondary['pod']}" if secondary.get("pod") else ""
                rows.append([str(address), secondary["node"], spec["cidr"], blocks.owner(spec), "pod" if pod else "", pod])
    return boxed(("IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"), rows)


def _configuration(calico: Calico) -> str:
    stored: Object = next((obj["spec"] for obj in calico.stored("ipamconfigs") if obj["metadata"]["name"] == "default"), {})
    values = {
        "StrictAffinity": stored.get("strictAffinity", False),
        "AutoAllocateBlocks": stored.get("autoAllocateBlocks", True),
        "MaxBlocksPerHost": stored.get("maxBlocksPerHost", 0),
    }
    return boxed(("PROPERTY", "VALUE"), [[name, str(value).lower()] for name, value in values.items()])


def show(args: Arguments) -> Result:
    calico = connected(args)
    try:
        if "ip" in args.values:
            return Result(_address(calico, args.values["ip"]))
        if "show-borrowed" in args.flags:
            return Result(_borrowed(calico))
        if "show-configuration" in args.flags:
            return Result(_configuration(calico))
        return Result(_utilisation(calico, "show-blocks" in args.flags))
    except ResourceError as error:
        raise CommandError(str(error)) from None


def check(args: Arguments) -> Result:
    """Compare blocks, handles and pods; a shorter report than the real tool's, with the same counts and the same last line."""
    calico = connected(args)
    try:
        specs = _specs(calico)
        handles = {obj["spec"].get("handleID") or obj["metadata"]["name"] for obj in calico.stored("ipamhandles")}
        pools = [IPv4Network(pool["spec"]["cidr"]) for pool in calico.list_all(BY_NAME["IPPool"])["items"] if not pool["spec"].get("disabled")]
        endpoints = {
            IPv4Address(network.split("/")[0]): f"{item['metadata']['namespace']}/{item['spec']['pod']}"
            for item in calico.list_all(BY_NAME["WorkloadEndpoint"])["items"]
            for network in item["spec"].get("ipNetworks") or []
        }
    except ResourceError as error:
        raise CommandError(str(error)) from None
    held = {address: (handle, secondary) for spec in specs for address, handle, secondary in blocks.holders(spec)}
    lines = [
        "Checking IPAM for inconsistencies...",
        "",
        "Loading all IPAM blocks...",
        f"Found {len(specs)} IPAM blocks.",
        *(f" IPAM block {spec['cidr']} affinity={spec.get('affinity') or '<none>'}:" for spec in specs),
        f"IPAM blocks record {len(held)} allocations.",
        "",
        "Loading all IPAM pools...",
        *(f"  {pool}" for pool in pools),
        f"Found {len(pools)} active IP pools.",
        "",
        "Loading all workload endpoints.",
        f"Found {len(endpoints)} workload IPs.",
        "",
    ]
    leaked = sorted(address for address, (_, secondary) in held.items() if "pod" in secondary and address not in endpoints)
    outside = sorted(address for address in endpoints if not any(address in pool for pool in pools))
    missing = sorted(address for address in endpoints if address not in held and address not in outside)
    used = {handle for handle, _ in held.values()}
    lost, idle = sorted(used - handles), sorted(handles - used)
    detail = "show-problem-ips" in args.flags or "show-all-ips" in args.flags
    lines.append("Scanning for IPs that are allocated but not actually in use...")
    lines += [f"  {address} leaked; attrs {held[address][1]}" for address in leaked] if detail else []
    lines.append(f"Found {len(leaked)} IPs that are allocated in IPAM but not actually in use.")
    lines.append("Scanning for IPs that are in use by a workload or node but not allocated in IPAM...")
    lines += [f"  {address} in use by {endpoints[address]} and in active IPAM pool but has no IPAM allocation." for address in missing] if detail else []
    lines += [
        f"Found {len(outside)} in-use IPs that are not in active IP pools.",
        f"Found {len(missing)} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.",
        "",
        "Scanning for IPAM handles with no matching IPs...",
        f"Found {len(idle)} handles with no matching IPs (and {len(handles) - len(idle)} handles with matches).",
        "Scanning for IPs with missing handle...",
        f"Found {len(lost)} handles mentioned in blocks with no matching handle resource.",
        f"Check complete; found {len(leaked) + len(outside) + len(missing) + len(idle) + len(lost)} problems.",
    ]
    return Result("\n".join(lines) + "\n")
