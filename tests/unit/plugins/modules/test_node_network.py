"""Module node_network: observes every node through the prefix, acts on all or none, remembers the former default routes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import node_network

ETH0 = {"ifname": "eth0", "flags": ["UP"], "addr_info": [{"family": "inet", "local": "172.18.0.3", "prefixlen": 16, "scope": "global"}]}
NET0 = {"ifname": "net0", "flags": ["UP"], "addr_info": []}
DONE = {"ifname": "net0", "flags": ["UP"], "addr_info": [{"family": "inet", "local": "10.1.5.11", "prefixlen": 24, "scope": "global"}]}
DOCKER = {"dst": "default", "gateway": "172.18.0.1", "dev": "eth0", "protocol": "boot"}
RACK = {"dst": "default", "gateway": "10.1.5.1", "dev": "net0"}
WORKER = {"node": "worker", "interface": "net0", "address": "10.1.5.11", "prefix_length": 24, "gateway": "10.1.5.1", "rack": "ignored"}
OTHER = {**WORKER, "node": "worker2", "address": "10.1.5.12"}
SET = ["worker: ip address add 10.1.5.11/24 dev net0", "worker: ip route replace default via 10.1.5.1 dev net0"]


@pytest.fixture
def args(tmp_path: Path) -> dict[str, Any]:
    return {"nodes": [WORKER], "exec": ["docker", "exec", "{node}"], "record": str(tmp_path / "lab" / "node-routes.json")}


def node(commands: Any, name: str, links: list[dict[str, Any]], routes: list[dict[str, Any]]) -> None:
    commands.answer(f"docker exec {name} ip -j address show", links)
    commands.answer(f"docker exec {name} ip -j -4 route show", routes)
    for words in ("link set", "address add", "address delete", "route replace", "route delete"):
        commands.answer(f"docker exec {name} ip {words}")


def acted(commands: Any) -> list[str]:
    return [line for line in commands.seen if " ip -j " not in line]


def recorded(args: dict[str, Any]) -> Any:
    path = Path(args["record"])
    return json.loads(path.read_text()) if path.exists() else None


def test_a_node_is_given_address_and_route_and_the_former_route_is_remembered(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    result = run_module(node_network, **args)
    assert (result["changed"], result["commands"]) == (True, SET)
    assert acted(commands) == [line.replace("worker: ", "docker exec worker ") for line in SET]
    assert recorded(args) == {"worker": {"gateway": "172.18.0.1", "dev": "eth0"}}


def test_a_second_run_changes_neither_node_nor_record(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    run_module(node_network, **args)
    node(commands, "worker", [ETH0, DONE], [RACK])
    commands.seen.clear()
    result = run_module(node_network, **args)
    assert (result["changed"], result["commands"], acted(commands)) == (False, [], [])
    assert recorded(args) == {"worker": {"gateway": "172.18.0.1", "dev": "eth0"}}


def test_a_node_made_anew_is_remembered_anew(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    run_module(node_network, **args)
    node(commands, "worker", [ETH0, NET0], [{**DOCKER, "gateway": "172.19.0.1"}])
    run_module(node_network, **args)
    assert recorded(args)["worker"]["gateway"] == "172.19.0.1"


def test_check_mode_reports_and_neither_acts_nor_remembers(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    result = run_module(node_network, check=True, **args)
    assert (result["changed"], result["commands"]) == (True, SET)
    assert acted(commands) == []
    assert recorded(args) is None


def test_a_missing_node_stops_all_before_anything_is_done(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    commands.answer("docker exec worker2 ip", rc=1, err="No such container: worker2")
    result = run_module(node_network, **{**args, "nodes": [WORKER, OTHER]})
    assert result["failed"]
    assert result["msg"] == "worker2: no such node; build the cluster first: --tags kind_cluster"
    assert acted(commands) == []
    assert recorded(args) is None


def test_a_look_ahead_counts_a_missing_node_as_work(run_module: Any, commands: Any, args: Any) -> None:
    commands.answer("docker exec worker ip", rc=1, err="No such container: worker")
    result = run_module(node_network, check=True, **args)
    assert (result["changed"], result["commands"]) == (True, ["worker: address and default route"])


def test_a_missing_interface_fails_and_a_look_ahead_says_so(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0], [DOCKER])
    result = run_module(node_network, **args)
    assert result["failed"]
    assert "worker: there is no interface net0" in result["msg"]
    ahead = run_module(node_network, check=True, **args)
    assert ahead["changed"] is True
    assert "failed" not in ahead
    assert recorded(args) is None


def test_a_command_that_fails_names_node_and_words(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    commands.answer("docker exec worker ip route replace", rc=2, err="Error: Nexthop has invalid gateway.\n")
    result = run_module(node_network, **args)
    assert result["failed"]
    assert result["msg"] == "worker: ip route replace default via 10.1.5.1 dev net0: Error: Nexthop has invalid gateway."


def test_absent_undoes_it_with_the_remembered_route(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    run_module(node_network, **args)
    node(commands, "worker", [ETH0, DONE], [RACK])
    commands.seen.clear()
    ahead = run_module(node_network, check=True, **args, state="absent")
    assert acted(commands) == []
    assert recorded(args) is not None
    result = run_module(node_network, **args, state="absent")
    assert (
        ahead["commands"]
        == result["commands"]
        == ["worker: ip route replace default via 172.18.0.1 dev eth0", "worker: ip address delete 10.1.5.11/24 dev net0"]
    )
    assert recorded(args) is None


def test_absent_passes_over_nodes_that_are_gone(run_module: Any, commands: Any, args: Any) -> None:
    commands.answer("docker exec worker ip", rc=1, err="No such container: worker")
    result = run_module(node_network, **args, state="absent")
    assert (result["changed"], result["commands"]) == (False, [])


def test_absent_that_only_removes_the_record_is_a_change(run_module: Any, commands: Any, args: Any) -> None:
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    run_module(node_network, **args)
    commands.answers.clear()
    commands.answer("docker exec worker ip", rc=1, err="No such container: worker")
    assert run_module(node_network, check=True, **args, state="absent")["changed"] is True
    assert run_module(node_network, **args, state="absent")["changed"] is True
    assert recorded(args) is None
    assert run_module(node_network, **args, state="absent")["changed"] is False


@pytest.mark.parametrize("key", ["node", "interface", "address", "prefix_length", "gateway"])
def test_a_node_that_lacks_something_is_refused_by_name(run_module: Any, commands: Any, args: Any, key: str) -> None:
    lacking = {name: value for name, value in WORKER.items() if name != key}
    result = run_module(node_network, **{**args, "nodes": [lacking]})
    assert result["failed"]
    assert f"lacks {key};" in result["msg"]
    assert commands.seen == []


def test_a_record_that_was_damaged_is_a_failure_not_a_traceback(run_module: Any, commands: Any, args: Any) -> None:
    Path(args["record"]).parent.mkdir()
    Path(args["record"]).write_text("{half")
    node(commands, "worker", [ETH0, NET0], [DOCKER])
    result = run_module(node_network, **args)
    assert result["failed"]
    assert args["record"] in result["msg"]
