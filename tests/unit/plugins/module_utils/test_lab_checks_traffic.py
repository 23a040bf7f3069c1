"""What traffic shows is named, alone: source addresses, MTU, negative twins, flows and their uplinks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import checks, lab_checks
from observed_lab import Lab, all_checks, findings, healthy, observed, probe_names

Change = Callable[[Lab], object]


def answer(lab: Lab, name: str, **changes: Any) -> None:
    lab["traffic"][name].update(changes)


def text_of(lab: Lab, router: str, name: str, change: Callable[[str], str]) -> None:
    index = probe_names(lab, router).index(name)
    lab["probes"][router][index] = change(lab["probes"][router][index])


TRAFFIC: dict[str, tuple[Change, list[str]]] = {
    "a pod that does not answer": (
        lambda lab: answer(lab, "worker tcp worker2", rc=28, stdout=""),
        ["pod app-ksn7b (worker): TCP to pod app-vw7rx (worker2): expected app-vw7rx answers, found no answer in time"],
    ),
    "an address rewritten between pods": (
        lambda lab: answer(lab, "worker tcp worker2", stdout=lab["traffic"]["worker tcp worker2"]["stdout"].replace("10.246.58.128", "10.133.10.1")),
        ["pod app-ksn7b (worker): address that app-vw7rx sees: expected 10.246.58.128, found 10.133.10.1"],
    ),
    "ping works, full size does not": (
        lambda lab: answer(lab, "worker mtu worker2", rc=1, stdout="1 packets transmitted, 0 received"),
        ["pod app-ksn7b: 1500 bytes unfragmented to app-vw7rx: expected a reply, found no reply"],
    ),
    "a link between routers that full size does not pass": (
        lambda lab: text_of(lab, "spine1", "link eth2", lambda text: text.replace("1 received", "0 received")),
        ["spine1: 1500 bytes unfragmented through eth2 to leaf1: expected a reply, found no reply"],
    ),
    "a packet too long for a router's own interface": (
        lambda lab: text_of(lab, "leaf0", "link eth1", lambda text: "ping: local error: message too long, mtu=1400"),
        ["leaf0: 1500 bytes unfragmented through eth1 to spine0: expected a reply, found no reply"],
    ),
    "a service that answers now and then": (
        lambda lab: answer(lab, "worker2 service", stdout=lab["traffic"]["worker2 service"]["stdout"].replace("asked 12", "asked 24")),
        ["pod app-vw7rx (worker2): answers through the ClusterIP: expected all, found 12 of 24"],
    ),
    "an oversized packet that passes": (
        lambda lab: answer(lab, "worker twin size", rc=0),
        ["pod app-ksn7b (worker): 1501 bytes unfragmented: expected no reply, found a reply"],
    ),
    "an unused address that answers": (
        lambda lab: answer(lab, "worker twin address", rc=0),
        ["pod app-ksn7b (worker): a pod address that nobody has: expected no answer, found an answer"],
    ),
    "an unused node port that swallows": (
        lambda lab: answer(lab, "worker twin port", rc=28),
        ["pod app-ksn7b (worker): a node port that no service has: expected refused, found no answer in time"],
    ),
    "a probe that was not run": (
        lambda lab: lab["traffic"].pop("worker twin port"),
        ["pod app-ksn7b (worker): a node port that no service has: expected refused, found not run"],
    ),
    "masquerade between pod and service": (
        lambda lab: answer(
            lab, "worker service", stdout=lab["traffic"]["worker service"]["stdout"].replace('client": "10.246.58.128', 'client": "10.133.5.11')
        ),
        ["pod app-ksn7b (worker): address that endpoints see through the ClusterIP: expected 10.246.58.128, found 10.133.5.11"],
    ),
    "an entry node that keeps the client's address": (
        lambda lab: text_of(lab, "leaf0", "port worker", lambda text: text.replace('"client": "10.133.5.11"', '"client": "10.133.5.1"')),
        ["leaf0: address seen through the node port of th-lab-worker: expected 10.133.5.11, found 10.133.5.1"],
    ),
    "a ClusterIP that answers although nobody announces it": (
        lambda lab: text_of(lab, "leaf0", "service", lambda text: '{"pod": "app-ksn7b", "ip": "10.246.58.128", "client": "10.133.5.10"}'),
        ["leaf0: ClusterIP that nobody announces: expected no answer, found an answer"],
    ),
    "a pod that a router does not reach": (
        lambda lab: text_of(lab, "spine0", "pod app-vw7rx", lambda text: ""),
        ["spine0: TCP to pod app-vw7rx (worker2): expected app-vw7rx answers, found no answer"],
    ),
    "no NAT outside": (
        lambda lab: text_of(lab, "leaf0", "capture", lambda text: text.replace("eth0  Out IP 172.29.48.128", "eth0  Out IP 10.133.5.10")),
        ["leaf0: address outside after NAT rule 100: expected 172.29.48.128, found 10.133.5.10"],
    ),
    "a pod's own address at a spine": (
        lambda lab: text_of(lab, "spine0", "capture", lambda text: text.replace("IP 10.133.5.11 >", "IP 10.246.58.128 >")),
        [
            "spine0: addresses of pods that ping it: expected 10.133.5.10 10.133.5.11 10.133.8.10 10.133.8.11, "
            "found 10.133.5.10 10.133.8.10 10.133.8.11 10.246.58.128",
            "spine0: pods' own addresses on the way out of the cluster: expected none, found 10.246.58.128",
        ],
    ),
    "a pod's own address at a node": (
        lambda lab: lab["after"]["worker2 conntrack"].update(
            stdout=lab["after"]["worker2 conntrack"]["stdout"] + "icmp     1 29 src=10.246.58.128 dst=10.133.8.10 type=8 code=0 id=1\n"
        ),
        [
            "th-lab-worker2: addresses of pods that ping it: expected 10.133.5.10 10.133.5.11 10.133.8.11, "
            "found 10.133.5.10 10.133.5.11 10.133.8.11 10.246.58.128",
        ],
    ),
    "a capture that did not run": (
        lambda lab: text_of(lab, "spine0", "capture", lambda text: "tcpdump: eth9: No such device exists"),
        ["spine0: answer: expected readable, found 'tcpdump: eth9: No such device exists'"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), TRAFFIC.values(), ids=TRAFFIC)
def test_what_traffic_shows_is_named_alone(change: Change, expected: list[str]) -> None:
    assert findings(change) == expected


def test_a_pod_that_gets_itself_must_see_its_node() -> None:
    lab = healthy()
    found = '{"pod": "app-ksn7b", "ip": "10.246.58.128", "client": "10.246.58.128"}\n'
    lab["traffic"]["worker service"]["stdout"] = found * 12
    lines = checks.lines(all_checks(lab))
    assert any("address that it sees when the service gives it itself: expected its node's, found 10.246.58.128" in line for line in lines)
    lab["traffic"]["worker service"]["stdout"] = found.replace('"client": "10.246.58.128"', '"client": "10.133.5.11"') * 12
    assert [line for line in checks.lines(all_checks(lab)) if "itself" in line] == []


# --- flows ---------------------------------------------------------------------------------------------------------------------


def way(lab: Lab, router: str, port: int, device: str) -> None:
    def change(text: str) -> str:
        data = json.loads(text)
        data[0]["dev"] = device
        return json.dumps(data)

    text_of(lab, router, f"way {port}", change)


@pytest.mark.parametrize(("router", "title"), [("leaf0", "requests leave by"), ("leaf1", "replies arrive by")])
def test_a_flow_on_another_uplink_than_predicted_is_named(router: str, title: str) -> None:
    wrong = [findings(lambda lab, device=device: way(lab, router, 41003, device)) for device in ("eth1", "eth2")]  # type: ignore[misc]
    assert sorted(len(found) for found in wrong) == [0, 1]
    assert title in max(wrong, key=len)[0]
    assert ":41003 to " in max(wrong, key=len)[0]


def test_a_flow_that_is_not_seen_is_named_in_both_directions() -> None:
    found = findings(lambda lab: text_of(lab, "leaf0", "capture", lambda text: "\n".join(line for line in text.splitlines() if ".41003" not in line)))
    assert len(found) == 2
    assert all(":41003" in line and line.endswith("found none") for line in found)


def test_all_requests_on_one_uplink_is_a_finding() -> None:
    found = findings(lambda lab: text_of(lab, "leaf0", "capture", lambda text: text.replace("eth2  Out", "eth1  Out")))
    assert "leaf0: requests are spread over: expected both uplinks, found eth1" in found


def test_an_address_rewritten_in_a_flow_is_a_finding() -> None:
    found = findings(
        lambda lab: text_of(lab, "leaf0", "capture", lambda text: text + "\n00:00:00.1 eth1  Out IP 10.133.10.1.41003 > 10.246.232.128.80: UDP, length 4")
    )
    assert found == ["leaf0: addresses in flows between pods: expected only the pods' own, found 10.133.10.1"]


def test_a_link_that_is_down_on_purpose_must_carry_nothing() -> None:
    lab = healthy()
    seen = observed(lab, part="flows", down=[["leaf0", "eth1"]])
    names = probe_names(lab, "leaf0")
    kept = [name for name in names if name == "capture" or name.startswith("way")]
    seen["router_probes"] = {router: {"stdout": outputs[: len(kept) if router.startswith("leaf") else 1]} for router, outputs in lab["probes"].items()}
    lines = checks.lines(lab_checks.lab_checks(seen, lab["fabric"]))
    assert any("uplinks that carry requests: expected only eth2, found eth1 eth2" in line for line in lines)
    assert any("session with spine0 (10.133.10.2): expected not Established, the link is down, found Established" in line for line in lines)


def test_how_much_is_judged_does_not_depend_on_what_the_service_happened_to_choose() -> None:
    lab = healthy()
    plain = len(all_checks(lab))
    longer = lab["traffic"]["worker2 service"]
    longer["stdout"] = longer["stdout"].replace("asked 12\n", "") * 3 + "asked 36\n"
    assert (len(all_checks(lab)), checks.failed(all_checks(lab))) == (plain, [])


def test_a_pod_that_the_service_never_gives_itself_is_a_finding() -> None:
    def without_itself(lab: Lab) -> None:
        said = lab["traffic"]["worker service"]["stdout"].splitlines()
        kept = [line for line in said[:-1] if "app-ksn7b" not in line]
        lab["traffic"]["worker service"]["stdout"] = "\n".join([*kept, f"asked {len(kept)}"])

    assert findings(without_itself) == ["pod app-ksn7b (worker): address that it sees when the service gives it itself: expected its node's, found none"]
