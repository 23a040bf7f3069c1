"""A lab host that is another machine, reached over SSH as an ordinary user; routers are reached through it.

The tests run in the order of this file and share one host and one lab.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ENGINE, ROOT, Lab, Outcome
from ansible_collections.leafspine.calico.tests.integration.helpers.remote_host import RemoteHost

pytestmark = pytest.mark.root
ROUTERS = ("leaf0", "leaf1", "spine0", "spine1")
MANAGEMENT = "172.29.64.0/24"


class RemoteLab(Lab):
    """A lab whose host is another machine."""

    def on(self, host: RemoteHost) -> RemoteLab:
        """Tell the inventory where the lab host is."""
        self.set_host(host.variables())
        return self

    def set_host(self, variables: dict[str, object]) -> None:
        path = self.inventory / "host_vars" / "labhost.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(variables))


def succeeded(outcome: Outcome) -> Outcome:
    """The outcome of a playbook that must succeed; what failed is in the assertion's text."""
    assert outcome.rc == 0, str(outcome)
    assert not any(outcome.recap("failures").values()) and not any(outcome.recap("unreachable").values()), str(outcome)
    return outcome


def changes_nothing(outcome: Outcome) -> None:
    succeeded(outcome)
    assert outcome.changed() == []
    assert outcome.recap("changed") == dict.fromkeys(outcome.recap("changed"), 0)


def wait_for_connections(before: snapshot.Snapshot) -> None:
    """Ansible keeps its connections, to routers and to the lab host, for some time after the playbook; they are no part of a lab."""
    known = {place: state for place, state in before.items() if place.startswith("process ")}
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and any(line.startswith("+") for line in snapshot.difference(known, snapshot.processes())):
        time.sleep(0.5)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Packages and the lab host's Python environment, on this machine: the other one is a layer over it and has no way to a package index."""
    here = Lab("ti-engine", tmp_path_factory.mktemp("ti-engine"), octet=134, management=MANAGEMENT, bridge_prefix="ti-")
    succeeded(here.play("site", "--tags", "preflight", timeout=900))
    succeeded(here.play("destroy"))


@pytest.fixture(scope="module")
def machine(environment: None) -> Iterator[snapshot.Snapshot]:
    """This machine, the controller. Nothing that the tests do remains on it."""
    before = snapshot.take()
    yield before
    wait_for_connections(before)
    differs = snapshot.difference(before, snapshot.take())
    assert not differs, "\n".join(differs)


@pytest.fixture(scope="module")
def host(machine: snapshot.Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteHost]:
    """The other machine: packages and the Python environment are those of this one, the engine it has to get over SSH."""
    made = RemoteHost(tmp_path_factory.mktemp("ti-host"), hidden=(ROOT,))
    # Whoever asks this machine for a router, not the lab host, gets a refusal at once.
    refuse = ["unreachable", MANAGEMENT]
    try:
        made.start()
        subprocess.run(["ip", "route", "add", *refuse], check=True)
        made.run("rm", "-f", str(ENGINE.parent / "leafspine.stamp"))
        yield made
    finally:
        subprocess.run(["ip", "route", "delete", *refuse], check=False)
        made.stop()


@pytest.fixture(scope="module")
def lab(host: RemoteHost, tmp_path_factory: pytest.TempPathFactory) -> RemoteLab:
    cluster = {"name": "ti-ssh", "pod_subnet": "10.247.0.0/16", "service_subnet": "10.99.0.0/16"}
    made = RemoteLab("ti-ssh", tmp_path_factory.mktemp("ti-ssh"), octet=134, management=MANAGEMENT, bridge_prefix="ti-", changes={"cluster": cluster})
    return made.on(host)


@pytest.fixture(scope="module")
def bare(host: RemoteHost, lab: RemoteLab) -> snapshot.Snapshot:
    """The lab host with the engine installed, and no lab."""
    installed = succeeded(lab.play("site", "--tags", "preflight"))
    assert any("Install them" in task for task in installed.changed())
    assert host.exists(ENGINE.parent / "leafspine.stamp")
    succeeded(lab.play("destroy"))
    return host.snapshot()


@pytest.fixture(scope="module")
def running(lab: RemoteLab, bare: snapshot.Snapshot) -> RemoteLab:
    outcome = succeeded(lab.play("site"))
    assert set(outcome.recap("changed")) == {"labhost", *ROUTERS}
    assert min(outcome.recap("changed").values()) > 0
    return lab


def test_the_other_machine_is_another_one(host: RemoteHost) -> None:
    """The methodology: what the lab host does, it does to itself."""
    host.run("/bin/sh", "-c", "echo there > /etc/ti-mark; ip netns add ti-mark; ip link add ti-mark type bridge")
    try:
        assert not Path("/etc/ti-mark").exists()
        assert not Path("/run/netns/ti-mark").exists()
        assert not Path("/sys/class/net/ti-mark").exists()
        assert not host.exists(ROOT / "galaxy.yml")
    finally:
        host.run("/bin/sh", "-c", "rm /etc/ti-mark; ip netns delete ti-mark; ip link delete ti-mark")


def test_site_builds_there_and_its_second_run_changes_nothing(running: RemoteLab, host: RemoteHost) -> None:
    changes_nothing(running.play("site"))
    assert "clab-ti-ssh-leaf0" in host.run("ip", "netns")
    assert host.exists(running.directory / "kubeconfig")


def test_nothing_of_the_lab_is_on_the_controller(running: RemoteLab) -> None:
    assert not running.directory.exists()
    assert not any("ti-ssh" in path.name for path in Path("/run/netns").iterdir())
    assert not any(path.name.startswith(("ti-leaf", "ti-ssh")) for path in Path("/sys/class/net").iterdir())


def test_verify_holds(running: RemoteLab) -> None:
    outcome = succeeded(running.play("verify", timeout=900))
    assert outcome.tasks() != []


def test_a_router_alone_is_reached_through_the_lab_host(running: RemoteLab) -> None:
    outcome = running.play("site", "--limit", "leaf0", "--tags", "vyos_fabric")
    changes_nothing(outcome)
    read = [result for host, name, result in outcome.results() if host == "leaf0" and "Read the running configuration" in name]
    assert read and not any(result.get("skipped") or result.get("unreachable") or result.get("failed") for result in read)


def test_without_the_lab_host_in_between_a_router_is_not_reached(running: RemoteLab) -> None:
    outcome = running.play("site", "--limit", "leaf0", "--tags", "vyos_fabric", "-e", "ansible_libssh_proxy_command=", "-e", "ansible_connect_timeout=5")
    assert outcome.rc != 0
    assert any(failure.startswith("leaf0:") for failure in outcome.failures()), str(outcome)


def test_a_look_ahead_over_ssh_changes_nothing(running: RemoteLab) -> None:
    changes_nothing(running.play("site", "--check", "--diff"))


def test_a_lab_host_whose_key_has_changed_is_refused(running: RemoteLab, host: RemoteHost, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    known = tmp_path / "known_hosts"
    known.write_text(f"[{host.address}]:2222 {other.with_suffix('.pub').read_text()}")
    running.set_host(host.variables() | {"ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o ControlPath=none"})
    try:
        outcome = running.play("site", "--tags", "preflight")
    finally:
        running.set_host(host.variables())
    assert outcome.rc != 0
    assert any("Host key verification failed" in failure for failure in outcome.failures()), str(outcome)


def test_a_run_that_is_killed_on_the_controller_gives_the_lab_host_s_lock_back(running: RemoteLab, host: RemoteHost) -> None:
    """While it lives, though it hangs, another one is refused by name."""
    first = running.start("site", "--tags", "linux_bridges")
    try:
        wait_until("the lock is taken", lambda: host.exists(running.lock) and f"process {first.pid}" in host.run("cat", str(running.lock)))
        assert not running.lock.exists()  # it is the lab host's, not the controller's
        first.send_signal(signal.SIGSTOP)
        second = running.play("site", "--tags", "linux_bridges", "-e", "preflight_lock_wait=0")
        assert second.rc != 0
        assert any(f"another run works on this lab: site.yml of root on {os.uname().nodename} (process {first.pid})" in said for said in second.failures())
    finally:
        first.kill()
        first.wait()
    wait_until("the lock is free", lambda: not host.exists(running.lock))
    changes_nothing(running.play("site", "--tags", "linux_bridges"))


def wait_until(what: str, test: Callable[[], object], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not test():
        assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s"
        time.sleep(0.1)


def test_destroy_leaves_the_lab_host_as_it_was(running: RemoteLab, host: RemoteHost, bare: snapshot.Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    # There nobody else is at work.
    monkeypatch.delenv("SNAPSHOT_IGNORE", raising=False)
    outcome = succeeded(running.play("destroy"))
    assert outcome.recap("changed")["labhost"] > 0
    differs = snapshot.difference(bare, host.snapshot())
    assert not differs, "\n".join(differs)
    changes_nothing(running.play("destroy"))
