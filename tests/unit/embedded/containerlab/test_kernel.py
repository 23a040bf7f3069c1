"""Interfaces by difference, and which sysctls a router may set."""

from __future__ import annotations

import pytest
from leafspine_embedded.vyos.kernel import Baseline, KernelError, State, commands, sysctl_problem, target
from leafspine_embedded.vyos.plan import InterfacePlan, KernelPlan

BASE = {"eth1": Baseline(1500, "aa:c1:ab:00:00:01")}
LO = State("loopback", frozenset({"127.0.0.1/8", "::1/128"}), 65536, mac="00:00:00:00:00:00")
NOW = {"lo": LO, "eth0": State("ethernet", frozenset({"172.29.1.2/24"})), "eth1": State("ethernet", mac="aa:c1:ab:00:00:01")}


def plan(**interfaces: InterfacePlan) -> KernelPlan:
    return KernelPlan("leaf0", interfaces, {})


def test_addresses_come_and_what_is_not_ours_stays() -> None:
    want = target(NOW, None, plan(eth1=InterfacePlan("eth1", "ethernet", ["10.1.5.1/24"])), BASE)
    assert want["eth0"] == NOW["eth0"]
    assert want["lo"] == LO
    assert commands(NOW, want) == ["address add 10.1.5.1/24 dev eth1 broadcast +"]


def test_nothing_to_do() -> None:
    assert commands(NOW, target(NOW, None, plan(eth1=InterfacePlan("eth1", "ethernet")), BASE)) == []


def test_settings_go_back_to_what_the_interface_was_made_with() -> None:
    old = plan(eth1=InterfacePlan("eth1", "ethernet", ["10.1.5.1/24"], mtu=1400, up=False, description="x", mac="02:00:00:00:00:01"))
    now = {**NOW, "eth1": State("ethernet", frozenset({"10.1.5.1/24"}), 1400, False, "x", "02:00:00:00:00:01")}
    want = target(now, old, plan(eth1=InterfacePlan("eth1", "ethernet")), BASE)
    assert want["eth1"] == NOW["eth1"]
    assert commands(now, want) == [
        "address delete 10.1.5.1/24 dev eth1",
        "link set dev eth1 mtu 1500",
        "link set dev eth1 address aa:c1:ab:00:00:01",
        'link set dev eth1 alias ""',
        "link set dev eth1 up",
    ]


def test_an_interface_that_leaves_the_configuration() -> None:
    old = plan(eth1=InterfacePlan("eth1", "ethernet", ["10.1.5.1/24"]), dum0=InterfacePlan("dum0", "dummy", ["10.1.7.1/24"]))
    now = {**NOW, "eth1": State("ethernet", frozenset({"10.1.5.1/24"}), mac="aa:c1:ab:00:00:01"), "dum0": State("dummy", frozenset({"10.1.7.1/24"}))}
    want = target(now, old, plan(), BASE)
    assert "dum0" not in want
    assert (want["eth1"].up, want["eth1"].addresses) == (False, frozenset())
    assert commands(now, want)[0] == "link delete dev dum0"


def test_an_address_moves_between_interfaces() -> None:
    now = {**NOW, "eth1": State("ethernet", frozenset({"10.1.5.1/24"})), "eth2": State("ethernet")}
    old = plan(eth1=InterfacePlan("eth1", "ethernet", ["10.1.5.1/24"]))
    want = target(now, old, plan(eth1=InterfacePlan("eth1", "ethernet"), eth2=InterfacePlan("eth2", "ethernet", ["10.1.5.1/24"])), {})
    assert commands(now, want) == ["address delete 10.1.5.1/24 dev eth1", "address add 10.1.5.1/24 dev eth2 broadcast +"]


def test_going_back_is_the_difference_to_what_was() -> None:
    old = plan(eth1=InterfacePlan("eth1", "ethernet"))
    after = target(NOW, old, plan(eth1=InterfacePlan("eth1", "ethernet", ["10.1.5.1/24", "2001:db8::1/64"], mtu=1300)), BASE)
    assert commands(after, NOW) == ["address delete 10.1.5.1/24 dev eth1", "address delete 2001:db8::1/64 dev eth1", "link set dev eth1 mtu 1500"]


def test_addresses_are_compared_as_addresses() -> None:
    now = {**NOW, "eth1": State("ethernet", frozenset({"2001:db8::1/64"}), mac="aa:c1:ab:00:00:01")}
    same = plan(eth1=InterfacePlan("eth1", "ethernet", ["2001:DB8:0::1/64"]))
    assert commands(now, target(now, same, same, BASE)) == []


def test_a_missing_interface_is_refused() -> None:
    with pytest.raises(KernelError, match='Interface "eth7" does not exist'):
        target(NOW, None, plan(eth7=InterfacePlan("eth7", "ethernet")), BASE)


@pytest.mark.parametrize("name", ["kernel.pid_max", "vm.swappiness", "net", "net.ipv4..x", "net/../kernel", "fs.file-max", "net.ipv4.a b"])
def test_sysctls_of_the_whole_machine_are_refused(name: str) -> None:
    assert sysctl_problem(name) is not None


@pytest.mark.parametrize("name", ["net.ipv4.ip_forward", "net.ipv6.conf.eth1.accept_ra"])
def test_sysctls_of_the_namespace_are_not(name: str) -> None:
    assert sysctl_problem(name) is None
