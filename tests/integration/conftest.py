"""Fixtures of the tests on the real host: a namespace of one's own, a picture of the host before and after."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ROOT, Lab

# What comes with packages and stays: their own files and folders.
INSTALLED = re.compile(r"^. file (/etc|/run/frr|/run/bird|/var/tmp/frr|/var/log/frr)\b")


@pytest.fixture
def same_host() -> Iterator[Callable[[], list[str]]]:
    """Gives a function that returns what differs on the host since the test's start; the test's end must be like its start."""
    before = snapshot.take()

    def since() -> list[str]:
        return snapshot.difference(before, snapshot.take())

    yield since
    differs = since()
    assert not differs, "\n".join(differs)


@pytest.fixture(scope="session", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Packages and the engine's environment are on this machine, as role preflight installs them, and the SSH server of the tests' other machine."""
    if not Path("/usr/sbin/sshd").exists():
        options = "name=openssh-server policy_rc_d=101 install_recommends=false update_cache=true"
        ansible = [str(ROOT / ".venv/bin/ansible"), "localhost", "-m", "ansible.builtin.apt", "-a", options]
        subprocess.run(ansible, check=True, env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, timeout=600)
    lab = Lab("tg-setup", tmp_path_factory.mktemp("tg-setup"), octet=139, management="172.29.39.0/24", bridge_prefix="tgs-")
    for playbook, *options in (["site", "--tags", "preflight"], ["destroy"]):
        done = lab.play(playbook, *options, timeout=1800)
        assert done.rc == 0, str(done)


@pytest.fixture(scope="module", autouse=True)
def nothing_left(installed: None) -> Iterator[None]:
    """A file of tests leaves no namespace, link, firewall rule, process or file of a lab behind; packages it installed may stay."""
    # What daemons that tests had killed have left: a new one with such a process id would take it along when it ends.
    for folder in Path("/var/tmp/frr").glob("*.[0-9]*"):
        if not Path(f"/proc/{folder.suffix[1:]}").exists():
            shutil.rmtree(folder)
    before = snapshot.take()
    yield
    left = [line for line in snapshot.difference(before, snapshot.take()) if not INSTALLED.search(line)]
    assert not left, "\n".join(left)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A network namespace whose links go with it; without IPv6, whose addresses appear when the kernel feels like it."""
    name = f"tg-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    for which in ("all", "default"):
        subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1"], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)
