# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers and the world outside as the other side of pods and nodes: what they reach, whom they see. Pure functions.

Routers are asked through their command line. What they see is captured there while pods and nodes send in the background, detached:
each pod pings every router, the lab's outside and the other nodes; each node pings the outside.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import flows
from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check, no_answer
from ansible_collections.leafspine.calico.plugins.module_utils.pod_traffic import IP_AND_ICMP, answers_of, app_pods

Device = dict[str, Any]
View = Mapping[str, Any]
Outputs = Mapping[str, Mapping[str, str]]

CAPTURE_SECONDS = 2
NODE_PORT_TRIES = 6
SERVICE_TRIES = 24


# --- traffic in the background -------------------------------------------------------------------------------------------


def background(fabric: Device, view: View, seconds: int, nodes: bool = True, flows_only: bool = False) -> list[Device]:
    """Probes that start traffic and end at once, for the module ``probes``: flows and pings from pods, pings from nodes.

    ``seconds``: how long it goes on unless it is stopped. ``nodes``: whether commands can be run on nodes. ``flows_only``: no pings.
    """
    found = []
    for pod in app_pods(view):
        texts = [flows.sender(fabric, view, pod, seconds), *([] if flows_only else _pings(_targets(fabric, pod["server"]), seconds))]
        if any(texts):
            found.append(_in_pod(pod, "background", _start(pod["server"], texts)))
    if nodes and not flows_only:
        for server in fabric["servers"]:
            found.append(_on_node(server, "node background", _start(f"{server['name']}-node", _pings([fabric["management"]["gateway"]], seconds))))
    return found


def stop_background(fabric: Device, view: View, nodes: bool = True) -> list[Device]:
    """Probes that end what ``background`` started."""
    found = [_in_pod(pod, "stop", _stop(pod["server"])) for pod in app_pods(view)]
    return found + ([_on_node(server, "node stop", _stop(f"{server['name']}-node")) for server in fabric["servers"]] if nodes else [])


def _in_pod(pod: Device, name: str, text: str) -> Device:
    return {"name": f"{pod['server']} {name}", "pod": pod["name"], "namespace": pod["namespace"], "command": ["sh", "-c", text], "timeout": 10}


def _on_node(server: Device, name: str, text: str) -> Device:
    return {"name": f"{server['name']} {name}", "node": server["node"], "command": ["sh", "-c", text], "timeout": 10}


def _start(name: str, commands: list[str]) -> str:
    """Shell text that ends what a former run left and starts the commands detached; their numbers are kept in a file."""
    body = " ".join(f"{command} & echo $! >>{_file(name)};" for command in commands if command)
    return f"{_stop(name)}; ({body}) >/dev/null 2>&1 </dev/null"


def _stop(name: str) -> str:
    return f"if [ -f {_file(name)} ]; then kill $(cat {_file(name)}) 2>/dev/null; rm -f {_file(name)}; fi; true"


def _file(name: str) -> str:
    return f"/tmp/leafspine-traffic-{name}"


def _targets(fabric: Device, server: str) -> list[str]:
    """What a pod of the server pings: every router, the outside, every other node."""
    routers = [own_address(router) for router in fabric["routers"]]
    nodes = [other["address"] for other in fabric["servers"] if other["name"] != server]
    return [*routers, fabric["management"]["gateway"], *nodes]


def _pings(addresses: list[str], seconds: int) -> list[str]:
    return [f"ping -n -q -i 0.5 -w {seconds} {address}" for address in addresses]


def own_address(router: Device) -> str:
    """The address by which others know a router: a leaf's in its rack, a spine's on its first link."""
    return str(router["router_id"])


# --- what to ask routers -------------------------------------------------------------------------------------------------


def router_probes(router: Device, fabric: Device, view: View, part: str = "all") -> dict[str, str]:
    """Commands for one router by name: the capture, the ways of flows, and what it reaches itself.

    ``part``: "flows" leaves out what the router reaches, "services" is only what it reaches of services.
    """
    quiet = f"curl -s --interface {own_address(router)}"
    if part == "services":
        return {**port_probes(router, fabric, view), **service_probe(router, view)}
    commands = {"capture": capture_command(router, fabric, view), **flows.predictions(router, fabric, view)}
    if part == "flows":
        return commands
    for port in links_of(router):
        commands[f"link {port['name']}"] = f"ping {peer_address(port, fabric)} count 1 deadline 2 size {port['mtu'] - IP_AND_ICMP} do-not-fragment"
    for pod in _one_a_rack(fabric, app_pods(view), router):
        commands[f"pod {pod['name']}"] = f"{quiet} -m 3 http://{pod['address']}/json"
    return {**commands, **port_probes(router, fabric, view), **service_probe(router, view)}


def links_of(router: Device) -> list[Device]:
    """A router's interfaces towards other routers."""
    return [one for one in router["interfaces"] if one["kind"] in ("uplink", "downlink")]


def peer_address(port: Device, fabric: Device) -> str:
    """The address at the other end of a link between routers."""
    other = next(one for one in fabric["routers"] if one["name"] == port["peer"]["device"])
    return next(str(one["address"]).partition("/")[0] for one in other["interfaces"] if one["name"] == port["peer"]["interface"])


def port_probes(router: Device, fabric: Device, view: View) -> dict[str, str]:
    """The commands that ask the service's node port from a router; short where nobody must answer."""
    service = view["service"]
    if service is None or not service["node_port"]:
        return {}
    commands = {}
    for server in entry_servers(fabric, router):
        url = f"http://{server['address']}:{service['node_port']}/json"
        answers = service["policy"] == "Cluster" or server["node"] in service["endpoint_nodes"]
        rest = f'-m 4 "{url}#[1-{NODE_PORT_TRIES}]"' if answers else f"-m 1 {url}"
        commands[f"port {server['name']}"] = f"curl -s --interface {own_address(router)} {rest}"
    return commands


def service_probe(router: Device, view: View) -> dict[str, str]:
    """The command that asks the ClusterIP from a router: often when it is announced, else once."""
    service = view["service"]
    if service is None or not service["cluster_ip"]:
        return {}
    quiet = f"curl -s --interface {own_address(router)}"
    url = f"http://{service['cluster_ip']}:{service['port']}/json"
    if is_announced(view):
        return {"service": f'{quiet} -m 6 "{url}#[1-{SERVICE_TRIES}]"'}
    return {"service": f"{quiet} -m 1 {url}"}


def is_announced(view: View) -> bool:
    """Whether the app's ClusterIP lies in a range or is an address that nodes announce."""
    address = IPv4Address(view["service"]["cluster_ip"])
    return any(address in IPv4Network(prefix) for prefixes in view["announced"].values() for prefix in prefixes)


def capture_command(router: Device, fabric: Device, view: View) -> str:
    """A bounded capture on all interfaces: echo requests to the router or outside or from a pod, and flows where they are looked for."""
    ends = [f"dst host {own_address(router)}", f"dst host {fabric['management']['gateway']}", f"src net {fabric['cluster']['pod_subnet']}"]
    parts = [part for part in (f"(icmp[0] == 8 and ({' or '.join(ends)}))", flows.capture_filter(router, fabric, view)) if part]
    return f"sudo timeout {CAPTURE_SECONDS} tcpdump -i any -nn -l '{' or '.join(parts)}'"


def _one_a_rack(fabric: Device, pods: list[Device], router: Device) -> list[Device]:
    """A pod of every rack; a leaf's own rack among them."""
    racks = {server["name"]: server["rack"] for server in fabric["servers"]}
    found: dict[str, Device] = {}
    for pod in pods:
        found.setdefault(racks[pod["server"]], pod)
    return list(found.values())


def entry_servers(fabric: Device, router: Device) -> list[Device]:
    """Servers through whose node port a router asks: a leaf one of its own and one of another rack, a spine any."""
    own = [server for server in fabric["servers"] if server["rack"] == router["rack"]]
    others = [server for server in fabric["servers"] if server["rack"] != router["rack"]]
    return [*own[-1:], *others[:1]]


# --- judgement -----------------------------------------------------------------------------------------------------------


def router_probe_checks(router: Device, fabric: Device, view: View, texts: Mapping[str, str], part: str = "all") -> list[Check]:
    """Judgement of what one router reached and saw. ``texts``: answers to ``router_probes`` by name."""
    checks = []
    pods = {pod["name"]: pod for pod in app_pods(view)}
    for name, command in router_probes(router, fabric, view, part).items():
        kind, _blank, rest = name.partition(" ")
        look = f"on {router['name']}: {command}"
        if kind == "link":
            port = next(one for one in router["interfaces"] if one["name"] == rest)
            what = f"{port['mtu']} bytes unfragmented through {rest} to {port['peer']['device']}"
            reply = re.search(r"\b1 (packets )?received", texts.get(name, "")) is not None
            checks.append(check("MTU", router["name"], what, "a reply", "a reply" if reply else "no reply", look))
        elif kind == "pod":
            checks += _pod_reached(router, pods[rest], answers_of(texts.get(name, "")), look)
        elif kind == "port":
            server = next(one for one in fabric["servers"] if one["name"] == rest)
            checks += _port_reached(router, server, view, answers_of(texts.get(name, "")), look)
        elif kind == "service":
            checks += service_checks(router, fabric, view, texts.get(name, ""), look)
    return checks + (capture_checks(router, fabric, view, texts.get("capture", "")) if part == "all" else [])


def _pod_reached(router: Device, pod: Device, found: list[Device], look: str) -> list[Check]:
    where, what = router["name"], f"TCP to pod {pod['name']} ({pod['server']})"
    if not found:
        return [check("outside to pod", where, what, f"{pod['name']} answers", "no answer", look)]
    return [
        check("outside to pod", where, what, f"{pod['name']} answers", f"{found[0]['pod']} answers", look),
        check("source address", where, f"address that {pod['name']} sees", own_address(router), found[0]["client"], look),
    ]


def _port_reached(router: Device, server: Device, view: View, found: list[Device], look: str) -> list[Check]:
    """Policy Cluster: everybody answers and sees the entry node. Local: only nodes with an endpoint answer, and see the client."""
    where, what = router["name"], f"node port of {server['node']}"
    local = view["service"]["policy"] == "Local"
    if local and server["node"] not in view["service"]["endpoint_nodes"]:
        return [check("negative twin", where, f"{what} without an endpoint there", "no answer", "an answer" if found else "no answer", look)]
    checks = [check("service", where, f"answers through the {what}", NODE_PORT_TRIES, len(found), look)]
    if found:
        expected = own_address(router) if local else server["address"]
        checks.append(check("source address", where, f"address seen through the {what}", [expected], sorted({one["client"] for one in found}), look))
    return checks


def service_checks(router: Device, fabric: Device, view: View, text: str, look: str) -> list[Check]:
    """The ClusterIP from a router: no answer before it is announced, then every endpoint, by the policy's source address."""
    where, found = router["name"], answers_of(text)
    if not is_announced(view):
        return [check("negative twin", where, "ClusterIP that nobody announces", "no answer", "an answer" if found else "no answer", look)]
    checks = [check("service", where, "answers through the ClusterIP", SERVICE_TRIES, len(found), look)]
    service = view["service"]
    # A leaf's own nodes are nearer than any other rack's; a spine takes all that announce.
    entries = {server["address"] for server in fabric["servers"] if router["rack"] in (None, server["rack"])}
    if service["policy"] == "Local":
        entries = {own_address(router)}
    strangers = sorted({one["client"] for one in found} - entries)
    expected = "the router's own" if service["policy"] == "Local" else "entry nodes' only"
    return [*checks, check("source address", where, "addresses seen through the ClusterIP", expected, strangers or expected, look)]


def endpoint_coverage(view: View, answers: list[str], look: str) -> list[Check]:
    """All endpoints answered, in what several routers' ``service`` commands printed."""
    reached = sorted({one["ip"] for text in answers for one in answers_of(text)})
    return [check("service", "routers", "endpoints that answered through the ClusterIP", sorted(view["service"]["endpoints"]), reached, look)]


# --- captures ------------------------------------------------------------------------------------------------------------


def capture_checks(router: Device, fabric: Device, view: View, capture: str) -> list[Check]:
    """Whom a router saw ping: nodes instead of pods, and on a leaf's way out itself instead of its servers."""
    look = f"on {router['name']}: sudo tcpdump -nn -i any icmp"
    seen = [packet for packet in flows.packets(capture) if packet.text.startswith("ICMP echo request")]
    if "listening on" not in capture and not seen:
        return [no_answer(router["name"], look, capture)]
    own, outside = own_address(router), fabric["management"]["gateway"]
    pods = {pod["address"]: pod for pod in app_pods(view)}
    nodes = {server["address"] for server in fabric["servers"] if server["name"] in {pod["server"] for pod in pods.values()}}
    to_me = {packet.source for packet in seen if packet.target == own and packet.way == "In"}
    masquerade = fabric["calico"]["nat_outgoing"]
    checks = [check("source address", router["name"], "addresses of pods that ping it", sorted(nodes if masquerade else pods), sorted(to_me), look)]
    subnet = IPv4Network(fabric["cluster"]["pod_subnet"])
    if masquerade:
        bare = sorted({packet.source for packet in seen if IPv4Address(packet.source) in subnet and IPv4Address(packet.target) not in subnet})
        checks.append(check("source address", router["name"], "pods' own addresses on the way out of the cluster", [], bare, look))
    return checks + (_way_out(router, fabric, view, seen, outside, look) if router["role"] == "leaf" and router["nat"] else [])


def _way_out(router: Device, fabric: Device, view: View, seen: list[flows.Packet], outside: str, look: str) -> list[Check]:
    """A leaf masquerades its rack towards the outside."""
    rule, management = router["nat"][0]["rule"], router["management"]
    rack = {server["address"] for server in fabric["servers"] if server["leaf"] == router["name"]}
    arrived = {packet.source for packet in seen if packet.target == outside and packet.way == "In" and packet.interface == flows.rack_port(router)}
    arrived -= {pod["address"] for pod in app_pods(view)} if not fabric["calico"]["nat_outgoing"] else set()
    left = {packet.source for packet in seen if packet.target == outside and packet.way == "Out" and packet.interface == management["interface"]}
    return [
        check("source address", router["name"], "servers on their way outside", sorted(rack), sorted(arrived), look),
        check("source address", router["name"], f"address outside after NAT rule {rule}", [management["address"]], sorted(left), look),
    ]


# --- nodes ---------------------------------------------------------------------------------------------------------------

CONNTRACK = ["conntrack", "-L", "-p", "icmp"]
_ENTRY = re.compile(r"^icmp\s.*?src=(\S+) dst=(\S+) type=8", re.MULTILINE)


def conntrack_probes(fabric: Device) -> list[Device]:
    """What to run on nodes after the traffic: which pings they remember."""
    return [{"name": f"{server['name']} conntrack", "node": server["node"], "command": CONNTRACK, "timeout": 10} for server in fabric["servers"]]


def conntrack_checks(fabric: Device, view: View, answers: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """Nodes are pinged by the other nodes, never by a pod's own address."""
    checks = []
    senders = {pod["server"] for pod in app_pods(view)}
    for server in fabric["servers"]:
        result = answers.get(f"{server['name']} conntrack") or {}
        look = f"on {server['node']}: {shlex.join(CONNTRACK)}"
        entries = {match.group(1) for match in _ENTRY.finditer(result.get("stdout", "")) if match.group(2) == server["address"]}
        if result.get("rc") != 0:
            checks.append(no_answer(server["node"], look, result.get("stderr") or "none"))
            continue
        pods = [pod["address"] for pod in app_pods(view) if pod["server"] != server["name"]]
        nodes = [other["address"] for other in fabric["servers"] if other["name"] in senders and other is not server]
        expected = sorted(nodes if fabric["calico"]["nat_outgoing"] else pods)
        checks.append(check("source address", server["node"], "addresses of pods that ping it", expected, sorted(entries & _lab(fabric, entries)), look))
    return checks


def _lab(fabric: Device, addresses: set[str]) -> set[str]:
    """Those that are servers' or pods': a node may be pinged by others too."""
    subnet = IPv4Network(fabric["cluster"]["pod_subnet"])
    servers = {server["address"] for server in fabric["servers"]}
    return {address for address in addresses if address in servers or IPv4Address(address) in subnet}
