# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Known troubles of a machine and of a running lab, each with what mends it. Pure functions over facts that tools/lab_doctor.py gathers.

``machine`` facts (None where something could not be found out): {system: {id, version}, root: bool, free_mb, memory_mb, namespaces: text of
what went wrong when one was tried ("" for nothing), missing: [program], bgp_listeners: [text of a socket on port 179 of the host],
bridge_nf: bool, forward_drop: bool, bridge_accepts: [bridge with an accept rule], bridges: [bridge that exists], management_route: device that
leads to the management subnet or "", limits: {sysctl: value}, proxy: [variables that are set], no_proxy: text}.

``lab`` facts: {state (lab_state), outputs: {router: outputs of router_checks.LOOK}, objects: API objects or None, rp_filter: {device:
{interface: value}}, namespaces: [name], tcp: {"ping": bool, "tcp": bool, "full": bool} between pods of two racks or None}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import checks, cluster_checks, router_checks

Facts = Mapping[str, Any]
Fabric = Mapping[str, Any]
Finding = dict[str, str]

# The lowest version of each system that the lab is made for (role preflight has the same).
SYSTEMS = {"debian": (12,), "ubuntu": (24, 4)}
LEAST_MEMORY_MB, LEAST_DISK_MB = 1200, 500
LEAST_LIMITS = {"fs.inotify.max_user_instances": 128, "fs.inotify.max_user_watches": 8192}
LONG_HOLD = 30  # seconds after which a silently dead link is noticed, when only BGP's hold time looks


HINTS = {"Idle": "AS numbers and passwords must be the other side's", "not configured": "./lab up --tags vyos_fabric"}


def finding(where: str, found: str, mend: str) -> Finding:
    return {"where": where, "found": found, "mend": mend}


# --- the machine ---------------------------------------------------------------------------------------------------------


def system(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """A supported distribution"""
    known, version = facts["system"]["id"], facts["system"]["version"]
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if known not in SYSTEMS or (numbers and numbers < SYSTEMS[known]):
        yield finding("machine", f"{known or 'an unknown system'} {version}", "the lab is made for Debian 12 and Ubuntu 24.04 or later; others are not tried")


def rights(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Root, or sudo"""
    if not facts["root"]:
        yield finding("machine", "you are not root and sudo does not work without a password", "run as root, or let sudo ask: ./lab up asks once")


def room(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Memory and disk"""
    if facts["memory_mb"] is not None and facts["memory_mb"] < LEAST_MEMORY_MB:
        yield finding("machine", f"{facts['memory_mb']} MB of memory available", f"{LEAST_MEMORY_MB} MB are needed; end something, or take a bigger machine")
    if facts["free_mb"] is not None and facts["free_mb"] < LEAST_DISK_MB:
        yield finding("machine", f"{facts['free_mb']} MB free for /var/lib/leafspine", f"{LEAST_DISK_MB} MB are needed; make room")


def namespaces(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Network namespaces, veths, bridges and NAT can be made"""
    if facts["namespaces"]:
        yield finding(
            "machine", facts["namespaces"], "a container needs --privileged, a kernel the modules veth, bridge and nf_nat: sudo modprobe veth bridge nf_nat"
        )


def programs(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Programs that the lab runs"""
    if facts["missing"]:
        yield finding("machine", f"missing: {' '.join(facts['missing'])}", "./lab up installs them (role preflight)")


def bgp_on_the_host(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """No routing daemon of the machine itself"""
    for listener in facts["bgp_listeners"]:
        yield finding("machine", f"a BGP daemon of the machine itself listens: {listener}", "if you do not need it: sudo systemctl disable --now frr bird")


def docker_forward(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Bridged traffic of racks passes the machine's firewall"""
    if facts["bridge_nf"] and facts["forward_drop"]:
        for bridge in sorted({one["name"] for one in fabric["bridges"]} & set(facts["bridges"]) - set(facts["bridge_accepts"])):
            yield finding(
                bridge,
                "FORWARD drops by default (Docker does that), br_netfilter is on, and no rule accepts this bridge",
                "./lab up --tags linux_bridges keeps that rule",
            )


def management(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """The management subnet is the lab's"""
    if facts["management_route"] not in ("", fabric["management"]["bridge"]):
        yield finding(
            "machine",
            f"{fabric['management']['subnet']} is reached by {facts['management_route']}, which is not the lab's",
            "choose another management_subnet in fabric.yml",
        )


def limits(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Kernel limits"""
    for name, least in LEAST_LIMITS.items():
        value = facts["limits"].get(name)
        if value is not None and value < least:
            yield finding("machine", f"{name} is {value}", f"sudo sysctl -w {name}={least * 4} (too many open files otherwise)")


def proxy(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """No proxy between you and the lab"""
    api = next((server["address"] for server in fabric["servers"] if server["role"] == "control-plane"), "")
    if facts["proxy"] and not _excepted(api, facts["no_proxy"]):
        yield finding(
            "machine", f"{' '.join(facts['proxy'])} is set, NO_PROXY has no exception for {api}", f"export NO_PROXY={api},{facts['no_proxy']}".rstrip(",")
        )


def _excepted(address: str, no_proxy: str) -> bool:
    for part in (one.strip() for one in no_proxy.split(",")):
        try:
            if part == "*" or (part and IPv4Network(f"{address}/32").subnet_of(IPv4Network(part, strict=False))):
                return True
        except ValueError:
            continue  # a name
    return False


# --- the running lab -----------------------------------------------------------------------------------------------------


def half_gone(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """All of the lab is there, or nothing"""
    missing = [router["name"] for router in facts["state"]["routers"] if not router["up"]]
    if missing and len(missing) < len(facts["state"]["routers"]):
        yield finding(" ".join(missing), "does not answer while others do", "./lab up makes it anew; or look: ./lab collect")
    elif missing and facts["namespaces"]:
        yield finding("lab", f"no router answers, but namespaces are left: {' '.join(facts['namespaces'][:4])}", "./lab down, then ./lab up")


def kernel_routes(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """The kernel has every next hop that BGP uses (FRR 8.4 loses some after a flap)"""
    for name, outputs in facts["outputs"].items():
        answers, problems = router_checks.read(name, outputs)
        if problems:
            continue
        kernel = {entry["dst"]: max(1, len(entry.get("nexthops", []))) for entry in answers["routes"]}
        for prefix, paths in answers["table"].get("routes", {}).items():
            used = [path for path in paths if path.get("valid") and (path.get("bestpath") or path.get("multipath"))]
            hops = {hop["ip"] for path in used for hop in path.get("nexthops", [])} - {"0.0.0.0"}
            if len(hops) > kernel.get(prefix, 0):
                yield finding(
                    name,
                    f"BGP spreads {prefix} over {len(hops)} next hops, the kernel has {kernel.get(prefix, 0)}",
                    f"zebra must run with 'no zebra nexthop kernel enable'; at once: ./lab shell {name} reset ip bgp all",
                )


def reverse_path(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """No strict reverse path filter where paths are asymmetric"""
    for device, values in facts["rp_filter"].items():
        strict = sorted(name for name, value in values.items() if name not in ("all", "default", "lo") and max(value, values.get("all", 0)) == 1)
        if strict:
            yield finding(
                device,
                f"rp_filter is strict on {' '.join(strict)}: replies that come by the other spine are dropped",
                f"set net.ipv4.conf.*.rp_filter to 2 in the namespace of {device}; ./lab up does it for new devices",
            )


def management_leak(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """No route to the fabric leads over the management network"""
    inside = [IPv4Network(rack["subnet"]) for rack in fabric["racks"]] + [IPv4Network(fabric["cluster"]["pod_subnet"])]
    for router in fabric["routers"]:
        answers, problems = router_checks.read(router["name"], facts["outputs"].get(router["name"], []))
        for entry in [] if problems else answers["routes"]:
            over_management = entry.get("dev") == router["management"]["interface"] and entry["dst"] != "default"
            if over_management and any(IPv4Network(entry["dst"]).overlaps(one) for one in inside):
                yield finding(router["name"], f"{entry['dst']} leads over {entry['dev']}", f"./lab up --limit {router['name']}; look for a static route")


def mtu(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Both ends of a link have one MTU, and full packets pass"""
    ports: dict[tuple[str, str], int] = {}
    for name, outputs in facts["outputs"].items():
        answers, problems = router_checks.read(name, outputs)
        if not problems:
            ports |= {(name, link["ifname"]): link["mtu"] for link in answers["interfaces"]}
    for link in fabric["links"]:
        ends = [(link[end]["device"], link[end]["interface"]) for end in "ab"]
        values = [ports[end] for end in ends if end in ports]
        if len(set(values)) > 1:
            yield finding(" ".join(ends[0]), f"MTU {values[0]}, at {' '.join(ends[1])} {values[1]}", "one mtu in fabric.yml; ./lab up --tags vyos_fabric")
    if facts["tcp"] and facts["tcp"]["ping"] and not facts["tcp"]["full"]:
        yield finding("pods of two racks", "small packets pass, full ones do not", "some interface on the way has a smaller MTU: ./lab verify names it")


def checksums(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """TCP passes where ping does (checksum offload of veths)"""
    if facts["tcp"] and facts["tcp"]["ping"] and not facts["tcp"]["tcp"]:
        yield finding("pods of two racks", "ping passes, TCP does not", "checksum offload: ethtool -K INTERFACE tx off on the veths on the way; or a firewall")


def slow_detection(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """A link that dies silently is noticed soon"""
    for router in fabric["routers"]:
        for one in router["neighbors"]:
            hold = (one.get("timers") or {}).get("holdtime") or 180
            if one["type"] == "ebgp" and not one["bfd"] and hold > LONG_HOLD:
                yield finding(router["name"], f"session with {one['device']}: no BFD, hold time {hold} s", "bgp.bfd.enabled: true in fabric.yml")


def cluster(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Nodes, labels, addresses and Calico's peers are the fabric's"""
    if facts["objects"] is None:
        yield finding("Kubernetes API", "it does not answer", "./lab up; its log: server.log, see the embedded engine's page")
        return
    judged = cluster_checks.node_object_checks(fabric["servers"], facts["objects"]["nodes"]) + cluster_checks.calico_checks(dict(fabric), facts["objects"])
    for one in checks.failed(judged):
        yield finding(
            one["where"], f"{one['what']}: {one['found']} instead of {one['expected']}", f"./lab up --tags kind_cluster,calico_bgp; look: ./lab {one['look']}"
        )


def sessions(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Sessions are established"""
    for one in facts["state"]["sessions"]:
        if one["state"] not in ("Established", "unknown"):
            hint = HINTS.get(one["state"], "is the link up, does the other side know this one, are the passwords the same?")
            found = f"session with {one['peer']} ({one['address']}): {one['state']}"
            yield finding(one["router"], found, f"{hint}; ./lab shell {one['router']} show bgp neighbors {one['address']}")


def drift(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Routers are configured as intended"""
    for router, lines in facts["state"]["drift"].items():
        if lines:
            yield finding(router, f"{len(lines)} lines differ from the intent, the first: {lines[0]}", f"./lab up --tags vyos_fabric --limit {router}")


def crashes(fabric: Fabric, facts: Facts) -> Iterator[Finding]:
    """Nothing was given up, no pod crashes"""
    for one in facts["state"]["crashes"]:
        if one.get("gave_up"):
            yield finding(one["process"], f"{one['reason']}, started again too often", "its log: ./lab collect; then ./lab up")
    for pod in facts["state"]["pods"]:
        if not pod["ready"]:
            namespace, name = pod["name"].split("/")
            yield finding(f"pod {pod['name']}", f"not ready: {pod['reason'] or 'no reason given'}", f"./lab kubectl -n {namespace} describe pod {name}")


Diagnosis = Callable[[Fabric, Facts], Iterator[Finding]]
MACHINE: tuple[Diagnosis, ...] = (system, rights, room, namespaces, programs, bgp_on_the_host, docker_forward, management, limits, proxy)
LAB: tuple[Diagnosis, ...] = (
    *(half_gone, sessions, kernel_routes, reverse_path, management_leak, mtu, checksums),
    *(slow_detection, cluster, drift, crashes),
)


def examine(fabric: Fabric, machine: Facts, lab: Facts | None) -> list[dict[str, Any]]:
    """Every diagnosis: {name, title, findings}. ``lab`` None: none runs, only the machine is examined."""
    jobs = [(one, machine) for one in MACHINE] + [(one, lab) for one in LAB if lab is not None]
    return [
        {"name": one.__name__, "title": (one.__doc__ or "").splitlines()[0], "findings": list(one(fabric, facts)) if facts is not None else []}
        for one, facts in jobs
    ]


def text(examined: list[dict[str, Any]], running: bool) -> str:
    """Troubles first, each with what mends it; then what is well."""
    lines = []
    for one in examined:
        for found in one["findings"]:
            lines += [f"TROUBLE  {found['where']}: {found['found']}", f"    mend {found['mend']}"]
    good = [one["title"] for one in examined if not one["findings"]]
    if lines:
        lines.append("")
    lines += [f"ok       {title}" for title in good]
    if not running:
        lines += ["", "no lab runs: only the machine was examined"]
    return "\n".join(lines)
