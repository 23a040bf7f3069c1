"""Sessions of a lab with the moment each came up, and the lab's whole state without what a repair is free to choose anew."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ENGINE, Lab
from ansible_collections.leafspine.calico.tests.integration.helpers.snapshot import Snapshot

ROUTERS = ("leaf0", "leaf1", "spine0", "spine1")
# Chosen anew by every pod, and logs, which tell of the repair.
FREE = re.compile(
    r"cni-[0-9a-f-]{36}|/kubelet/[^ ]*/pods/|/cali[0-9a-f]|\bcali[0-9a-f]{11}\b|/log/|crashes\.jsonl|\.pid\b|/store/|/var/tmp/frr/|^process nft |\.lock\b"
    r"|/lock\b|running\.json|state\.json|history"
)


def sessions(lab: Lab, routers: Iterable[str] = ROUTERS) -> dict[str, float]:
    """Established sessions ("leaf0 10.1.10.2") of routers and when they came up, in seconds since 1970."""
    found = {}
    for router in routers:
        sockets = f"/run/leafspine/labs/{lab.name}/routers/{router}/frr"
        command = ["ip", "netns", "exec", f"clab-{lab.name}-{router}", "vtysh", "--vty_socket", sockets, "-d", "bgpd", "-c", "show bgp neighbors json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            continue
        for peer, state in json.loads(done.stdout or "{}").items():
            if isinstance(state, dict) and state.get("bgpState") == "Established":
                found[f"{router} {peer}"] = float(state["bgpTimerUpEstablishedEpoch"])
    return found


def flapped(before: dict[str, float], after: dict[str, float]) -> set[str]:
    """Sessions that are gone, new, or came up again. (FRR works the moment out from a duration in whole seconds.)"""
    return {name for name in before.keys() | after.keys() if name not in before or name not in after or abs(before[name] - after[name]) > 1.5}


def health(lab: Lab) -> dict[str, Any]:
    """What `python -m leafspine_embedded.health` says."""
    command = [str(ENGINE / "python"), "-m", "leafspine_embedded.health", "--lab", lab.name, "--cluster", lab.name]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd="/").stdout))


def state() -> Snapshot:
    """The host without what a repair may choose anew (hardware addresses of the host's own ends of links and of its bridges, for instance)."""
    picture = {place: value for place, value in (snapshot.take() | rules()).items() if not FREE.search(f"{place} {value}")}
    # The number by which a namespace knows another one is its own, and a new namespace counts anew.
    picture = {place: re.sub(r'"link_netnsid": \d+', '"link_netnsid": "N"', value) for place, value in picture.items()}
    return {place: re.sub(r'"address": "[^"]*", ', "", value) if re.match(r"link [^:]+$", place) else value for place, value in picture.items()}


def rules() -> Snapshot:
    """NAT of every router, rule by rule; of nodes only which tables there are: what is in them follows the pods' addresses."""
    picture: Snapshot = {}
    for name in sorted(path.name for path in Path("/run/netns").iterdir() if not path.name.startswith("cni-")):
        listed = ("-s", "list", "ruleset") if name.startswith("clab-") else ("list", "tables")
        done = subprocess.run(["ip", "netns", "exec", name, "nft", *listed], capture_output=True, text=True, timeout=30, check=False)
        lines = snapshot.nft_rules(done.stdout) if name.startswith("clab-") else done.stdout.splitlines()
        picture |= {f"nft {name}: {line}": "there" for line in lines}
    return picture


def until(what: str, test: Callable[[], Any], timeout: float = 60) -> Any:
    """The first answer that is true. Raises AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := test()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s"
        time.sleep(0.3)
    return answer


def until_same(before: Snapshot, timeout: float = 60) -> None:
    """The host's state is again what it was; the last difference is in the assertion's text."""
    deadline = time.monotonic() + timeout
    while differs := snapshot.difference(before, state()):
        assert time.monotonic() < deadline, "\n".join(differs[:40])
        time.sleep(0.5)


def answers(lab: Lab) -> set[str]:
    """Nodes whose pod of the app answers another node, whatever the API says of it."""
    found = set()
    for pod in json.loads(lab.tool("kubectl", "get", "pods", "-l", "app=app", "-o", "json").stdout)["items"]:
        node, address = pod["spec"]["nodeName"], pod["status"].get("podIP", "")
        asking = lab.node("worker" if node != lab.node("worker") else "worker3")
        command = ["ip", "netns", "exec", asking, "curl", "-s", "-m", "2", "-o", "/dev/null", f"http://{address}/"]
        if subprocess.run(command, check=False).returncode == 0:
            found.add(node)
    return found


def pod_count(lab: Lab) -> int:
    """Pods that are ready."""
    items = json.loads(lab.tool("kubectl", "get", "pods", "-A", "-o", "json").stdout or '{"items": []}')["items"]
    ready = [pod for pod in items if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))]
    return len([pod for pod in ready if "deletionTimestamp" not in pod["metadata"]])


def process_of(lab: Lab, name: str) -> int:
    """Process id of a daemon of the lab ("leaf0-bgpd")."""
    return int(next(entry["pid"] for entry in health(lab)["processes"] if entry["process"] == name))


def servers_of(lab: Lab) -> list[int]:
    """The cluster's server below its supervisor."""
    parent = process_of(lab, "server")
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def helper_of(lab: Lab) -> list[int]:
    """The routers' helper below its supervisor."""
    parent = process_of(lab, "helper")
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def address_of(lab: Lab, router: str) -> str:
    """Management address of a router, where its CLI answers over SSH."""
    state = json.loads(Path(f"/run/leafspine/labs/{lab.name}/state.json").read_text())
    return str(state["nodes"][router]["address"].partition("/")[0])
