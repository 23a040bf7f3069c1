"""What routers are asked about services, and how answers are judged under both policies; the traffic in the background."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import lab_checks, outside
from ansible_collections.leafspine.calico.plugins.module_utils.checks import failed, lines
from observed_lab import Lab, healthy

OWN, ENTRY = "10.133.5.1", "10.133.5.11"


def view_of(lab: Lab, policy: str = "Cluster", nodes: list[str] | None = None, announced: bool = True) -> dict[str, Any]:
    view: dict[str, Any] = lab_checks.cluster_look(lab["cluster"], lab["fabric"])["view"]
    view["service"] |= {"policy": policy, "endpoint_nodes": nodes or view["service"]["endpoint_nodes"]}
    if announced:
        view["announced"]["worker"] = [*view["announced"]["worker"], f"{view['service']['cluster_ip']}/32"]
    return view


def router(lab: Lab, name: str) -> dict[str, Any]:
    return next(one for one in lab["fabric"]["routers"] if one["name"] == name)


def told(client: str, amount: int) -> str:
    return f'{{"pod": "p", "ip": "10.246.58.128", "client": "{client}"}}\n' * amount


def judged(view: dict[str, Any], lab: Lab, texts: dict[str, str], name: str = "leaf0") -> list[str]:
    found = outside.router_probe_checks(router(lab, name), lab["fabric"], view, texts, part="services")
    return [line.split(" (look")[0] for line in lines(found)]


def test_an_announced_service_is_asked_often_another_once() -> None:
    lab = healthy()
    assert "#[1-24]" in outside.service_probe(router(lab, "leaf0"), view_of(lab))["service"]
    assert "#[" not in outside.service_probe(router(lab, "leaf0"), view_of(lab, announced=False))["service"]


@pytest.mark.parametrize(("client", "ok"), [(ENTRY, True), ("10.133.5.10", True), (OWN, False), ("10.133.8.10", False)])
def test_policy_cluster_shows_a_node_of_the_leaf_s_rack(client: str, ok: bool) -> None:
    lab = healthy()
    found = outside.service_checks(router(lab, "leaf0"), lab["fabric"], view_of(lab), told(client, 24), "look")
    assert (failed(found) == []) == ok


def test_a_spine_may_get_any_node() -> None:
    lab = healthy()
    assert failed(outside.service_checks(router(lab, "spine0"), lab["fabric"], view_of(lab), told("10.133.8.10", 24), "look")) == []


@pytest.mark.parametrize(("client", "ok"), [(OWN, True), (ENTRY, False)])
def test_policy_local_shows_the_client(client: str, ok: bool) -> None:
    lab = healthy()
    found = outside.service_checks(router(lab, "leaf0"), lab["fabric"], view_of(lab, "Local"), told(client, 24), "look")
    assert (failed(found) == []) == ok


def test_answers_that_are_missing_are_counted() -> None:
    lab = healthy()
    found = judged(view_of(lab), lab, {"service": told(ENTRY, 20), "port worker": told(ENTRY, 6), "port worker2": told("10.133.8.10", 5)})
    assert found == [
        "leaf0: answers through the node port of th-lab-worker2: expected 6, found 5",
        "leaf0: answers through the ClusterIP: expected 24, found 20",
    ]


def test_policy_local_without_an_endpoint_on_the_node_must_not_answer() -> None:
    lab = healthy()
    view = view_of(lab, "Local", nodes=["th-lab-worker2"])
    probes = outside.port_probes(router(lab, "leaf0"), lab["fabric"], view)
    assert "-m 1 " in probes["port worker"]
    good = {"port worker": "", "port worker2": told(OWN, 6), "service": told(OWN, 24)}
    assert judged(view, lab, good) == []
    assert judged(view, lab, good | {"port worker": told(OWN, 1)}) == [
        "leaf0: node port of th-lab-worker without an endpoint there: expected no answer, found an answer"
    ]


def test_all_endpoints_must_have_answered() -> None:
    lab = healthy()
    view = view_of(lab)
    everybody = "".join(f'{{"pod": "p", "ip": "{address}", "client": "x"}}\n' for address in view["service"]["endpoints"])
    assert failed(outside.endpoint_coverage(view, [everybody], "look")) == []
    assert len(failed(outside.endpoint_coverage(view, [told("x", 3)], "look"))) == 1


def runs(number: str) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_background_traffic_starts_detached_and_stops() -> None:
    """The texts run by a real shell; sleep stands for ping."""
    name = "test-of-background"
    begin = time.monotonic()
    subprocess.run(["sh", "-c", outside._start(name, ["sleep 30", "sleep 31"])], check=True, timeout=5)
    numbers = Path(f"/tmp/leafspine-traffic-{name}").read_text().split()
    assert len(numbers) == 2
    assert time.monotonic() - begin < 5
    assert all(runs(number) for number in numbers)
    subprocess.run(["sh", "-c", outside._stop(name)], check=True, timeout=5)
    time.sleep(0.2)
    assert not any(runs(number) for number in numbers)
    subprocess.run(["sh", "-c", outside._stop(name)], check=True, timeout=5)


def test_flows_only_sends_nothing_else() -> None:
    lab = healthy()
    view = view_of(lab)
    found = outside.background(lab["fabric"], view, 5, nodes=True, flows_only=True)
    assert {probe["name"] for probe in found} == {"control-plane background", "worker background"}
    assert all("ping" not in probe["command"][-1] for probe in found)
    assert len(outside.background(lab["fabric"], view, 5, nodes=False)) == 4
    assert len(outside.background(lab["fabric"], view, 5, nodes=True)) == 8
