"""What a router's interfaces should become."""

from __future__ import annotations

import pytest
from leafspine_embedded.vyos.kernel import KernelError, State, target
from leafspine_embedded.vyos.plan import InterfacePlan, KernelPlan

ETH1 = State("ethernet", up=True, mtu=1500)


def plan(*interfaces: InterfacePlan) -> KernelPlan:
    return KernelPlan("leaf0", {interface.name: interface for interface in interfaces}, {})


OLD = plan(InterfacePlan("eth1", "ethernet"), InterfacePlan("eth2", "ethernet", ["10.0.0.1/24"]))


def test_an_interface_that_the_router_never_had_is_refused() -> None:
    with pytest.raises(KernelError, match='Interface "eth2" does not exist!'):
        target({"eth1": ETH1}, None, OLD, {})


def test_one_whose_link_has_gone_since_holds_nothing_up_and_is_configured_when_it_is_back() -> None:
    new = plan(*OLD.interfaces.values(), InterfacePlan("dum0", "dummy", ["10.9.0.1/32"]))
    assert set(target({"eth1": ETH1}, OLD, new, {})) == {"eth1", "dum0"}
    assert target({"eth1": ETH1, "eth2": ETH1}, OLD, new, {})["eth2"].addresses == {"10.0.0.1/24"}


def test_one_that_goes_from_the_configuration_after_its_link_is_not_missed() -> None:
    assert target({"eth1": ETH1}, OLD, plan(OLD.interfaces["eth1"]), {}) == {"eth1": ETH1}
