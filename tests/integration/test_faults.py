"""What breaks is repaired, and nothing else is touched: drift by hand, dead daemons, runs that are killed, two runs at once, a reboot.

One lab for the file. Every case of drift: the whole host is afterwards as before, exactly the named sessions came up anew, and a second run
changes nothing. tests/faults/soak.py does the same for longer.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pwd
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers import faults, security, snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.cli import router_cli
from ansible_collections.leafspine.calico.tests.integration.helpers.faults import ROUTERS, flapped, sessions, until, until_same
from ansible_collections.leafspine.calico.tests.integration.helpers.kill import killed_run
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ENGINE, Lab, Outcome

pytestmark = pytest.mark.root
NET = "10.135"
LEAF0 = {f"leaf0 {NET}.10.2", f"leaf0 {NET}.12.2", f"leaf0 {NET}.5.10", f"leaf0 {NET}.5.11"}
UPLINK = {f"leaf0 {NET}.10.2", f"spine0 {NET}.10.1"}
SPINE1 = {f"spine1 {NET}.12.1", f"spine1 {NET}.11.1", f"leaf0 {NET}.12.2", f"leaf1 {NET}.11.2"}
SERVERS = ("control-plane", "worker", "worker2", "worker3")
ALL = 12  # eight ends of sessions between leaves and spines, four of leaves with nodes


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.rc == 0, str(outcome)
    return outcome


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Detection of dead links that a busy machine does not set off by itself: this file counts which sessions come up anew.
    patient = {"bgp": {"bfd": {"interval": 1000, "multiplier": 20}}}
    made = Lab("tg-faults", tmp_path_factory.mktemp("tg-faults"), octet=135, management="172.29.35.0/24", bridge_prefix="tgf-", changes=patient)
    made.variables["linux_bridges_firewall_accept"] = "always"  # as where Docker filters what bridges forward
    succeeded(made.play("destroy"))
    succeeded(made.play("site", timeout=900))
    until("sessions", lambda: len(sessions(made)) == ALL)
    yield made
    made.play("destroy")


@dataclass(frozen=True)
class Drift:
    """by: what a person does; tags: of the run that repairs it, "" when the lab does so by itself; flaps: sessions that may come up anew."""

    by: Callable[[Lab], object]
    tags: str
    flaps: frozenset[str] | set[str]


def kill(*names: str) -> Callable[[Lab], None]:
    def by(lab: Lab) -> None:
        for name in names:
            os.kill(faults.process_of(lab, name), signal.SIGKILL)

    return by


def remove_neighbour(lab: Lab) -> None:
    router_cli(lab, "leaf0", "configure", f"delete protocols bgp neighbor {NET}.10.2", "commit", "exit")


def delete_objects(lab: Lab) -> None:
    lab.tool("calicoctl", "delete", "bgppeer", "rack0-to-leaf0")
    lab.tool("kubectl", "delete", "service", "app")


def delete_rule(lab: Lab) -> None:
    """What lets frames of a rack through where the host's iptables sees them."""
    subprocess.run(["iptables", "-w", "-D", "FORWARD", "-i", "tgf-leaf1", "-m", "comment", "--comment", f"leafspine:{lab.name}", "-j", "ACCEPT"], check=True)


def translate_nothing(lab: Lab) -> None:
    """The table and its chains stay, the rule in them goes."""
    ip("netns", "exec", f"clab-{lab.name}-leaf1", "nft", "flush", "chain", "ip", "vyos_nat", "POSTROUTING")


DRIFTS = {
    "a line of a router": Drift(remove_neighbour, "vyos_fabric", UPLINK),
    "an uplink": Drift(lambda lab: ip("-n", f"clab-{lab.name}-leaf0", "link", "delete", "eth1"), "containerlab", UPLINK),
    "a router's namespace": Drift(lambda lab: ip("netns", "delete", f"clab-{lab.name}-spine1"), "containerlab,vyos_fabric", SPINE1),
    "a node's namespace": Drift(lambda lab: ip("netns", "delete", lab.node("worker2")), "kind_cluster,containerlab", {f"leaf1 {NET}.8.10"}),
    "a server's link": Drift(lambda lab: ip("-n", lab.node("worker"), "link", "delete", "net0"), "containerlab", {f"leaf0 {NET}.5.11"}),
    "a default route": Drift(lambda lab: ip("-n", lab.node("worker"), "route", "delete", "default"), "containerlab", frozenset()),
    "a bridge": Drift(lambda _lab: ip("link", "delete", "tgf-leaf0"), "linux_bridges,containerlab", {f"leaf0 {NET}.5.10", f"leaf0 {NET}.5.11"}),
    "a rule of the host": Drift(delete_rule, "linux_bridges", frozenset()),
    "objects of the API": Drift(delete_objects, "calico_bgp,demo_app", {f"leaf0 {NET}.5.10", f"leaf0 {NET}.5.11"}),
    "bgpd": Drift(kill("spine1-bgpd"), "", SPINE1),
    "BIRD": Drift(lambda lab: kill(f"{lab.node('worker')}-bird")(lab), "", {f"leaf0 {NET}.5.11"}),
    "the API server": Drift(lambda lab: [os.kill(pid, signal.SIGKILL) for pid in faults.servers_of(lab)], "", frozenset()),
    "the rules of a node": Drift(lambda lab: ip("netns", "exec", lab.node("worker2"), "nft", "flush", "ruleset"), "", frozenset()),
    "the rules of a router": Drift(lambda lab: ip("netns", "exec", f"clab-{lab.name}-leaf0", "nft", "flush", "ruleset"), "", frozenset()),
    "a rule of a router": Drift(translate_nothing, "", frozenset()),
    "a pod": Drift(
        lambda lab: lab.tool("kubectl", "delete", "pod", "-l", "app=app", "--field-selector", f"spec.nodeName={lab.node('worker3')}"), "", frozenset()
    ),
}


# What carries these sessions is back before their hold time is over, or it is not.
SURVIVED = ("a server's link", "a bridge")


@pytest.mark.parametrize("what", DRIFTS)
def test_drift_is_repaired_and_only_that(lab: Lab, what: str) -> None:
    drift = DRIFTS[what]
    before, up = faults.state(), sessions(lab)
    assert len(up) == ALL
    drift.by(lab)
    if drift.tags:
        assert snapshot.difference(before, faults.state()) or what in ("a line of a router", "objects of the API"), "nothing was broken"
        repaired = succeeded(lab.play("site", "--tags", drift.tags))
        assert repaired.changed()
    until("pods", lambda: faults.pod_count(lab) == 8)
    until("answers of the app on every node", lambda: faults.answers(lab) == {lab.node(server) for server in SERVERS})
    until("sessions", lambda: len(sessions(lab)) == ALL)
    until_same(before)
    found = flapped(up, sessions(lab))
    assert found == drift.flaps or (what in SURVIVED and found <= drift.flaps)
    assert faults.health(lab)["healthy"]


def test_after_all_that_site_changes_nothing(lab: Lab) -> None:
    outcome = succeeded(lab.play("site"))
    assert not outcome.changed()


def test_crashes_are_told_with_their_reason(lab: Lab) -> None:
    told = {entry["process"]: entry["reason"] for entry in faults.health(lab)["crashes"]}
    assert "killed by SIGKILL" in told["spine1-bgpd"]
    assert "killed by SIGKILL" in told["server"]
    assert f"{lab.node('worker')}-bird" in told


# --- what the machine lacks ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(*options: str) -> Iterator[None]:
    """Something over something for the length of a test; the last option is the place."""
    subprocess.run(["mount", *options], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", options[-1]], check=True)


def test_a_daemon_that_dies_at_its_start_is_named_and_the_next_run_works(lab: Lab) -> None:
    with mounted("--bind", shutil.which("false") or "", "/usr/lib/frr/bgpd"):
        ip("netns", "delete", f"clab-{lab.name}-spine1")
        outcome = lab.play("site", "--tags", "containerlab")
    assert outcome.rc != 0
    assert any("bgpd of spine1 did not start" in failure for failure in outcome.failures()), str(outcome)
    succeeded(lab.play("site", "--tags", "containerlab,vyos_fabric"))
    until("sessions", lambda: len(sessions(lab)) == ALL)


def test_an_installation_that_fails_half_way_is_named_and_done_again_by_the_next_run(lab: Lab, tmp_path: Path) -> None:
    stamp, broken = ENGINE.parent / "leafspine.stamp", tmp_path / "uv"
    right = stamp.read_text()
    stamp.write_text("another version's")
    broken.write_text("#!/bin/sh\necho 'error: Failed to fetch: connection reset' >&2\nexit 2\n")
    broken.chmod(0o755)
    with mounted("--bind", str(broken), str(ENGINE / "uv")):
        outcome = lab.play("site", "--tags", "preflight")
    assert outcome.rc != 0
    assert any("Install them" in failure and "Failed to fetch: connection reset" in failure for failure in outcome.failures()), str(outcome)
    assert not stamp.exists()
    assert any("Install them" in task for task in succeeded(lab.play("site", "--tags", "preflight")).changed())
    assert stamp.read_text() == right


def test_a_full_disk_is_told_before_anything_is_touched(lab: Lab) -> None:
    before = faults.state()
    with mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(lab.directory)):
        outcome = lab.play("site", "--tags", "preflight")
    assert outcome.rc != 0
    assert any("disk: " in failure and "500 MB are needed" in failure for failure in outcome.failures()), str(outcome)
    until_same(before)


# --- a person at the keyboard ------------------------------------------------------------------------------------------------------

REFUSALS = {
    "metrics": (["kubectl", "top", "nodes"], "Metrics API not available"),
    "server-side apply": (["kubectl", "apply", "--server-side", "-f", "{file}"], "server-side apply is not supported by the embedded engine"),
    "port-forward": (["kubectl", "port-forward", "service/app", "9999:80"], "portforward is not supported by the embedded engine"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_the_engine_has_not_is_refused_by_name(lab: Lab, tmp_path: Path, what: str) -> None:
    command, words = REFUSALS[what]
    file = tmp_path / "new.yml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tg-new}\ndata: {a: b}\n")
    done = lab.tool(*(word.replace("{file}", str(file)) for word in command))
    assert done.returncode != 0
    assert words in done.stderr


def test_commands_that_people_type_answer_as_the_real_ones(lab: Lab) -> None:
    pod = lab.tool("kubectl", "get", "pod", "-l", "app=app", "-o", "name").stdout.split()[0]
    answers = {
        "rollout": (["kubectl", "rollout", "status", "daemonset/app"], 'daemon set "app" successfully rolled out'),
        "exec": (["kubectl", "exec", pod, "--", "hostname"], pod.removeprefix("pod/")),
        "logs": (["kubectl", "logs", pod], "GET / HTTP/1.1"),
        "describe": (["kubectl", "describe", pod], "Successfully assigned"),
        "events": (["kubectl", "get", "events"], "Scheduled"),
        "wide": (["calicoctl", "get", "nodes", "-o", "wide"], f"{NET}.5.11/24"),
        "ipam": (["calicoctl", "ipam", "show", "--show-blocks"], "| Block    |"),
        "bgp": (["ip", "netns", "exec", lab.node("worker"), "calicoctl", "node", "status"], "Established"),
    }
    for what, (command, words) in answers.items():
        done = lab.tool(*command)
        assert done.returncode == 0, (what, done.stderr)
        assert words in done.stdout, (what, done.stdout)


# --- what it offers to strangers -------------------------------------------------------------------------------------------------


def test_it_listens_on_its_own_addresses_only(lab: Lab) -> None:
    """Nothing on the host itself; on routers SSH as nobody and BGP as frr; on nodes BGP and, on the control plane's address alone, the API."""
    node = {lab.node(server) for server in ("control-plane", "worker", "worker2", "worker3")}
    assert not [entry for entry in security.listeners() if _is_ours(entry, lab)]
    for router in ROUTERS:
        found = {(entry.port, pwd.getpwuid(entry.user).pw_name) for entry in security.listeners(f"clab-{lab.name}-{router}")}
        assert found == {(22, "nobody"), (179, "frr")}
    api = _api(lab)
    assert {(entry.address, entry.port) for name in node for entry in security.listeners(name) if entry.port != 179} == {api}


def _is_ours(entry: security.Listener, lab: Lab) -> bool:
    return entry.address.startswith((f"{NET}.", "172.29.35.")) or (entry.address, entry.port) == _api(lab)


def _api(lab: Lab) -> tuple[str, int]:
    server = re.search(r"server: https://([0-9.]+):(\d+)", (lab.directory / "kubeconfig").read_text())
    assert server is not None
    return server[1], int(server[2])


def test_secrets_are_in_no_log_no_argument_list_and_no_file_that_others_read(lab: Lab) -> None:
    wanted = security.secrets(lab)
    assert {"router_password", "bgp_password", "admin.key", "sa.key", "ssh_host_ed25519_key"} <= set(wanted)
    # The search finds what is there to be found.
    open_file = Path("/run/leafspine/tg-open")
    open_file.write_bytes(b"x " + wanted["router_password"])
    open_file.chmod(0o644)
    assert security.in_files(wanted, "/run/leafspine") == ["router_password in /run/leafspine/tg-open"]
    open_file.unlink()
    assert security.in_processes(wanted) == []
    folders = ("/run/leafspine", "/var/lib/leafspine", "/opt/leafspine", "/var/tmp")
    assert security.in_files(wanted, *folders) == []
    assert security.in_files(wanted, *folders, logs=True) == []
    text = (lab.folder / "site.out").read_bytes()
    assert [name for name, value in wanted.items() if value in text] == []


def test_noise_and_guesses_are_harmless(lab: Lab) -> None:
    """500 pieces of nonsense to SSH and to the API, plain and within TLS, and 40 guessed passwords: nobody gets in, both go on, none grows much."""
    before = faults.health(lab)
    size = {pid: security.resident(pid) for pid in (faults.process_of(lab, "cli"), *faults.servers_of(lab))}
    chance = random.Random(1)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for number in range(500):
            if number % 2:
                pool.submit(security.throw, *_api(lab), security.garbage(chance), tls=number % 4 == 1)
            else:
                pool.submit(security.throw, faults.address_of(lab, "leaf0"), 22, security.garbage(chance))
    assert security.guess(faults.address_of(lab, "leaf0"), 40) == 0
    anonymous = subprocess.run(["curl", "-sk", "https://{}:{}/api/v1/secrets".format(*_api(lab))], capture_output=True, text=True, check=True).stdout
    assert json.loads(anonymous)["code"] in (401, 403)
    assert lab.tool("kubectl", "get", "nodes").returncode == 0
    assert "system-as" in router_cli(lab, "leaf0", "show configuration commands | no-more")
    after = faults.health(lab)
    assert [(entry["process"], entry["pid"]) for entry in after["processes"]] == [(entry["process"], entry["pid"]) for entry in before["processes"]]
    assert {pid: security.resident(pid) - then for pid, then in size.items() if security.resident(pid) - then > 40_000} == {}


# --- two runs, killed runs, a reboot ---------------------------------------------------------------------------------------------


def test_a_second_run_says_who_works_on_the_lab_and_a_killed_one_leaves_no_lock(lab: Lab) -> None:
    first = lab.start("site", "--tags", "linux_bridges")
    try:
        until("the lock", lambda: lab.lock.exists() and lab.lock.read_text())
        first.send_signal(signal.SIGSTOP)  # it hangs while it has the lock
        second = lab.start("site", "--tags", "linux_bridges", "-e", "preflight_lock_wait=0", out="second")
        assert second.wait(300) != 0
        said = (lab.folder / "second.out").read_text()
        assert f"another run works on this lab: site.yml of root on {os.uname().nodename} (process {first.pid})" in said
    finally:
        first.kill()
        first.wait()
    until("the lock is free", lambda: not lab.lock.exists(), 10)
    assert not succeeded(lab.play("site", "--tags", "linux_bridges")).changed()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_that_is_killed_anywhere_is_made_whole_by_the_next(lab: Lab, seed: int) -> None:
    """tests/faults/killed.py does this 30 times."""
    killed = killed_run(lab, random.Random(seed))
    look_ahead(lab)
    succeeded(lab.play("site", timeout=900))
    until("sessions", lambda: len(sessions(lab)) == ALL)
    until("pods", lambda: faults.pod_count(lab) == 8)
    assert faults.health(lab)["healthy"], killed


def look_ahead(lab: Lab) -> None:
    """At what is half there: it tells what would be made, makes nothing, and shows no secret."""
    wanted = security.secrets(lab) if (lab.directory / "secrets").is_dir() else {}
    before = until("nothing goes on any more", settled)
    outcome = succeeded(lab.play("site", "--check", "--diff"))
    assert snapshot.difference(before, faults.state()) == []
    assert [name for name, value in wanted.items() if value.decode() in outcome.text] == []


def settled() -> snapshot.Snapshot:
    """The host's state once it has stayed the same for two seconds, {} before."""
    before = faults.state()
    time.sleep(2)
    return before if not snapshot.difference(before, faults.state()) else {}


def test_a_reboot(lab: Lab) -> None:
    """Namespaces, processes and /run are gone, files below /var/lib are left: site builds the lab again, with the routers' saved configurations."""
    kept = {path: path.read_bytes() for path in (lab.directory / "secrets").iterdir()}
    reboot(lab)
    look_ahead(lab)
    succeeded(lab.play("site", timeout=900))
    until("sessions", lambda: len(sessions(lab)) == ALL)
    until("pods", lambda: faults.pod_count(lab) == 8)
    assert {path: path.read_bytes() for path in (lab.directory / "secrets").iterdir()} == kept


def reboot(lab: Lab) -> None:
    """What is left of a lab after its machine went down: the files on disk."""
    cluster = Path("/run/leafspine/clusters") / lab.name
    bridge = json.loads((cluster / "network.json").read_text())["bridge"]
    pods = {path.name for path in (cluster / "netns").iterdir()}
    marks = [f"LEAFSPINE_PROCESS=/run/leafspine/{kind}/{lab.name}/".encode() for kind in ("labs", "clusters")]
    names = [path.name for path in Path("/run/netns").iterdir() if path.name.startswith((f"clab-{lab.name}-", f"{lab.name}-")) or path.name in pods]
    inodes = {os.stat(f"/run/netns/{name}").st_ino for name in names}
    for entry in Path("/proc").iterdir():
        try:
            mine = entry.name.isdigit() and (any(mark in (entry / "environ").read_bytes() for mark in marks) or os.stat(entry / "ns/net").st_ino in inodes)
        except OSError:
            continue
        if mine and int(entry.name) != os.getpid():
            os.kill(int(entry.name), signal.SIGKILL)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{cluster}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
    for name in names:
        ip("netns", "delete", name)
    time.sleep(0.5)
    for link in ("tgf-leaf0", "tgf-leaf1", lab.name, bridge):
        ip("link", "delete", link)
    subprocess.run(["rm", "-rf", f"/run/leafspine/labs/{lab.name}", str(cluster)], check=True)
    if not [path for path in cluster.parent.iterdir() if path.is_dir()]:  # of the engine, and nobody else's
        (cluster.parent / ".lock").unlink()
        for empty in (cluster.parent, Path("/run/leafspine/labs"), Path("/run/leafspine")):
            with contextlib.suppress(OSError):
                empty.rmdir()


def test_destroy_that_is_killed_is_finished_by_the_next(lab: Lab) -> None:
    run = lab.start("destroy")
    time.sleep(random.Random(4).uniform(1, 6))
    run.kill()
    run.wait()
    succeeded(lab.play("destroy"))
    assert not lab.directory.exists()
    assert orphans(lab) == []


def orphans(lab: Lab) -> list[str]:
    """Whatever still bears the lab's name."""
    return [f"{place}: {value}" for place, value in snapshot.take().items() if lab.name in place or "tgf-" in place]
