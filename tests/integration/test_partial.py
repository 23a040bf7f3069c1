"""A lab that runs and is rebuilt in parts: roles by their tags in another order, one rack or device, what was added or removed in fabric.yml.

The tests run in the order of this file and share one lab. No session that was there before may flap: every router says since when each of its
sessions is up, and that moment stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.cli import router_cli
from ansible_collections.leafspine.calico.tests.integration.helpers.faults import ROUTERS, flapped, sessions, until
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab, Outcome

pytestmark = [pytest.mark.root, pytest.mark.soak]
NET = "10.181"
ALL = 12  # eight ends of sessions between leaves and spines, four of leaves with nodes
NODES = (("leaf0", "5.10"), ("leaf0", "5.11"), ("leaf1", "8.10"), ("leaf1", "8.11"))
# A rack without servers: kind cannot add nodes to a cluster that exists.
RACK = {"asn": 65009, "subnet": f"{NET}.9.0/24", "leaves": ["leaf2"], "servers": {}}


def succeeded(outcome: Outcome) -> Outcome:
    """The outcome of a playbook that must succeed; what failed is in the assertion's text."""
    assert outcome.rc == 0, str(outcome)
    return outcome


def changed_hosts(outcome: Outcome) -> set[str]:
    return {host for host, count in outcome.recap("changed").items() if count}


def edit(lab: Lab, **changes: Any) -> None:
    """fabric.yml as it was made, with these top-level keys instead."""
    (lab.inventory / "fabric.yml").write_text(yaml.safe_dump(lab.fabric() | changes))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Detection of dead links that a busy machine does not set off by itself: this file counts which sessions come up anew.
    patient = {"bgp": {"bfd": {"interval": 1000, "multiplier": 20}}}
    made = Lab("tp-part", tmp_path_factory.mktemp("tp-part"), octet=181, management="172.29.81.0/24", bridge_prefix="tp-", changes=patient)
    succeeded(made.play("destroy"))
    succeeded(made.play("site", timeout=900))
    yield made
    made.play("destroy")


def settled(lab: Lab, count: int, routers: Iterable[str] = ROUTERS) -> dict[str, float]:
    """The sessions of the routers, once there are so many: a playbook ends before the last neighbour has answered."""
    until(f"{count} sessions", lambda: len(sessions(lab, routers)) == count)
    return sessions(lab, routers)


def test_a_rack_that_is_added_changes_no_other(lab: Lab) -> None:
    before = settled(lab, ALL)
    edit(lab, racks=lab.fabric()["racks"] | {"rack2": RACK})
    outcome = succeeded(lab.play("site"))
    # The spines get a neighbour, the leaves of other racks nothing.
    assert changed_hosts(outcome) == {"labhost", "leaf2", "spine0", "spine1"}
    after = settled(lab, ALL + 4, [*ROUTERS, "leaf2"])
    new = flapped(before, after)
    assert {name.split()[0] for name in new} == {"leaf2", "spine0", "spine1"}
    assert len(new) == 4
    assert new.isdisjoint(before)


def test_a_session_that_flapped_is_found(lab: Lab) -> None:
    """The detector of the test above can fail."""
    before = settled(lab, 2, ["leaf2"])
    lab.configure("leaf2", "set interfaces ethernet eth1 disable")
    try:
        assert flapped(before, settled(lab, 1, ["leaf2"]))
    finally:
        lab.configure("leaf2", "delete interfaces ethernet eth1 disable")
    assert flapped(before, settled(lab, 2, ["leaf2"]))


def test_a_spine_is_added_and_a_rack_removed_in_one_run(lab: Lab) -> None:
    before = settled(lab, ALL + 2)
    # The port of the new spine is said, or the racks' ports of the leaves would move.
    edit(lab, spines=lab.fabric()["spines"] | {"spine2": {"asn": 900, "leaf_port": 9}})
    outcome = succeeded(lab.play("site"))
    assert changed_hosts(outcome) == {"labhost", *ROUTERS, "spine2"}
    after = settled(lab, ALL + 4, [*ROUTERS, "spine2"])
    succeeded(lab.play("verify", "-e", '{"verify_drills": []}'))
    # Two sessions less for the spines, one more for each leaf; nobody else's came up anew.
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    assert sorted(name.split()[0] for name in gone) == ["spine0", "spine1"]
    assert sorted(name.split()[0] for name in new) == ["leaf0", "leaf1", "spine2", "spine2"]
    assert flapped(before, after) == gone | new
    # Cleanly: nothing of the rack on the host or on a spine.
    assert [place for place in snapshot.take() if "leaf2" in place] == []
    assert not any("leaf2" in str(path) for folder in (lab.directory, Path("/run/leafspine")) for path in folder.rglob("*"))
    assert "65009" not in router_cli(lab, "spine0", "show configuration commands | no-more")


def test_a_spine_that_is_removed_goes(lab: Lab) -> None:
    before = settled(lab, ALL + 2)
    edit(lab)
    assert changed_hosts(succeeded(lab.play("site"))) == {"labhost", "leaf0", "leaf1"}
    after = settled(lab, ALL)
    assert sorted(name.split()[0] for name in flapped(before, after)) == ["leaf0", "leaf1"]
    assert [place for place in snapshot.take() if "spine2" in place] == []
    assert "900" not in router_cli(lab, "leaf0", 'show configuration commands | match "remote-as"')
    assert succeeded(lab.play("site")).changed() == []


@pytest.mark.parametrize("tag", ["demo_app", "calico_bgp", "vyos_fabric", "containerlab", "linux_bridges", "kind_cluster", "preflight"])
def test_a_role_of_the_running_lab_changes_nothing_in_any_order(lab: Lab, tag: str) -> None:
    """Last one first. The run is the role's: that is seen from its tasks."""
    outcome = succeeded(lab.play("site", "--tags", tag))
    assert outcome.changed() == []
    assert any(tag in name for name in outcome.tasks()), outcome.tasks()


@pytest.mark.parametrize(("limit", "hosts"), [("rack_rack0", {"leaf0"}), ("worker", set())], ids=["a rack", "a server"])
def test_a_rack_or_a_server_alone(lab: Lab, limit: str, hosts: set[str]) -> None:
    """Servers are nothing that Ansible connects to: a server alone is a run in which nobody is asked to do anything."""
    outcome = succeeded(lab.play("site", "--limit", limit))
    assert outcome.changed() == []
    assert {host for host, count in outcome.recap("ok").items() if count} == hosts


def test_a_server_that_is_added_needs_a_new_cluster_and_is_refused_until_that_is_wanted(lab: Lab) -> None:
    """kind cannot change a cluster; the fabric's own sessions stay when it is made anew."""
    racks = lab.fabric()["racks"]
    racks["rack1"]["servers"]["worker4"] = f"{NET}.8.12"
    edit(lab, racks=racks)
    refused = lab.play("site")
    assert refused.rc != 0
    assert refused.changed() == []
    assert any("kind_cluster_recreate=true" in failure for failure in refused.failures()), str(refused)
    before = settled(lab, ALL)
    succeeded(lab.play("site", "-e", "kind_cluster_recreate=true"))
    succeeded(lab.play("verify", "-e", '{"verify_drills": []}'))
    assert flapped(before, settled(lab, ALL + 1)) == {f"{leaf} {NET}.{net}" for leaf, net in NODES} | {f"leaf1 {NET}.8.12"}
    assert lab.tool("kubectl", "get", "nodes", "-o", "name").stdout.count("worker4") == 1


def test_one_roles_work_is_taken_away(lab: Lab) -> None:
    succeeded(lab.play("destroy", "--tags", "demo_app"))
    left = [item["metadata"]["name"] for item in json.loads(lab.tool("kubectl", "get", "daemonsets,services,pods", "-o", "json").stdout)["items"]]
    assert left == ["kubernetes"]
    settled(lab, ALL + 1)
    assert any("demo_app" in name for name in succeeded(lab.play("site", "--tags", "demo_app")).changed())
