"""The drop-in against the kernel and FRR: what it builds, what a commit does, what drift is seen and repaired, what is left after destroy."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from containerlab_lab import Lab, bgp_lines, sh, wait_until
from leafspine_embedded.common import netns
from leafspine_embedded.containerlab.wiring import host_veth

pytestmark = pytest.mark.root
NUMBER = 61
NET = f"10.129.{NUMBER}"


def host_state() -> dict[str, object]:
    """What a lab could leave on the host."""
    links = {link["ifname"] for link in json.loads(sh("ip", "-j", "link"))}
    names = set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()
    own = {host_veth(f"tb-lab{number}", node) for number in (NUMBER, NUMBER + 5) for node in ("leaf0", "spine0")}
    mine = {name for name in links if name.startswith(("tb-", "tbb")) or name in own}
    return {"links": mine, "namespaces": {name for name in names if name.startswith(("tb-", "clab-tb-"))}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"), NUMBER)
    lab.directory.chmod(0o755)
    with contextlib.suppress(AssertionError):
        lab.clean_host()
    before = host_state()
    lab.prepare_host()
    try:
        lab.deploy()
        for name, lines in bgp_lines(NUMBER).items():
            assert lab.configure(name, *lines) == ""
        wait_ecmp(lab)
        yield lab
    finally:
        lab.run("destroy", "-t", str(lab.file))
        lab.clean_host()
    assert host_state() == before
    assert not lab.run_root.exists()


def next_hops(lab: Lab) -> list[str]:
    """Gateways of leaf0's kernel route to spine0's network."""
    routes = json.loads(lab.within("leaf0", "ip", "-j", "route", "show", f"{NET}.192/26") or "[]")
    return sorted(hop["gateway"] for route in routes for hop in route.get("nexthops", [route]))


def wait_ecmp(lab: Lab) -> None:
    wait_until("both next hops", lambda: next_hops(lab) == [f"{NET}.2", f"{NET}.6"])


def test_second_deploy_finds_nothing_to_do(lab: Lab) -> None:
    pids = {name: lab.pid(name) for name in ("helper", "cli", "routers/leaf0/bgpd")}
    assert lab.plan() == {}
    lab.deploy()
    assert {name: lab.pid(name) for name in pids} == pids


def test_what_is_built(lab: Lab) -> None:
    links = {link["ifname"]: link for link in json.loads(lab.within("leaf0", "ip", "-j", "-d", "link"))}
    assert {name: link["mtu"] for name, link in links.items() if name != "lo"} == {"eth0": 1500, "eth1": 1500, "eth2": 1500, "eth3": 1500}
    assert all(link["address"].startswith("aa:c1:ab") for name, link in links.items() if name != "lo")
    assert "tx-checksumming: off" in lab.within("leaf0", "sh", "-c", "ethtool -k eth1 2>/dev/null || echo tx-checksumming: off")
    assert lab.within("leaf0", "ip", "route", "show", "default") == ""
    assert lab.within("leaf0", "sysctl", "-n", "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth1.rp_filter").split() == ["1", "0", "0"]
    assert json.loads(sh("ip", "-j", "link", "show", f"tbb{NUMBER}-r"))[0]["master"] == lab.bridge
    assert Path(f"/proc/sys/net/ipv4/conf/{lab.name}/forwarding").read_text() == "0\n"
    assert "MTU" not in lab.within("leaf0", "ping", "-c1", "-W2", f"{NET}.2")


def test_inspect(lab: Lab) -> None:
    found = json.loads(lab.run("inspect", "--all", "--format", "json").stdout)
    rows = found[lab.name]
    assert [row["name"] for row in rows] == [lab.container("leaf0"), lab.container("spine0")]
    assert rows[0]["state"] == "running"
    assert rows[0]["status"].startswith("Up ")
    assert rows[0]["ipv4_address"] == f"172.29.{NUMBER}.2/24"
    again = json.loads(lab.run("inspect", "-t", str(lab.file), "-f", "json").stdout)[lab.name]
    assert [{**row, "status": ""} for row in again] == [{**row, "status": ""} for row in rows]
    assert lab.container("spine0") in lab.run("inspect", "--name", lab.name).stdout


def test_processes_have_the_rights_they_should(lab: Lab) -> None:
    service = dict(line.split(":\t", 1) for line in Path(f"/proc/{lab.pid('cli')}/status").read_text().splitlines() if ":\t" in line)
    assert service["Uid"].split() == ["65534"] * 4
    assert service["CapEff"].strip("0") == "" and service["CapPrm"].strip("0") == ""
    assert service["NoNewPrivs"] == "1"
    home = lab.run_root / "labs" / lab.name
    assert {name: (home / name).stat().st_mode & 0o777 for name in ("control.sock", "state.json", "ssh_host_ed25519_key", "routers/leaf0/running.json")} == {
        "control.sock": 0o600,
        "state.json": 0o600,
        "ssh_host_ed25519_key": 0o600,
        "routers/leaf0/running.json": 0o600,
    }


def test_both_next_hops_are_back_after_two_flaps(lab: Lab) -> None:
    for _ in range(2):
        lab.within("leaf0", "ip", "link", "set", "eth1", "down")
        wait_until("one next hop", lambda: next_hops(lab) == [f"{NET}.6"])
        lab.within("leaf0", "ip", "link", "set", "eth1", "up")
        wait_ecmp(lab)


def test_disable_takes_the_link_down_and_up(lab: Lab) -> None:
    assert lab.configure("leaf0", "set interfaces ethernet eth1 disable") == ""
    assert "DOWN" in lab.within("leaf0", "ip", "-br", "link", "show", "eth1")
    wait_until("one next hop", lambda: next_hops(lab) == [f"{NET}.6"])
    assert lab.configure("leaf0", "delete interfaces ethernet eth1 disable") == ""
    wait_ecmp(lab)


def test_interface_settings_come_and_go(lab: Lab) -> None:
    eth3 = "set interfaces ethernet eth3"
    assert lab.configure("leaf0", f"{eth3} mtu 1400", f"{eth3} description rack", f"{eth3} address 10.129.62.1/24") == ""
    link = json.loads(lab.within("leaf0", "ip", "-j", "-d", "addr", "show", "eth3"))[0]
    assert (link["mtu"], link["ifalias"]) == (1400, "rack")
    assert {a["local"] for a in link["addr_info"] if a["family"] == "inet"} == {f"{NET}.129", "10.129.62.1"}
    assert "rack" in lab.show("leaf0", "show interfaces")
    undo = ["delete interfaces ethernet eth3 mtu", "delete interfaces ethernet eth3 description", "delete interfaces ethernet eth3 address 10.129.62.1/24"]
    assert lab.configure("leaf0", *undo) == ""
    link = json.loads(lab.within("leaf0", "ip", "-j", "-d", "addr", "show", "eth3"))[0]
    assert (link["mtu"], link.get("ifalias", "")) == (1500, "")
    assert [a["local"] for a in link["addr_info"] if a["family"] == "inet"] == [f"{NET}.129"]


def everything(lab: Lab, name: str) -> dict[str, str]:
    """The router's whole state, as text without counters."""
    frr = str(lab.run_root / "labs" / lab.name / "routers" / name / "frr")
    links = json.loads(lab.within(name, "ip", "-j", "-d", "addr"))
    addresses = [[a["ifname"], a["mtu"], a.get("ifalias"), sorted(x["local"] for x in a["addr_info"] if x["scope"] != "link")] for a in links]
    return {
        "frr": sh("vtysh", "--vty_socket", frr, "-c", "show running-config"),
        "nft": lab.within(name, "nft", "-s", "list", "ruleset"),
        "addresses": json.dumps(addresses),
        "hash": lab.within(name, "sysctl", "-n", "net.ipv4.fib_multipath_hash_policy"),
        "configuration": lab.show(name, "show configuration commands"),
    }


CHANGES = [
    "set interfaces ethernet eth3 address 10.129.63.1/24",
    "set interfaces ethernet eth3 mtu 1300",
    "set interfaces dummy dum7 address 10.129.67.1/24",
    "set interfaces ethernet eth2 disable",
    "set system ip multipath layer4-hashing",
    "set nat source rule 100 outbound-interface name eth0",
    "set nat source rule 100 translation address masquerade",
    "set protocols static route 10.129.98.0/24 blackhole",
    "set protocols bgp neighbor 10.129.63.9 remote-as 9",
    "set policy prefix-list PL rule 10 action permit",
    "set policy prefix-list PL rule 10 prefix 10.0.0.0/8",
]
REFUSED = {
    "the kernel": ["set system sysctl parameter net.ipv4.tcp_congestion_control value nosuch"],
    "FRR": [
        f"set protocols bgp neighbor {NET}.2 address-family ipv4-unicast prefix-list import PL",
        f"set protocols bgp neighbor {NET}.2 address-family ipv4-unicast distribute-list import 10",
        "set policy access-list 10 rule 10 action permit",
        "set policy access-list 10 rule 10 source any",
    ],
}


@pytest.mark.parametrize("by", REFUSED)
def test_a_failed_commit_leaves_everything_as_it_was(lab: Lab, by: str) -> None:
    before = everything(lab, "leaf0")
    output = lab.configure("leaf0", *CHANGES, *REFUSED[by])
    print(output)
    assert "Commit failed" in output
    assert everything(lab, "leaf0") == before
    assert lab.plan() == {}
    wait_ecmp(lab)


def test_nat_and_hash_policy(lab: Lab) -> None:
    rule = "set nat source rule 100"
    nat = [f"{rule} outbound-interface name eth0", f"{rule} source address 10.129.0.0/16", f"{rule} translation address masquerade"]
    assert lab.configure("leaf0", *nat, "set system ip multipath layer4-hashing") == ""
    assert "masquerade" in lab.within("leaf0", "nft", "list", "ruleset")
    assert lab.within("leaf0", "sysctl", "-n", "net.ipv4.fib_multipath_hash_policy") == "1\n"
    assert "100     10.129.0.0/16  0.0.0.0/0      IP       eth0       masquerade" in lab.show("leaf0", "show nat source rules")
    lab.within("spine0", "ping", "-c1", "-W2", f"{NET}.129")
    assert lab.configure("leaf0", "delete nat", "delete system ip multipath") == ""
    assert lab.within("leaf0", "nft", "list", "ruleset") == ""
    assert lab.within("leaf0", "sysctl", "-n", "net.ipv4.fib_multipath_hash_policy") == "0\n"


def test_static_route_and_bfd_start_their_daemons(lab: Lab) -> None:
    routers = lab.run_root / "labs" / lab.name / "routers"
    assert lab.configure("leaf0", "set protocols static route 10.129.99.0/24 blackhole", f"set protocols bgp neighbor {NET}.2 bfd") == ""
    assert lab.configure("spine0", f"set protocols bgp neighbor {NET}.1 bfd") == ""
    wait_until("static route", lambda: "blackhole" in lab.within("leaf0", "ip", "route", "show", "10.129.99.0/24"))
    assert (routers / "leaf0" / "bfdd.pid").exists()
    wait_until("BFD up", lambda: "Status: up" in lab.show("leaf0", f"show bfd peer {NET}.2"))
    assert lab.configure("leaf0", "delete protocols static", f"delete protocols bgp neighbor {NET}.2 bfd") == ""
    assert lab.configure("spine0", f"delete protocols bgp neighbor {NET}.1 bfd") == ""
    wait_until("no static route", lambda: lab.within("leaf0", "ip", "route", "show", "10.129.99.0/24") == "")
    wait_ecmp(lab)


def test_policy_and_changes_of_bgp(lab: Lab) -> None:
    lines = [
        "set policy prefix-list NONE rule 10 action deny",
        "set policy prefix-list NONE rule 10 prefix 0.0.0.0/0",
        "set policy prefix-list NONE rule 10 le 32",
        "set policy route-map IN rule 10 action deny",
        "set policy route-map IN rule 10 match ip address prefix-list NONE",
        "set policy route-map IN rule 20 action permit",
        "set policy route-map IN rule 20 set local-preference 200",
        f"set protocols bgp neighbor {NET}.2 address-family ipv4-unicast route-map import IN",
        f"set protocols bgp neighbor {NET}.6 address-family ipv4-unicast prefix-list import NONE",
    ]
    assert lab.configure("leaf0", *lines) == ""
    wait_until("only the session without the filter", lambda: next_hops(lab) == [f"{NET}.2"])
    assert lab.configure("leaf0", "set policy route-map IN rule 20 set local-preference 300") == ""
    wait_until("the new preference", lambda: '"locPrf":300' in lab.show("leaf0", f'vtysh -c "show bgp ipv4 {NET}.192/26 json"').replace(" ", ""))
    uses = ((2, "route-map"), (6, "prefix-list"))
    undo = [f"delete protocols bgp neighbor {NET}.{last} address-family ipv4-unicast {what}" for last, what in uses]
    assert lab.configure("leaf0", "delete policy", *undo) == ""
    wait_ecmp(lab)
    frr = lab.run_root / "labs" / lab.name / "routers" / "leaf0" / "frr"
    running = sh("vtysh", "--vty_socket", str(frr), "-c", "show running-config")
    assert "route-map" not in running and "prefix-list" not in running


def test_another_autonomous_system_and_back(lab: Lab) -> None:
    assert lab.configure("leaf0", "set protocols bgp system-as 65009") == ""
    assert lab.configure("spine0", *[f"set protocols bgp neighbor {NET}.{n} remote-as 65009" for n in (1, 5)]) == ""
    wait_ecmp(lab)
    assert lab.configure("leaf0", "set protocols bgp system-as 65005") == ""
    assert lab.configure("spine0", *[f"set protocols bgp neighbor {NET}.{n} remote-as 65005" for n in (1, 5)]) == ""
    wait_ecmp(lab)
    log = (lab.run_root / "labs" / lab.name / "log" / "helper.log").read_text()
    assert "shows it differently" not in log


# -- drift ---------------------------------------------------------------------------------


def pids(lab: Lab, name: str) -> set[int]:
    return {lab.pid(f"routers/{name}/{daemon}") for daemon in ("zebra", "bgpd")}


def test_a_deleted_link_is_seen_and_repaired_alone(lab: Lab) -> None:
    other = json.loads(lab.within("leaf0", "ip", "-j", "link", "show", "eth2"))[0]["ifindex"]
    before = pids(lab, "leaf0")
    lab.within("leaf0", "ip", "link", "delete", "eth1")
    assert lab.plan() == {"added-links": ["leaf0:eth1 <--> spine0:eth1"]}
    lab.deploy()
    assert lab.plan() == {}
    assert json.loads(lab.within("leaf0", "ip", "-j", "link", "show", "eth2"))[0]["ifindex"] == other
    assert pids(lab, "leaf0") == before
    wait_ecmp(lab)


def test_a_bridge_made_anew(lab: Lab) -> None:
    sh("ip", "link", "delete", lab.bridge)
    sh("ip", "link", "add", lab.bridge, "type", "bridge")
    sh("ip", "link", "set", lab.bridge, "up")
    assert lab.plan() == {"added-links": [f"leaf0:eth3 <--> {lab.bridge}:tbb{NUMBER}-r", f"{lab.bridge}:tbb{NUMBER}-x <--> {lab.external}:net0"]}
    lab.deploy()
    assert lab.plan() == {}
    assert f"{NET}.129" in lab.within("leaf0", "ip", "addr", "show", "eth3")


def test_an_external_container_made_anew(lab: Lab) -> None:
    netns.delete(lab.external)
    netns.create(lab.external)
    assert lab.plan() == {"added-links": [f"{lab.bridge}:tbb{NUMBER}-x <--> {lab.external}:net0"]}
    lab.deploy()
    assert "net0" in sh(*netns.prefix(lab.external), "ip", "link")


def health(lab: Lab) -> dict[str, dict[str, Any]]:
    """The lab's processes by name, as `./lab status` gets them."""
    done = subprocess.run(
        [sys.executable, "-m", "leafspine_embedded.health", "--lab", lab.name], env=lab.environment(), capture_output=True, text=True, check=True
    )
    return {entry["process"]: entry for entry in json.loads(done.stdout)["processes"]}


def back(lab: Lab, *names: str, other_than: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """The health once every named process runs and is another one than before."""
    now = health(lab)
    return now if all(now[name]["state"] == "running" and now[name]["pid"] != other_than[name]["pid"] for name in names) else None


@pytest.mark.parametrize("daemon", ["bgpd", "zebra"])
def test_a_dead_daemon_is_started_again_and_configured(lab: Lab, daemon: str) -> None:
    before = health(lab)
    os.kill(before[f"leaf0-{daemon}"]["pid"], signal.SIGABRT)
    # Without zebra the other daemons have lost their routes: they start again as well.
    after = wait_until("started again", lambda: back(lab, f"leaf0-{daemon}", "leaf0-bgpd", other_than=before), timeout=30, every=0.5)
    assert "killed by SIGABRT" in after[f"leaf0-{daemon}"]["last_crash"]["reason"]
    assert {name: after[name]["pid"] for name in ("spine0-zebra", "spine0-bgpd", "helper", "cli")} == {
        name: before[name]["pid"] for name in ("spine0-zebra", "spine0-bgpd", "helper", "cli")
    }
    wait_ecmp(lab)
    assert lab.plan() == {}


def test_a_dead_service_comes_back_and_keeps_unsaved_configuration(lab: Lab) -> None:
    assert lab.configure("leaf0", "set interfaces ethernet eth3 description unsaved") == ""
    before = health(lab)
    os.kill(before["cli"]["pid"], signal.SIGKILL)
    after = wait_until("started again", lambda: back(lab, "cli", other_than=before), timeout=30, every=0.5)
    assert "SIGKILL" in after["cli"]["last_crash"]["reason"]
    wait_until("logins", lambda: _shows(lab, "unsaved"), timeout=30, every=0.5)
    assert {name: entry["pid"] for name, entry in after.items() if name != "cli"} == {name: entry["pid"] for name, entry in before.items() if name != "cli"}
    assert lab.configure("leaf0", "delete interfaces ethernet eth3 description") == ""


def _shows(lab: Lab, text: str) -> bool:
    try:
        return text in lab.show("leaf0", "show configuration commands")
    except OSError:
        return False


def helper_pid(lab: Lab) -> int:
    """The helper below its supervisor."""
    return int(Path(f"/proc/{lab.pid('helper')}/task/{lab.pid('helper')}/children").read_text().split()[0])


def test_a_dead_helper_comes_back_with_the_routers_as_they_run(lab: Lab) -> None:
    """Daemons go on; the new helper takes them up, and starts one that dies under it although it is no parent of it."""
    before = health(lab)
    os.kill(helper_pid(lab), signal.SIGKILL)
    after = wait_until("started again", lambda: back(lab, "cli", other_than=before), timeout=30, every=0.5)
    assert "SIGKILL" in after["helper"]["last_crash"]["reason"]
    assert after["leaf0-bgpd"]["pid"] == before["leaf0-bgpd"]["pid"]
    wait_until("logins", lambda: _shows(lab, "system-as"), timeout=30, every=0.5)
    os.kill(after["leaf0-bgpd"]["pid"], signal.SIGKILL)
    wait_until("bgpd", lambda: back(lab, "leaf0-bgpd", other_than=after), timeout=30, every=0.5)
    wait_ecmp(lab)


def test_without_its_supervisor_a_deploy_repairs_the_service(lab: Lab) -> None:
    daemons = pids(lab, "leaf0")
    os.kill(lab.pid("helper"), signal.SIGKILL)
    wait_until("helper and service end too", lambda: not Path(f"/proc/{lab.pid('cli')}").exists())
    os.kill(lab.pid("routers/spine0/bgpd"), signal.SIGKILL)
    plan = lab.plan()
    assert plan["restarted-nodes"] == ["leaf0", "spine0"]
    assert plan["node-change-reasons"]["spine0"] == "not running: bgpd"
    rows = json.loads(lab.run("inspect", "--all", "-f", "json").stdout)[lab.name]
    assert [row["state"] for row in rows] == ["running", "exited"]
    lab.deploy()
    assert lab.plan() == {}
    assert pids(lab, "leaf0") == daemons
    wait_ecmp(lab)


def test_logs_are_in_one_folder_that_only_root_reads(lab: Lab) -> None:
    folder = lab.run_root / "labs" / lab.name / "log"
    assert {path.name for path in folder.iterdir()} >= {"helper.log", "cli.log", "leaf0-bgpd.log", "leaf0-zebra.log", "spine0-bgpd.log", "spine0-zebra.log"}
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o007 == 0 for path in folder.iterdir())


def test_changed_environment_recreates_only_that_node(lab: Lab) -> None:
    spine = pids(lab, "spine0")
    lab.env["leaf0"] = {"LEAFSPINE_BOOT_SHA256": "another"}
    plan = lab.plan()
    assert plan.pop("added-links") == ["leaf0:eth1 <--> spine0:eth1", "leaf0:eth2 <--> spine0:eth2", f"leaf0:eth3 <--> {lab.bridge}:tbb{NUMBER}-r"]
    assert plan == {"recreated-nodes": ["leaf0"], "node-change-reasons": {"leaf0": "config drift: env"}}
    lab.deploy()
    assert lab.plan() == {}
    assert pids(lab, "spine0") == spine
    assert "bgp" not in lab.show("leaf0", "show configuration commands")  # it booted from its file, where nothing was saved
    assert lab.configure("leaf0", *bgp_lines(NUMBER)["leaf0"]) == ""
    wait_ecmp(lab)


def test_a_deleted_namespace(lab: Lab) -> None:
    for pid in netns.processes(lab.container("leaf0")):
        os.kill(pid, signal.SIGKILL)
    netns.delete(lab.container("leaf0"))
    assert lab.plan()["added-nodes"] == ["leaf0"]
    lab.deploy()
    assert lab.plan() == {}
    assert lab.configure("leaf0", *bgp_lines(NUMBER)["leaf0"]) == ""
    wait_ecmp(lab)


def test_a_lost_management_bridge(lab: Lab) -> None:
    sh("ip", "link", "delete", lab.name)
    assert lab.plan() == {"added-links": ["leaf0:eth0 <--> mgmt-net", "spine0:eth0 <--> mgmt-net"]}
    lab.deploy()
    assert lab.plan() == {}
    assert "leaf0" in lab.show("leaf0", "show host name")


def test_a_link_more_and_a_link_less(lab: Lab) -> None:
    lab.links.append((["leaf0:eth9", "spine0:eth9"], 1500))
    assert lab.plan() == {"added-links": ["leaf0:eth9 <--> spine0:eth9"]}
    lab.deploy()
    eth9 = {"leaf0": "10.129.64.1/24", "spine0": "10.129.64.2/24"}
    for name, address in eth9.items():
        assert lab.configure(name, f"set interfaces ethernet eth9 address {address}") == ""
    assert lab.configure("leaf0", "delete interfaces ethernet eth9") == ""
    link = lab.links.pop()
    assert lab.plan() == {"deleted-endpoints": ["leaf0:eth9", "spine0:eth9"]}
    lab.deploy()
    assert lab.plan() == {}
    assert "eth9" not in lab.within("spine0", "ip", "link")
    # A configuration that still names it: nothing else is held up, the interface itself cannot be changed, and what comes back is configured.
    assert lab.configure("spine0", "set interfaces ethernet eth1 description other") == ""
    assert 'Interface "eth9" does not exist' in lab.configure("spine0", "set interfaces ethernet eth9 description more")
    lab.links.append(link)
    lab.deploy()
    assert eth9["spine0"] in lab.within("spine0", "ip", "address", "show", "eth9")
    lab.links.pop()
    lab.deploy()
    assert lab.configure("spine0", "delete interfaces ethernet eth9", "delete interfaces ethernet eth1 description") == ""
    assert lab.plan() == {}


def test_save_writes_the_bound_file(lab: Lab) -> None:
    path = lab.directory / "spine0" / "config.boot"
    path.chmod(0o640)

    assert "bgp" not in path.read_text()
    assert lab.configure("spine0", "set interfaces dummy dum0 description saved", "save") == ""
    assert "bgp" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert lab.plan() == {}  # the content of a bound file is not looked at


# -- interrupted work ------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.15, 0.45, 0.6, 0.8, 1.1])
@pytest.mark.parametrize("then", ["deploy", "destroy"])
def test_a_killed_deploy_is_repaired_or_removed(tmp_path: Path, after: float, then: str) -> None:
    lab = Lab(tmp_path, NUMBER + 5)
    before = host_state()
    lab.prepare_host()
    try:
        lab.write()
        running = subprocess.Popen(lab.command("deploy", "-t", str(lab.file)), env=lab.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after)
        running.kill()
        running.wait()
        if then == "deploy":
            lab.deploy()
            assert lab.plan() == {}
            assert "leaf0" in lab.show("leaf0", "show host name")
    finally:
        lab.run("destroy", "--name", lab.name)
        lab.clean_host()
    assert host_state() == before
    assert not lab.run_root.exists()
    assert not subprocess.run(["pgrep", "-f", str(lab.run_root)], capture_output=True).stdout
