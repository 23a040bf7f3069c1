"""UDP clients keep sending from one port, so a connection-tracking entry could lead to a removed endpoint for ever: those entries are deleted.

TCP needs nothing of the kind: a dead endpoint resets or times out, and the next connection is tracked anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterable

from leafspine_embedded.common import netns

from .model import ServicePort

Stale = tuple[str, int, str]  # (service address or "", port, endpoint address)


def stale(before: Iterable[ServicePort], after: Iterable[ServicePort]) -> list[Stale]:
    """What to forget: UDP endpoints that left a service, and services that got their first endpoint (their packets were refused until then)."""
    now = {(port.namespace, port.service, port.name): port for port in after if port.protocol == "udp"}
    found: list[Stale] = []
    for port in before:
        if port.protocol != "udp":
            continue
        current = now.get((port.namespace, port.service, port.name))
        left = {endpoint.address for endpoint in port.endpoints} - {endpoint.address for endpoint in (current.endpoints if current else ())}
        for address in sorted(left):
            found += [(where, port.port, address) for where in (port.cluster_ip, *port.external_ips)]
            found += [("", port.node_port, address)] if port.node_port else []
        if current is not None and not port.endpoints and current.endpoints:
            found += [(where, port.port, "") for where in (port.cluster_ip, *port.external_ips)]
    return found


async def forget(namespace: str, entries: Iterable[Stale]) -> None:
    """Delete the entries in a node's namespace with conntrack(8); without that program they time out by themselves after 30 to 120 s."""
    program = shutil.which("conntrack")
    for address, port, endpoint in entries if program else ():
        arguments = ["-D", "-p", "udp", "--orig-port-dst", str(port)]
        arguments += ["--orig-dst", address] if address else []
        arguments += ["--reply-src", endpoint] if endpoint else []
        child = await asyncio.create_subprocess_exec(
            *netns.prefix(namespace), str(program), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await child.wait()
