"""Module linux_bridge around its plan: what it reads, runs, reports, and that check mode only reads."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.modules import linux_bridge

LINK = {"ifname": "br-leaf0", "mtu": 1500, "flags": ["BROADCAST", "UP"], "ifalias": "leafspine:lab", "linkinfo": {"info_kind": "bridge"}}
READING = ("ip -j -d link show", "/sbin/iptables -w -S")
ARGS: dict[str, Any] = {"bridges": [{"name": "br-leaf0"}], "owner": "lab", "firewall_accept": "never"}


@pytest.fixture(autouse=True)
def host(commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_args, **_more: "/sbin/iptables")
    commands.answer("ip -j -d link show", [{"ifname": "lo", "mtu": 65536, "flags": ["UP"]}])
    commands.answer("/sbin/iptables -w -S", "-P FORWARD ACCEPT\n")
    commands.answer("ip link")
    commands.answer("/sbin/iptables -w -I")
    commands.answer("/sbin/iptables -w -D")


def done(commands: Any) -> list[str]:
    return [line for line in commands.seen if line not in READING]


def test_what_is_missing_is_made_and_reported(run_module: Any, commands: Any) -> None:
    result = run_module(linux_bridge, **ARGS)
    assert result["changed"] is True
    assert result["commands"] == done(commands) != []
    assert result["commands"][0] == "ip link add name br-leaf0 mtu 1500 type bridge forward_delay 0"


def test_what_is_there_is_left_alone(run_module: Any, commands: Any) -> None:
    commands.answer("ip -j -d link show", [LINK])
    result = run_module(linux_bridge, **ARGS)
    assert (result["changed"], result["commands"], done(commands)) == (False, [], [])
    assert result["diff"]["before"] == result["diff"]["after"] == "br-leaf0: mtu 1500, up, alias leafspine:lab\n"


def test_a_link_is_read_in_every_respect(run_module: Any, commands: Any) -> None:
    commands.answer("ip -j -d link show", [{**LINK, "mtu": 1400, "flags": []}])
    assert run_module(linux_bridge, **ARGS)["commands"] == ["ip link set dev br-leaf0 mtu 1500", "ip link set dev br-leaf0 up"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_reports_the_same_and_runs_nothing(run_module: Any, commands: Any, state: str) -> None:
    commands.answer("ip -j -d link show", [{**LINK, "flags": []}])
    ahead = run_module(linux_bridge, check=True, **ARGS, state=state)
    assert done(commands) == []
    real = run_module(linux_bridge, **ARGS, state=state)
    assert ahead["commands"] == real["commands"] == done(commands) != []
    assert ahead["changed"] is real["changed"] is True
    assert f"would run: {real['commands'][0]}" in ahead["diff"]["after"]


def test_rules_of_the_lab_go_with_the_bridge(run_module: Any, commands: Any) -> None:
    commands.answer("ip -j -d link show", [LINK])
    commands.answer("/sbin/iptables -w -S", "-A FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT\n-A FORWARD -i br-leaf0 -j DROP\n")
    assert run_module(linux_bridge, **ARGS, state="absent")["commands"] == [
        "/sbin/iptables -w -D FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
        "ip link delete br-leaf0",
    ]


def test_absent_twice_changes_nothing(run_module: Any, commands: Any) -> None:
    result = run_module(linux_bridge, **ARGS, state="absent")
    assert (result["changed"], done(commands)) == (False, [])


def test_a_host_without_iptables(run_module: Any, commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_args, **_more: None)
    assert run_module(linux_bridge, **ARGS)["changed"] is True
    assert not any("iptables" in line for line in commands.seen)
    refused = run_module(linux_bridge, **{**ARGS, "firewall_accept": "always"})
    assert "install iptables" in refused["msg"]


def test_somebody_s_bridge_is_refused_before_anything_is_done(run_module: Any, commands: Any) -> None:
    commands.answer("ip -j -d link show", [{**LINK, "ifname": "br-leaf1", "ifalias": "leafspine:other"}])
    result = run_module(linux_bridge, **{**ARGS, "bridges": [{"name": "br-leaf0"}, {"name": "br-leaf1"}]})
    assert result["failed"]
    assert "br-leaf1" in result["msg"]
    assert "leafspine:other" in result["msg"]
    assert done(commands) == []


def test_a_command_that_fails_ends_the_module_with_its_words(run_module: Any, commands: Any) -> None:
    commands.answer("ip link set", rc=2, err="RTNETLINK answers: Operation not permitted\n")
    result = run_module(linux_bridge, **ARGS)
    assert result["failed"]
    assert result["msg"] == "ip link set dev br-leaf0 addrgenmode none alias leafspine:lab: RTNETLINK answers: Operation not permitted"
    assert result["rc"] == 2


def test_a_link_table_that_cannot_be_read_is_a_failure(run_module: Any, commands: Any) -> None:
    commands.answer("ip -j -d link show", rc=1, err="Cannot open netlink socket")
    assert run_module(linux_bridge, **ARGS)["failed"]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"bridges": None}, "bridges"), ({"state": "gone"}, "absent"), ({"bridges": [{"mtu": 1500}]}, "name")],
    ids=["no bridges", "an unknown state", "a bridge without a name"],
)
def test_arguments_are_checked(run_module: Any, change: dict[str, Any], words: str) -> None:
    result = run_module(linux_bridge, **{**ARGS, **change})
    assert result["failed"]
    assert words in result["msg"]
