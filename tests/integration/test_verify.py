"""verify.yml on a real lab: it holds, and every single thing that somebody breaks is named.

One lab for all tests; each breaks one thing with the kernel's, a router's or the cluster's own means, behind the back of the inventory, and mends it
again. Faults of routers are looked for without the traffic, which is verified as a whole at the beginning and at the end.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils.checks import failed
from ansible_collections.leafspine.calico.tests.integration.containerlab_lab import wait_until
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab, Outcome

pytestmark = [pytest.mark.root, pytest.mark.soak]
ALL = ("-e", json.dumps({"verify_drills": []}))
ONCE = ("-e", json.dumps({"verify_drills": [], "vyos_fabric_verify_tries": 1}))
TABLES = ("--tags", "cluster,routers,configuration")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    cluster = {"cluster": {"name": "th-verify", "pod_subnet": "10.246.0.0/16", "service_subnet": "10.98.0.0/16"}}
    made = Lab("th-verify", tmp_path_factory.mktemp("th-verify"), octet=133, management="172.29.48.0/24", bridge_prefix="th-", changes=cluster)
    assert made.play("destroy").rc == 0
    built = made.play("site", timeout=900)
    try:
        assert built.rc == 0, str(built)
        yield made
    finally:
        made.play("destroy")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return done.stdout


def router(name: str) -> str:
    return f"clab-th-verify-{name}"


def judged(outcome: Outcome) -> list[dict[str, Any]]:
    """Every check that verify made."""
    found = [result["ansible_facts"]["lab_checks"] for _host, name, result in outcome.results() if name == "Judge" and "ansible_facts" in result]
    assert len(found) == 1, str(outcome)
    checks: list[dict[str, Any]] = found[0]
    return checks


def findings(outcome: Outcome) -> list[str]:
    """What does not hold, by which verify failed; without the way to look."""
    assert outcome.rc != 0
    assert any("Every expectation holds" in text for text in outcome.failures()), str(outcome)
    return [f"{one['where']}: {one['what']}: expected {one['expected']}, found {one['found']}" for one in failed(judged(outcome))]


def healthy(lab: Lab, *options: str) -> list[dict[str, Any]]:
    outcome = lab.play("verify", *ALL, *options)
    assert outcome.rc == 0, str(outcome)
    checks = judged(outcome)
    assert failed(checks) == []
    return checks


def settled(lab: Lab) -> None:
    """Every session is back, and the other rack's prefix with all its next hops."""

    def back() -> bool:
        for name in ("leaf0", "leaf1", "spine0", "spine1"):
            peers = json.loads(lab.vtysh(name, "show bgp summary json"))["ipv4Unicast"]["peers"].values()
            if not all(peer["state"] == "Established" for peer in peers):
                return False
        ways = {"leaf0": RACK1, "leaf1": "10.133.5.0/24"}
        return all(run("ip", "-n", router(name), "route", "show", prefix).count("nexthop") == 2 for name, prefix in ways.items())

    wait_until("the lab is as before", back, timeout=60, every=0.5)


@contextmanager
def changed(change: tuple[str, ...], back: tuple[str, ...]) -> Iterator[None]:
    run(*change)
    try:
        yield
    finally:
        run(*back)


# --- nothing is broken ---------------------------------------------------------------------------------------------------------


def test_a_healthy_lab_holds(lab: Lab) -> None:
    checks = healthy(lab)
    assert {one["subject"] for one in checks} >= {"session", "kernel route", "BGP path", "interface", "MTU", "pod to pod", "source address", "flow"}
    assert len(checks) > 450


def test_check_mode_runs_nothing_and_says_so(lab: Lab) -> None:
    outcome = lab.play("verify", "--check")
    assert outcome.rc == 0, str(outcome)
    assert any("NOT RUN" in str(result.get("msg")) for _host, _name, result in outcome.results())
    assert not {"Judge", "Every expectation holds"} & set(outcome.tasks())


def test_a_router_and_a_part_can_be_chosen(lab: Lab) -> None:
    outcome = lab.play("verify", "--limit", "leaf0", "--tags", "routers", *ALL)
    assert outcome.rc == 0, str(outcome)
    assert set(outcome.recap("ok")) <= {"leaf0", "labhost"}
    assert {one["where"] for one in judged(outcome)} == {"leaf0"}
    assert {one["subject"] for one in judged(outcome)} == {"session", "kernel route", "unexplained route", "interface"}


# --- one thing is broken -------------------------------------------------------------------------------------------------------

RACK1, TWO_HOPS = "10.133.8.0/24", ("nexthop", "via", "10.133.10.2", "nexthop", "via", "10.133.12.2")
ROUTE = ("ip", "-n", router("leaf0"), "route", "replace", RACK1, "proto", "bgp", "metric", "20")
EXACT = {
    "a next hop": (
        (*ROUTE, "via", "10.133.12.2"),
        (*ROUTE, *TWO_HOPS),
        [f"leaf0: route {RACK1}: expected via 10.133.10.2 10.133.12.2, found via 10.133.12.2"],
    ),
    "a foreign route": (
        ("ip", "-n", router("spine0"), "route", "add", "192.0.2.0/24", "via", "10.133.34.1"),
        ("ip", "-n", router("spine0"), "route", "del", "192.0.2.0/24"),
        ["spine0: route 192.0.2.0/24: expected no such route, found via 10.133.34.1 (proto boot)"],
    ),
}


@pytest.mark.parametrize(("change", "back", "expected"), EXACT.values(), ids=EXACT)
def test_what_is_broken_is_named_and_nothing_else(lab: Lab, change: tuple[str, ...], back: tuple[str, ...], expected: list[str]) -> None:
    with changed(change, back):
        outcome = lab.play("verify", *ONCE, *TABLES)
    assert findings(outcome) == expected


def test_a_missing_route_is_named_wherever_it_should_be_and_nothing_else(lab: Lab) -> None:
    """zebra puts back a route that somebody deletes in the kernel, so the prefix is withdrawn where it comes from."""
    inside = ("configure terminal", "router bgp 65008", "address-family ipv4 unicast")
    lab.vtysh("leaf1", *inside, f"no network {RACK1}")
    try:
        wait_until("the prefix is withdrawn", lambda: RACK1 not in json.loads(lab.vtysh("leaf0", "show bgp ipv4 unicast json"))["routes"])
        found = findings(lab.play("verify", *ONCE, *TABLES))
    finally:
        lab.vtysh("leaf1", *inside, f"network {RACK1}")
    assert all(f" {RACK1}: " in line and line.endswith(("no route", "not in the table")) for line in found), found
    places = {line.split(":")[0] for line in found if ": route " in line}
    assert places == {"leaf0", "spine0", "spine1", "th-verify-control-plane", "th-verify-worker"}
    settled(lab)


def follows(line: str) -> bool:
    """Whether a line is about what a session that is down takes with it: its routes and paths."""
    return ": route " in line or ": BGP paths to " in line


def test_a_wrong_password_is_named_as_the_line_that_differs_and_by_the_session_at_both_ends(lab: Lab) -> None:
    secret = (lab.directory / "secrets" / "bgp_password").read_text()
    lab.configure("leaf1", "set protocols bgp neighbor 10.133.11.2 password not-the-one")
    try:
        wait_until("the session is down", lambda: "Established" not in lab.vtysh("spine1", "show bgp neighbors 10.133.11.1"))
        outcome = lab.play("verify", *ONCE, *TABLES)
    finally:
        mended = lab.play("site", "--tags", "vyos_fabric", "--diff")
    found = findings(outcome)
    assert "leaf1: configuration protocols bgp neighbor 10.133.11.2 password ********: expected this line, found no such line" in found
    ends = [line for line in found if ": session with" in line]
    assert [line.split(": expected")[0] for line in ends] == ["spine1: session with leaf1 (10.133.11.1)", "leaf1: session with spine1 (10.133.11.2)"]
    assert all(follows(line) for line in found if line not in ends and ": configuration " not in line), found
    assert {line.split(":")[0] for line in mended.changed()} == {"leaf1"}, str(mended)
    for text in (outcome.text, mended.text):
        assert secret not in text and "not-the-one" not in text
    settled(lab)


def test_a_link_that_is_down_is_named_at_both_ends(lab: Lab) -> None:
    link = ("ip", "-n", router("leaf0"), "link", "set", "dev", "eth1")
    with changed((*link, "down"), (*link, "up")):
        wait_until("the session is down", lambda: "Established" not in lab.vtysh("spine0", "show bgp neighbors 10.133.10.1"))
        found = findings(lab.play("verify", *ONCE, *TABLES))
    assert {"leaf0: eth1 state: expected up, found down", "spine0: eth1 state: expected up, found down"} <= set(found)
    assert {line.split(" (")[0] for line in found if ": session with" in line} == {"leaf0: session with spine0", "spine0: session with leaf0"}
    assert all(follows(line) for line in found if " eth1 " not in line and ": session with" not in line), found
    settled(lab)


def test_a_wrong_label_is_the_first_thing_that_is_named(lab: Lab) -> None:
    def label(value: str) -> None:
        assert lab.tool("kubectl", "label", "node", "th-verify-worker", "--overwrite", f"rack={value}").returncode == 0

    label("rack1")
    try:
        wait_until("the session is down", lambda: "Established" not in lab.vtysh("leaf0", "show bgp neighbors 10.133.5.11"))
        found = findings(lab.play("verify", *ONCE, *TABLES))
    finally:
        label("rack0")
    assert found[0] == "th-verify-worker: label rack: expected rack0, found rack1"
    assert any("leaf0: session with worker (10.133.5.11)" in line for line in found)
    assert not any(": configuration " in line or " MTU" in line or ": session with spine" in line for line in found), found
    settled(lab)


def test_a_nat_rule_inside_the_fabric_is_seen_by_the_pods(lab: Lab) -> None:
    """Nobody can read it in a configuration: only the other side's view tells."""
    rules = "table ip stray { chain post { type nat hook postrouting priority 90; ip saddr 10.246.0.0/16 oifname { eth1, eth2 } masquerade; }; }"
    inside = ("ip", "netns", "exec", router("leaf0"))
    nft, forget = (*inside, "nft"), (*inside, "conntrack", "-F")
    with changed((*nft, rules), (*nft, "delete table ip stray")):
        run(*forget)  # flows that are known already are not rewritten
        found = findings(lab.play("verify", *ONCE, "--tags", "routers,configuration,traffic"))
    run(*forget)  # and those that were rewritten stay so
    assert any("that app-" in line and "found 10.133.1" in line for line in found), found
    assert any("addresses in flows between pods: expected only the pods' own" in line for line in found), found
    assert not any("route" in line or "session" in line for line in found), found


def forget_path_mtus() -> None:
    """What pods and nodes learned of the small link; a kernel remembers it for ten minutes."""
    for namespace in Path("/run/netns").iterdir():
        run("ip", "-n", namespace.name, "route", "flush", "cache")


def test_an_mtu_is_named_with_the_packets_that_it_stops(lab: Lab) -> None:
    link = ("ip", "-n", router("leaf0"), "link", "set", "dev", "eth3", "mtu")
    try:
        with changed((*link, "1400"), (*link, "1500")):
            found = findings(lab.play("verify", *ONCE))
    finally:
        forget_path_mtus()
    assert "leaf0: eth3 MTU: expected 1500, found 1400" in found
    assert all("MTU" in line or "bytes unfragmented" in line for line in found), found
    assert any("1500 bytes unfragmented" in line for line in found)


# --- a node that lies ----------------------------------------------------------------------------------------------------------

LIES = ["0.0.0.0/0", RACK1, "8.8.8.0/24"]
TRUTHS = ["10.98.0.0/16", "10.98.77.7/32"]


def believed(lab: Lab) -> set[str]:
    """What leaf0 took from worker, beside its pod blocks."""
    table = json.loads(lab.vtysh("leaf0", "show bgp ipv4 unicast json"))["routes"]
    prefixes = {prefix for prefix, paths in table.items() if any(path.get("peerId") == "10.133.5.11" for path in paths)}
    blocks = {prefix for prefix in prefixes if prefix.startswith("10.246.")}
    assert blocks
    return prefixes - blocks


@contextmanager
def lying(node: str) -> Iterator[None]:
    """The node's BIRD announces what is not its own, and service addresses that it may announce. Its own kernel learns nothing of it."""
    folder = Path("/run/leafspine/clusters/th-verify/calico") / node
    text = (folder / "bird.conf").read_text()
    told = ", ".join([*LIES, *TRUTHS])
    routes = "".join(f"  route {prefix} blackhole;\n" for prefix in [*LIES, *TRUTHS])
    text = text.replace("filter calico_kernel_programming {\n", f"filter calico_kernel_programming {{\n  if ( net ~ [ {told} ] ) then {{ reject; }}\n")
    text = text.replace(
        "function calico_export_to_bgp_peers ()\n{\n", f"function calico_export_to_bgp_peers ()\n{{\n  if ( net ~ [ {told} ] ) then {{ accept; }}\n"
    )
    text = text.replace("protocol static {\n  ipv4;\n", f"protocol static {{\n  ipv4;\n{routes}")
    assert text.count(told) == 2 and routes in text
    (folder / "lies.conf").write_text(text)

    def configure(name: str) -> None:
        said = run("birdc", "-s", str(folder / "bird.ctl"), f'configure "{folder / name}"')
        assert "Reconfigur" in said, said

    configure("lies.conf")
    try:
        yield
    finally:
        configure("bird.conf")
        (folder / "lies.conf").unlink()


def import_filter(lab: Lab, enabled: bool) -> None:
    document = lab.fabric() | {"bgp": {"import_filter": {"enabled": enabled}}}
    (lab.inventory / "fabric.yml").write_text(yaml.safe_dump(document))
    outcome = lab.play("site", "--tags", "vyos_fabric")
    assert outcome.rc == 0, str(outcome)
    assert {line.split(":")[0] for line in outcome.changed()} == {"leaf0", "leaf1"}


def test_a_leaf_believes_a_node_only_pods_and_services_and_without_the_filter_anything(lab: Lab) -> None:
    def is_believed(prefixes: list[str]) -> Callable[[], bool]:
        return lambda: believed(lab) == set(prefixes)

    with lying("th-verify-worker"):
        wait_until("services are believed", is_believed(TRUTHS))
        import_filter(lab, enabled=False)
        wait_until("everything is believed", is_believed([*LIES, *TRUTHS]))
        import_filter(lab, enabled=True)
        wait_until("lies are forgotten", is_believed(TRUTHS))
    wait_until("nothing more is announced", is_believed([]))
    healthy(lab)
