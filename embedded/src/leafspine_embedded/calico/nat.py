"""natOutgoing and the loop prevention for service ranges, as one nftables table of the node's namespace.

Traffic from a pool with natOutgoing to an address outside all pools gets the node's address (Calico's cali-nat-outgoing). Traffic to an
advertised service range that reaches FORWARD was translated by nobody, so no such service exists: it is dropped (cali-cidr-block) instead
of running in circles between node and leaf.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, collapse_addresses

from leafspine_embedded.common import netns

from .model import BgpConfiguration, Pool

TABLE = "leafspine-calico"


class NatError(Exception):
    """nft refused; the text is its own."""


def _elements(networks: Iterable[IPv4Network]) -> str:
    listed = ", ".join(str(network) for network in collapse_addresses(networks))
    return f" elements = {{ {listed} }};" if listed else ""


def render(pools: Sequence[Pool], config: BgpConfiguration) -> str:
    """The input for `nft -f`: replaces the whole table in one transaction."""
    every = [pool.cidr for pool in pools]
    masqueraded = [pool.cidr for pool in pools if pool.nat_outgoing]
    ranges = {*config.cluster_ips, *config.external_ips, *config.load_balancer_ips}
    kind = "type ipv4_addr; flags interval;"
    return "\n".join(
        [
            f"table ip {TABLE} {{}}",
            f"delete table ip {TABLE}",
            f"table ip {TABLE} {{",
            f"  set all-pools {{ {kind}{_elements(every)} }}",
            f"  set masq-pools {{ {kind}{_elements(masqueraded)} }}",
            f"  set service-ranges {{ {kind}{_elements(ranges)} }}",
            "  chain nat-outgoing {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            "    ip saddr @masq-pools ip daddr != @all-pools masquerade fully-random",
            "  }",
            "  chain cidr-block {",
            "    type filter hook forward priority filter; policy accept;",
            "    ip daddr @service-ranges drop",
            "  }",
            "}",
            "",
        ]
    )


async def present(namespace: str, timeout: float = 10.0) -> bool:
    """Whether the table with its chains is there; somebody may have flushed the rules of the node."""
    process = await asyncio.create_subprocess_exec(
        *netns.prefix(namespace),
        *("nft", "-t", "list", "chain", "ip", TABLE, "nat-outgoing"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    return process.returncode == 0 and b"masquerade" in output


async def apply(namespace: str, text: str, timeout: float = 10.0) -> None:
    """Load a rendered table in a namespace. Raises NatError."""
    process = await asyncio.create_subprocess_exec(
        *netns.prefix(namespace),
        "nft",
        "-f",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(text.encode()), timeout)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NatError(f"nft did not end within {timeout:g} s") from None
    if process.returncode != 0:
        raise NatError(errors.decode(errors="replace").strip() or f"nft ended with {process.returncode}")
