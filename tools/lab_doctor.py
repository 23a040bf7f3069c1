"""`./lab doctor`: gathers what the diagnoses of module_utils/doctor.py need, on this machine and from the running lab. Changes nothing."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import lab_access
import lab_status
from ansible_collections.leafspine.calico.plugins.module_utils import cluster_view, doctor
from lab_access import Intent

PROGRAMS = ("ip", "nft", "iptables", "tcpdump", "conntrack", "bird", "vtysh", "ping", "curl")
# A namespace of its own, in which everything goes again when it ends.
TRIAL = (
    "ip link add name dr0 type veth peer name dr1 && ip link add name dr2 type bridge"
    " && nft 'add table ip t; add chain ip t p { type nat hook postrouting priority 100; }'"
)


def run(*argv: str, timeout: float = 10) -> tuple[int, str]:
    """Exit code and output of a command as root; 127 where it cannot be run."""
    try:
        done = subprocess.run(
            [*lab_access.sudo(), *argv], capture_output=True, text=True, errors="replace", timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr or done.stdout


def words(*argv: str) -> str:
    code, out = run(*argv)
    return out if code == 0 else ""


# --- the machine ---------------------------------------------------------------------------------------------------------


def machine(intent: Intent) -> dict[str, Any]:
    release = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    memory = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    place = next(path for path in (lab_access.lab_dir(intent), *lab_access.lab_dir(intent).parents) if path.exists())
    code, said = run("unshare", "-n", "sh", "-c", TRIAL)
    forward = words("iptables", "-S", "FORWARD")
    return {
        "system": {"id": release.get("ID", "").strip('"'), "version": release.get("VERSION_ID", "").strip('"')},
        "root": os.geteuid() == 0 or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0,
        "free_mb": shutil.disk_usage(place).free >> 20,
        "memory_mb": int(memory[1]) >> 10 if memory else None,
        "namespaces": "" if code == 0 else " ".join(said.split())[:300] or f"exit code {code}",
        "missing": [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")],
        "bgp_listeners": [" ".join(line.split()) for line in words("ss", "-Hltnp", "sport", "=", ":179").splitlines()],
        "bridge_nf": words("sysctl", "-n", "net.bridge.bridge-nf-call-iptables").strip() == "1",
        "forward_drop": "-P FORWARD DROP" in forward,
        "bridge_accepts": re.findall(r"-i (\S+) (?:-o \S+ )?(?:-m .*)?-j ACCEPT", forward),
        "bridges": [link["ifname"] for link in json.loads(words("ip", "-j", "link", "show", "type", "bridge") or "[]") if link],
        "management_route": management_route(intent),
        "limits": {name: number(words("sysctl", "-n", name)) for name in doctor.LEAST_LIMITS},
        "proxy": [name for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(name)],
        "no_proxy": os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "",
    }


def number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def management_route(intent: Intent) -> str:
    """The device of the route that covers the management subnet on purpose; a default route does not count."""
    routes = json.loads(words("ip", "-j", "-4", "route", "show", "match", intent["management"]["subnet"]) or "[]")
    return next((str(route.get("dev", "?")) for route in routes if route.get("dst") != "default"), "")


# --- the lab -------------------------------------------------------------------------------------------------------------


def lab(intent: Intent) -> dict[str, Any] | None:
    """Facts of the running lab; None when nothing of it is there."""
    names = [line.split()[0] for line in words("ip", "netns", "list").splitlines() if line]
    devices = {router["name"]: f"clab-{intent['lab_name']}-{router['name']}" for router in intent["routers"]}
    ours = sorted(set(names) & {*devices.values(), *(server["node"] for server in intent["servers"])})
    kinds = {path.rpartition("/")[2]: name for name, path in cluster_view.PATHS.items()}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = {router["name"]: pool.submit(lab_status.ask, intent, router) for router in intent["routers"]}
        api = lab_access.kubernetes(intent, [f"{kind}.crd.projectcalico.org" if "calico" in cluster_view.PATHS[name] else kind for kind, name in kinds.items()])
    outputs = {name: future.result() for name, future in asked.items() if future.result()}
    if not outputs and not ours and api is None:
        return None
    objects = None if api is None else {kinds[kind.split(".")[0]]: items for kind, items in api.items()}
    for name in cluster_view.PATHS if objects is not None else ():
        objects.setdefault(name, [])
    nodes = {server["name"]: server["node"] for server in intent["servers"]}
    return {
        "state": lab_status.state(intent, outputs, objects),
        "outputs": outputs,
        "objects": objects,
        "namespaces": ours,
        "rp_filter": {device: rp_filter(namespace) for device, namespace in {**devices, **nodes}.items() if namespace in ours},
        "tcp": traffic(intent, objects),
    }


def rp_filter(namespace: str) -> dict[str, int]:
    """Values by interface, of interfaces of the fabric."""
    text = words("ip", "netns", "exec", namespace, "sysctl", "-a", "--pattern", r"^net\.ipv4\.conf\.(all|eth[1-9]\d*|net\d+)\.rp_filter$")
    return {match[1]: int(match[2]) for match in re.finditer(r"conf\.(\S+)\.rp_filter = (\d)", text)}


def traffic(intent: Intent, objects: dict[str, Any] | None) -> dict[str, bool] | None:
    """What passes between the app's pods of two racks; None where there are none."""
    if objects is None:
        return None
    racks = {server["name"]: server["rack"] for server in intent["servers"]}
    pods = [pod for pod in cluster_view.view(intent, objects, "default", "app")["app"] if pod["ready"] and pod["server"]]
    near = next(iter(pods), None)
    far = next((pod for pod in pods if near and racks[pod["server"]] != racks[near["server"]]), None)
    if near is None or far is None:
        return None
    tests = {
        "ping": ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", far["address"]],
        "tcp": ["curl", "-s", "-o", "/dev/null", "-m", "3", f"http://{far['address']}/"],
        "full": ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", str(intent["mtu"] - 28), far["address"]],
    }
    script = "; ".join(f"if {shlex.join(command)} >/dev/null 2>&1; then echo {name}; fi" for name, command in tests.items())
    argv = lab_access.with_environment(intent, ["kubectl", "-n", near["namespace"], "exec", near["name"], "--", "sh", "-c", script])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return {name: name in done.stdout.split() for name in tests} if done.returncode == 0 else None


def examine(intent: Intent, as_json: bool) -> int:
    """Print every diagnosis. Returns 1 when there is a trouble, else 0."""
    facts = lab(intent)
    examined = doctor.examine(intent, machine(intent), facts)
    print(json.dumps(examined, indent=1) if as_json else doctor.text(examined, facts is not None))
    return 1 if any(one["findings"] for one in examined) else 0
