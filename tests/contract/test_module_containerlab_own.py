"""Module containerlab where containerlab itself does not help: nodes in other containers' namespaces, stopped routers, and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import containerlab as pure
from ansible_collections.leafspine.calico.plugins.module_utils import containerlab_lab
from ansible_collections.leafspine.calico.tests.contract.test_module_containerlab import DEPLOYED, NOTHING, ROWS, Host

HERE = Path(__file__).parent
EXEC = [sys.executable, str(HERE / "fake_node.py"), "{node}"]
# The reference form: routers, and a server in the network namespace of a kind node.
LISTED = {"lab": [{**DEPLOYED["lab"][0], "name": f"clab-lab-{name}"} for name in ("leaf0", "server1")]}
NODES: dict[str, Any] = {
    "lab-worker": {"space": 7, "links": ["eth0", "net0"]},
    "clab-lab-server1": {"space": 7, "links": ["eth0", "net0"]},
    "clab-lab-leaf0": {"space": 8, "links": ["eth0", "eth1"]},
}
OWN: dict[str, Any] = {
    "reconcile": False,
    "nodes": ["leaf0", "server1"],
    "shared": {"server1": "lab-worker"},
    "interfaces": {"leaf0": ["eth1"], "server1": ["net0"]},
    "external_nodes": ["lab-worker"],
    "node_exec": EXEC,
}


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


def deployed(host: Host, **scene: Any) -> None:
    """A lab that was deployed by the module and then is as the scene says."""
    host.scene(inspect={}, after=LISTED, nodes=NODES)
    assert host.run(**OWN)["plan"] == {"deployed-lab": ["lab"]}
    host.forget()
    host.scene(inspect=LISTED, nodes=NODES, **scene)


def test_a_lab_that_stands_as_wanted_is_not_touched(host: Host) -> None:
    deployed(host)
    result = host.run(**OWN)
    assert (result["changed"], result["plan"]) == (False, {})
    assert set(host.verbs()) == {"inspect"}


BROKEN = {
    "kind node restarted": ({**NODES, "lab-worker": {"space": 9, "links": ["eth0"]}}, ["server1"]),
    "link of a server gone": ({**NODES, "clab-lab-server1": {"space": 7, "links": ["eth0"]}}, ["server1"]),
    "router restarted": ({**NODES, "clab-lab-leaf0": {"space": 8, "links": ["eth0"]}}, ["leaf0"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_restarted_alone(host: Host, case: str) -> None:
    nodes, repaired = BROKEN[case]
    deployed(host)
    host.scene(inspect=LISTED, nodes=nodes, repaired=NODES)
    ahead = host.run(check=True, **OWN)
    assert (ahead["changed"], ahead["plan"]) == (True, {"restarted-nodes": repaired})
    assert set(host.verbs()) == {"inspect"}
    host.forget()
    assert host.run(**OWN)["plan"] == {"restarted-nodes": repaired}
    restart = next(words for words in host.calls if words[0] == "restart")
    assert restart == ["restart", "--topo", str(host.directory / "clab.yml"), "--node", repaired[0]]
    assert "deploy" not in host.verbs()
    assert host.run(**OWN)["changed"] is False


def test_what_a_restart_does_not_repair_is_deployed_anew_and_never_by_node(host: Host) -> None:
    deployed(host)
    host.scene(inspect=LISTED, nodes=BROKEN["router restarted"][0], fail={"restart": "unknown command restart"})
    host.run(**OWN)
    anew = [words for words in host.calls if "--reconfigure" in words]
    assert len(anew) == 1
    assert not any("--node-filter" in words for words in host.calls)


@pytest.mark.parametrize(
    ("topology", "listed", "work"),
    [("name: lab\n# other\n", LISTED, ["lab"]), ("name: lab\n", {"lab": LISTED["lab"][:1]}, ["server1"])],
    ids=["another topology", "a container is gone"],
)
def test_another_topology_or_a_missing_container_is_deployed_anew(host: Host, topology: str, listed: Any, work: list[str]) -> None:
    deployed(host)
    host.scene(inspect=listed, nodes=NODES)
    result = host.run(topology=topology, **OWN)
    assert result["plan"] == {"redeployed-lab": work}
    assert ["deploy", "--topo", str(host.directory / "clab.yml"), "--reconfigure", "--format", "json"] in host.calls


def test_a_topology_whose_deployment_failed_is_deployed_by_the_next_run(host: Host) -> None:
    deployed(host)
    host.scene(inspect=LISTED, nodes=NODES, fail={"reconfigure": "device busy"})
    assert host.run(topology="name: lab\n# other\n", **OWN)["failed"]
    host.scene(inspect=LISTED, nodes=NODES)
    assert host.run(topology="name: lab\n# other\n", **OWN)["plan"] == {"redeployed-lab": ["lab"]}


@pytest.mark.parametrize("missing", [{"bridges": ["br-nope"]}, {"external_nodes": ["lab-worker"], "node_exec": EXEC}], ids=["bridge", "node"])
@pytest.mark.parametrize(("listed", "work"), [({}, {"deployed-lab": ["lab"]}), (LISTED, {"added-links": None})], ids=["no lab", "a lab"])
def test_a_look_ahead_does_not_need_what_the_same_run_makes_first(host: Host, missing: dict[str, Any], listed: dict[str, Any], work: dict[str, Any]) -> None:
    """After a reboot, for instance: the topology file is there, bridges and nodes are not."""
    host.run()
    host.forget()
    host.scene(plan=ROWS["plans"][0]["plan"], inspect=listed, nodes={})
    ahead = host.run(check=True, **missing)
    named = next(iter(missing.values()))
    assert (ahead["changed"], ahead["plan"]) == (True, {key: value or named for key, value in work.items()})
    assert host.verbs() == ["inspect"]
    assert host.run(**missing)["failed"]


# --- what containerlab needs and does not make --------------------------------------------------------------------------------


def test_a_node_that_does_not_run_is_named_and_nothing_is_deployed(host: Host) -> None:
    host.scene(plan=ROWS["plans"][2]["plan"], inspect={}, nodes={})
    result = host.run(external_nodes=["lab-worker", "lab-worker2"], node_exec=EXEC)
    assert result["failed"]
    assert result["reason"] == "node_missing"
    assert "lab-worker, lab-worker2 not running" in result["msg"]
    assert "--tags kind_cluster" in result["msg"]
    assert host.verbs() == []
    assert host.files() == {}


def test_a_bridge_that_is_not_there_is_named_and_nothing_is_deployed(host: Host) -> None:
    result = host.run(bridges=["br-nope"])
    assert (result["failed"], result["reason"]) == (True, "bridge_missing")
    assert "br-nope" in result["msg"]
    assert "--tags linux_bridges" in result["msg"]
    assert host.verbs() == []


# --- stopped routers ---------------------------------------------------------------------------------------------------------

STOPPED = {"lab": [{**DEPLOYED["lab"][0], "state": "exited"}, DEPLOYED["lab"][1]]}


def test_a_stopped_router_is_started_before_containerlab_is_asked(host: Host) -> None:
    host.run()
    host.forget()
    note = host.folder / "started"
    start = ["/bin/sh", "-c", f"echo {{node}} >> {note}; cp {host.folder}/good.json {host.folder}/scene.json"]
    host.scene(plan=NOTHING, inspect=DEPLOYED)
    (host.folder / "scene.json").rename(host.folder / "good.json")
    host.scene(inspect=STOPPED, fail={"plan": "container network namespace is not available (status=Stopped)"})
    ahead = host.run(check=True, start_command=start)
    assert (ahead["changed"], ahead["plan"], note.exists()) == (True, {"started-nodes": ["clab-lab-leaf0"]}, False)
    result = host.run(start_command=start)
    assert (result["changed"], result["plan"]) == (True, {"started-nodes": ["clab-lab-leaf0"]})
    assert note.read_text() == "clab-lab-leaf0\n"
    assert host.run(start_command=start)["changed"] is False


def test_a_router_that_cannot_be_started_is_named(host: Host) -> None:
    host.run()
    host.scene(plan=NOTHING, inspect=STOPPED)
    result = host.run(start_command=["/bin/sh", "-c", "echo no such device >&2; exit 1"])
    assert (result["failed"], result["reason"]) == (True, "not_started")
    assert "clab-lab-leaf0 is stopped and cannot be started: no such device" in result["msg"]


# --- leftovers ---------------------------------------------------------------------------------------------------------------

RULES = [
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    '-A FORWARD -i br-leaf0 -m comment --comment "set by containerlab" -j ACCEPT',
    '-A DOCKER-USER -o br-leaf0 -m comment --comment "set by containerlab" -j ACCEPT',
    '-A FORWARD -i br-other -m comment --comment "set by containerlab" -j ACCEPT',
    "-A FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
    "-A FORWARD -i br-leaf01 -j ACCEPT",
]


def test_only_containerlab_s_own_rules_for_our_bridges_are_leftovers() -> None:
    found = pure.leftover_rules(RULES, ["br-leaf0", "br-leaf1"])
    assert [" ".join(words[:4]) for words in found] == ["-D FORWARD -i br-leaf0", "-D DOCKER-USER -o br-leaf0"]
    assert all("set by containerlab" in words for words in found)
    assert pure.leftover_rules(RULES, []) == []


def test_destroy_removes_them(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an iptables that keeps its rules in a file."""
    rules = host.folder / "rules"
    rules.write_text("\n".join(RULES) + "\n")
    (host.bin / "iptables").write_text(IPTABLES.format(python=sys.executable, rules=rules))
    (host.bin / "iptables").chmod(0o755)
    monkeypatch.setattr(containerlab_lab.os.path, "isdir", lambda path, real=os.path.isdir: path.startswith("/sys/class/net/br-leaf0") or real(path))
    host.run(bridges=["br-leaf0"])
    assert host.run(state="absent", check=True, bridges=["br-leaf0"])["changed"] is True
    assert rules.read_text().count("set by containerlab") == 3
    host.run(state="absent", bridges=["br-leaf0"])
    assert [line for line in rules.read_text().splitlines() if "set by containerlab" in line] == [RULES[4]]
    assert host.run(state="absent", bridges=["br-leaf0"])["changed"] is False


IPTABLES = """#!{python}
import pathlib, shlex, sys
file, words = pathlib.Path({rules!r}), sys.argv[2:]
lines = file.read_text().splitlines()
if words == ["-S"]:
    print("\\n".join(lines))
else:
    lines.remove(next(line for line in lines if shlex.split(line)[1:] == words[1:]))
    file.write_text("\\n".join(lines) + "\\n")
""".replace("{rules!r}", "'{rules}'")


def test_ends_of_links_on_our_bridges_are_removed_before_a_deploy_and_nothing_else(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[list[str]] = []
    masters = {"br-leaf0-net0": "br-leaf0", "br-leaf0-net1": "br-other"}
    monkeypatch.setattr(containerlab_lab.os.path, "islink", lambda path: path.split("/")[4] in masters)
    monkeypatch.setattr(containerlab_lab.os, "readlink", lambda path: f"../../{masters[path.split('/')[4]]}")
    monkeypatch.setattr(containerlab_lab.os.path, "isdir", lambda path, real=os.path.isdir: path.startswith("/sys/class/net/") or real(path))
    monkeypatch.setattr(containerlab_lab.Lab, "host_command", lambda _lab, *words: removed.append(list(words)))
    host.scene(plan=ROWS["plans"][2]["plan"], inspect={}, after=DEPLOYED)
    options = {"bridges": ["br-leaf0"], "host_interfaces": ["br-leaf0-net0", "br-leaf0-net1", "br-leaf0-net2"]}
    assert host.run(check=True, **options)["changed"] is True
    assert removed == []
    host.run(**options)
    assert removed == [["ip", "link", "delete", "br-leaf0-net0"]]


def test_the_fakes_are_programs() -> None:
    for name in ("fake_node.py", "fake_containerlab.py"):
        assert subprocess.run([sys.executable, "-m", "py_compile", str(HERE / name)], check=False).returncode == 0
