"""Every row of the table of source addresses, on the rendered ruleset: a small interpreter carries a packet through the chains."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest
from leafspine_embedded.node.proxy.model import Endpoint, ServicePort
from leafspine_embedded.node.proxy.ruleset import NodeView, affinity_set, render

NODE, ADDRESS, POOL = "n1", "10.131.5.10", "10.131.128.0/18"
HERE, THERE = Endpoint("10.131.128.1", 80, "n1"), Endpoint("10.131.129.1", 80, "n2")
POD_HERE, OUTSIDE, CLUSTER_IP = "10.131.128.1", "10.131.9.2", "10.131.64.5"


@dataclass
class Packet:
    """A new connection's first packet. out: interface it leaves by after the rewrite."""

    source: str
    target: str
    port: int = 80
    protocol: str = "tcp"
    pick: int = 0
    marked: bool = False
    sent_to: str = ""
    verdict: str = ""
    trace: list[str] = field(default_factory=list)


class Ruleset:
    """Understands exactly the statements that render() writes; anything else fails the test."""

    def __init__(self, text: str) -> None:
        self.chains: dict[str, list[str]] = {}
        self.maps: dict[str, dict[str, str]] = {}
        for kind, name, body in re.findall(r"^  (chain|map) (\S+) \{\n(.*?)^  \}", text, re.M | re.S):
            lines = [line.strip() for line in body.splitlines()]
            if kind == "chain":
                self.chains[name] = [line for line in lines if not line.startswith(("type ", "comment "))]
            else:
                self.maps[name] = dict(re.findall(r"(\S.*?) : (goto \S+?),?$", body, re.M))
        self.local = {ADDRESS, "127.0.0.1"}

    def run(self, packet: Packet) -> Packet:
        for chain in ("filter-services", "services"):
            if not packet.verdict:
                self._chain(chain, packet)
        return packet

    def _chain(self, name: str, packet: Packet) -> bool:
        """True when the packet's way ended in there."""
        packet.trace.append(name)
        for rule in self.chains[name]:
            ended = self._rule(rule, packet)
            if ended is not None:
                return ended
        return False

    def _rule(self, rule: str, packet: Packet) -> bool | None:
        conditions = (
            (r"ct state established,related accept$", lambda m: False),
            (r"ip saddr != @pods ", lambda m: ip_address(packet.source) not in ip_network(POOL)),
            (r"ip saddr @pods ", lambda m: ip_address(packet.source) in ip_network(POOL)),
            (r"ip saddr @affinity-\S+ ", lambda m: False),
            (r"ip saddr ([\d.]+) ", lambda m: packet.source == m[1]),
            (r"fib saddr type local ", lambda m: packet.source in self.local),
            (r"fib saddr type != local ", lambda m: packet.source not in self.local),
            (r"fib daddr type local ", lambda m: packet.target in self.local),
            (r"meta l4proto (tcp|udp) ", lambda m: packet.protocol == m[1]),
        )
        while True:
            for pattern, holds in conditions:
                if match := re.match(pattern, rule):
                    if not holds(match):
                        return None
                    rule = rule[match.end() :]
                    break
            else:
                return self._statement(rule, packet)

    def _statement(self, rule: str, packet: Packet) -> bool | None:
        if match := re.fullmatch(r"(ip daddr \. )?meta l4proto \. th dport vmap @(\S+)", rule):
            key = f"{packet.protocol} . {packet.port}"
            goto = self.maps[match[2]].get(f"{packet.target} . {key}" if match[1] else key)
            return self._chain(goto.removeprefix("goto "), packet) if goto else None
        if match := re.fullmatch(r"numgen random mod (\d+) vmap \{ (.*) \}", rule):
            choices = dict(part.split(" : goto ") for part in match[2].split(", "))
            assert len(choices) == int(match[1])
            return self._chain(choices[str(packet.pick % len(choices))], packet)
        if rule == "meta mark set meta mark | 0x4000":
            packet.marked = True
            return None
        if rule.startswith("goto "):
            return self._chain(rule.removeprefix("goto "), packet)
        if rule.startswith("update @"):
            return None
        if rule.startswith("dnat to "):
            packet.sent_to = rule.removeprefix("dnat to ").partition(":")[0]
            packet.verdict = "dnat"
            return True
        if rule in ("drop", "reject", "reject with tcp reset"):
            packet.verdict = rule.split()[0]
            return True
        if rule == "return":
            return False
        raise AssertionError(f"unknown statement: {rule}")


def port(**changes: object) -> ServicePort:
    values = {"cluster_ip": CLUSTER_IP, "port": 80, "node_port": 32000, "endpoints": (HERE, THERE), **changes}
    return ServicePort("default", "app", "http", "tcp", **values)  # type: ignore[arg-type]


def send(service: ServicePort, source: str, target: str, number: int = 80, pick: int = 0, view: NodeView | None = None) -> Packet:
    text = render([service], view or NodeView(NODE, (POOL,), ADDRESS))
    return Ruleset(text).run(Packet(source, target, number, service.protocol, pick))


@pytest.mark.parametrize("target", [(CLUSTER_IP, 80), (ADDRESS, 32000)], ids=["cluster IP", "node port"])
@pytest.mark.parametrize("pick", [0, 1])
def test_outside_with_policy_cluster_any_endpoint_and_the_node_s_address(target: tuple[str, int], pick: int) -> None:
    packet = send(port(), OUTSIDE, *target, pick=pick)
    assert (packet.sent_to, packet.marked) == ((HERE, THERE)[pick].address, True)


@pytest.mark.parametrize("target", [(CLUSTER_IP, 80), (ADDRESS, 32000)], ids=["cluster IP", "node port"])
@pytest.mark.parametrize("pick", [0, 1])
def test_outside_with_policy_local_this_node_s_endpoint_and_the_client_s_address(target: tuple[str, int], pick: int) -> None:
    packet = send(port(external_local=True), OUTSIDE, *target, pick=pick)
    assert (packet.sent_to, packet.marked) == (HERE.address, False)


def test_outside_with_policy_local_and_no_endpoint_here_is_dropped_at_the_node_port() -> None:
    assert send(port(external_local=True, endpoints=(THERE,)), OUTSIDE, ADDRESS, 32000).verdict == "drop"


def test_pods_and_the_node_itself_are_not_bound_by_policy_local() -> None:
    service = port(external_local=True, endpoints=(THERE,))
    pod, node = send(service, POD_HERE, ADDRESS, 32000), send(service, ADDRESS, ADDRESS, 32000)
    assert (pod.sent_to, pod.marked, node.sent_to, node.marked) == (THERE.address, False, THERE.address, True)


def test_outside_to_the_cluster_ip_of_a_local_service_without_endpoint_here_goes_on_masqueraded() -> None:
    packet = send(port(external_local=True, endpoints=(THERE,)), OUTSIDE, CLUSTER_IP)
    assert (packet.sent_to, packet.marked) == (THERE.address, True)


def test_pod_to_cluster_ip_keeps_its_address_but_not_to_itself() -> None:
    other, itself = send(port(), POD_HERE, CLUSTER_IP, pick=1), send(port(), POD_HERE, CLUSTER_IP, pick=0)
    assert (other.sent_to, other.marked) == (THERE.address, False)
    assert (itself.sent_to, itself.marked) == (POD_HERE, True)


def test_the_node_itself_reaches_a_cluster_ip() -> None:
    assert send(port(), ADDRESS, CLUSTER_IP, pick=1).marked


@pytest.mark.parametrize("source", [OUTSIDE, POD_HERE, ADDRESS])
@pytest.mark.parametrize("target", [(CLUSTER_IP, 80), (ADDRESS, 32000)], ids=["cluster IP", "node port"])
def test_without_endpoints_everybody_is_refused(source: str, target: tuple[str, int]) -> None:
    assert send(port(endpoints=()), source, *target).verdict == "reject"


def test_what_is_no_service_is_left_alone() -> None:
    for target, number in ((CLUSTER_IP, 81), (ADDRESS, 32001), ("10.131.64.6", 80), (OUTSIDE, 32000)):
        packet = send(port(), OUTSIDE, target, number)
        assert (packet.verdict, packet.sent_to, packet.marked) == ("", "", False)


def test_internal_policy_local_binds_the_cluster_ip_only() -> None:
    assert send(port(internal_local=True), POD_HERE, CLUSTER_IP, pick=1).sent_to == HERE.address
    assert send(port(internal_local=True, endpoints=(THERE,)), POD_HERE, CLUSTER_IP).verdict == "drop"
    assert send(port(internal_local=True, endpoints=(THERE,)), OUTSIDE, ADDRESS, 32000).sent_to == THERE.address


def test_external_addresses_behave_like_node_ports() -> None:
    service = port(external_ips=("192.0.2.9",))
    assert send(service, OUTSIDE, "192.0.2.9").marked
    kept = send(port(external_ips=("192.0.2.9",), external_local=True), OUTSIDE, "192.0.2.9", pick=1)
    assert (kept.sent_to, kept.marked) == (HERE.address, False)


def test_the_masquerade_takes_the_rack_address_towards_pods() -> None:
    assert f'oifname "cali*" snat to {ADDRESS}' in render([port()], NodeView(NODE, (POOL,), ADDRESS))
    assert "snat to" not in render([port()], NodeView(NODE, (POOL,)))


def test_affinity_is_remembered_across_a_replacement() -> None:
    service = port(affinity=100)
    name = affinity_set(service, THERE)
    text = render([service], NodeView(NODE, (POOL,), ADDRESS, {name: {OUTSIDE: 42, "10.131.9.3": 0}, "affinity-gone": {OUTSIDE: 9}}))
    assert f"elements = {{ {OUTSIDE} timeout 100s expires 42s }}" in text
    assert "10.131.9.3" not in text and "affinity-gone" not in text
    assert "affinity" not in render([port()], NodeView(NODE, (POOL,), ADDRESS))


def test_the_text_does_not_depend_on_the_order_of_what_is_read() -> None:
    assert render([port()], NodeView(NODE, (POOL,))) == render([port()], NodeView(NODE, (POOL,)))
    assert render([], NodeView(NODE, ())).count("chain ") == 12
