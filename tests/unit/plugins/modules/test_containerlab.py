"""Module containerlab's own small parts; its behaviour towards containerlab is in tests/contract/test_module_containerlab.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import containerlab_lab
from ansible_collections.leafspine.calico.plugins.modules import containerlab

ARGS: dict[str, Any] = {"name": "lab", "directory": "/no/such/folder", "executable": "no-such-containerlab"}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param('encrypted-password "$6$salt$hash"', "encrypted-password ********", id="password hash"),
        pytest.param("plaintext-password vyos", "plaintext-password ********", id="plain password"),
        pytest.param("key AAAAB3NzaC1", "key ********", id="key"),
        pytest.param("host-name leaf0", "host-name leaf0", id="no secret"),
        pytest.param("address 10.1.5.1/24", "address 10.1.5.1/24", id="an address"),
    ],
)
def test_secrets_of_a_boot_configuration_are_masked(line: str, shown: str) -> None:
    assert containerlab_lab.SECRET.sub(r"\1\2********", line) == shown


def test_a_lab_needs_a_topology_and_its_end_does_not(run_module: Any) -> None:
    refused = run_module(containerlab, **ARGS)
    assert refused["failed"]
    assert "topology" in refused["msg"]
    gone = run_module(containerlab, **ARGS, state="absent")
    assert (gone["changed"], gone.get("failed")) == (False, None)


def test_boot_configurations_are_never_in_the_invocation(run_module: Any) -> None:
    result = run_module(containerlab, check=True, **ARGS, topology="name: lab\n", boot_configs={"leaf0": 'encrypted-password "$6$salt$hash"\n'})
    assert result["changed"] is True
    assert "$6$" not in str(result)
    assert result["invocation"]["module_args"]["topology"] == "name: lab\n"


def test_folders_of_routers_that_are_no_more_are_found(tmp_path: Path) -> None:
    params = {**ARGS, "directory": str(tmp_path), "topology": "", "timeout": 1, "boot_configs": {"leaf0": "x"}}
    lab = containerlab_lab.Lab(params, check_mode=False)
    assert lab.gone_boot_configs() == []
    lab.write_boot_configs({"leaf0": "x", "leaf2": "x"})
    assert lab.gone_boot_configs() == [str(tmp_path / "routers" / "leaf2")]


def test_a_look_ahead_shows_which_boot_configurations_go(run_module: Any, tmp_path: Path) -> None:
    folder = tmp_path / "routers" / "leaf2"

    def shown() -> bool:
        result = run_module(containerlab, check=True, **{**ARGS, "directory": str(tmp_path)}, topology="name: lab\n")
        return any(one.get("before") == f"{folder}\n" for one in result["diff"])

    assert not shown()
    folder.mkdir(parents=True)
    assert shown()
    assert folder.exists()
