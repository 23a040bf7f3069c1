"""What `./lab status`, `shell`, `kubectl` and `calicoctl` do: look at the running lab and open a way into it.

Builds nothing and changes nothing. Works on a lab host that is this machine; names and addresses come from the inventory's intent.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.leafspine.calico.plugins.module_utils.intent import load

VENV = Path("/opt/leafspine/venv")


def read_intent(inventory: str) -> dict[str, Any]:
    """The intent of the inventory's fabric.yml; ends the program with every problem in it."""
    path = Path(inventory)
    if path.is_dir():
        path = path / "fabric.yml"
    intent, problems = load(path.read_text(encoding="utf-8"))
    if intent is None:
        sys.exit("\n".join(f"{path}: {problem}" for problem in problems))
    return intent


def lab_dir(intent: dict[str, Any]) -> Path:
    return Path(os.environ.get("LAB_DIR", f"/var/lib/leafspine/{intent['lab_name']}"))


def sudo() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def environment(intent: dict[str, Any]) -> dict[str, str]:
    """The lab's executables first, its kubeconfig set."""
    return os.environ | {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "KUBECONFIG": str(lab_dir(intent) / "kubeconfig"), "DATASTORE_TYPE": "kubernetes"}


def with_environment(intent: dict[str, Any], argv: list[str]) -> list[str]:
    """The command for ``execvp``, with the lab's environment handed through sudo."""
    chosen = environment(intent)
    return [*sudo(), "env", *(f"{key}={chosen[key]}" for key in ("PATH", "KUBECONFIG", "DATASTORE_TYPE")), *argv]


def open_shell(intent: dict[str, Any], device: str, command: list[str]) -> int:
    """A router's CLI over SSH, or a shell on a node."""
    servers = {server["name"]: server["node"] for server in intent["servers"]} | {server["node"]: server["node"] for server in intent["servers"]}
    if device in servers:
        argv = [*sudo(), "ip", "netns", "exec", servers[device], *(command or ["bash"])]
        return subprocess.call(argv, env=environment(intent))
    routers = {router["name"]: router for router in intent["routers"]}
    if device not in routers:
        sys.exit(f"lab: no device {device}; there are {', '.join([*routers, *(server['name'] for server in intent['servers'])])}")
    return router_shell(intent, routers[device], command)


def router_shell(intent: dict[str, Any], router: dict[str, Any], command: list[str]) -> int:
    """ssh asks a helper for the password, so that it appears in no argument list."""
    secret = lab_dir(intent) / "secrets" / "router_password"
    with tempfile.TemporaryDirectory() as folder:
        askpass = Path(folder) / "askpass"
        askpass.write_text(f"#!/bin/sh\nexec {' '.join(sudo())} cat {secret}\n", encoding="utf-8")
        askpass.chmod(0o700)
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "PubkeyAuthentication=no"]
        argv = ["ssh", "-tt", *options, f"vyos@{router['management']['address']}"]
        given = (" ".join(command) + "\nexit\n").encode() if command else None
        return subprocess.run(argv, env=os.environ | {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}, input=given, check=False).returncode


def answers(address: str, port: int) -> bool:
    """Whether a router of this host's lab accepts connections; an address behind a gateway is a stranger's and is not asked."""
    route = subprocess.run(["ip", "-j", "route", "get", address], capture_output=True, text=True, check=False)
    if route.returncode != 0 or any("gateway" in entry for entry in json.loads(route.stdout)):
        return False
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def kubernetes(intent: dict[str, Any], *words: str) -> list[dict[str, Any]]:
    """Items of a kubectl list; empty when there is no cluster to ask."""
    argv = with_environment(intent, ["kubectl", "get", *words, "-o", "json", "--request-timeout=3s"])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["items"] if done.returncode == 0 else []


def ready(item: dict[str, Any]) -> bool:
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in item.get("status", {}).get("conditions", []))


def collect_status(intent: dict[str, Any]) -> dict[str, Any]:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        routers = list(pool.map(lambda router: answers(router["management"]["address"], 22), intent["routers"]))
        nodes, pods, services = pool.map(lambda words: kubernetes(intent, *words), [("nodes",), ("pods", "-A"), ("services", "-A")])
    return {
        "lab": intent["lab_name"],
        "routers": [
            {"name": router["name"], "asn": router["asn"], "address": router["management"]["address"], "up": up}
            for router, up in zip(intent["routers"], routers, strict=True)
        ],
        "nodes": [{"name": node["metadata"]["name"], "rack": node["metadata"]["labels"].get("rack"), "ready": ready(node)} for node in nodes],
        "pods": [
            {
                "name": f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
                "node": pod["spec"].get("nodeName"),
                "address": pod["status"].get("podIP"),
                "ready": ready(pod),
            }
            for pod in pods
        ],
        "services": [
            {
                "name": f"{service['metadata']['namespace']}/{service['metadata']['name']}",
                "cluster_ip": service["spec"].get("clusterIP"),
                "type": service["spec"]["type"],
            }
            for service in services
        ],
    }


def print_status(status: dict[str, Any]) -> None:
    print(f"lab {status['lab']}")
    for router in status["routers"]:
        print(f"  router   {router['name']:<34} AS {router['asn']:<8} {router['address']:<16} {'up' if router['up'] else 'DOWN'}")
    for node in status["nodes"]:
        print(f"  node     {node['name']:<34} {node['rack'] or '-':<11} {'':<16} {'ready' if node['ready'] else 'NOT READY'}")
    for pod in status["pods"]:
        print(f"  pod      {pod['name']:<46} {pod['address'] or '-':<16} {'ready' if pod['ready'] else 'NOT READY'}")
    for service in status["services"]:
        print(f"  service  {service['name']:<34} {service['type']:<11} {service['cluster_ip']}")


def print_summary(intent: dict[str, Any], status: dict[str, Any]) -> None:
    """What runs, in a few lines, and what to try next."""
    up = sum(router["up"] for router in status["routers"])
    nodes = sum(node["ready"] for node in status["nodes"])
    pods = sum(pod["ready"] for pod in status["pods"])
    leaf = next(router["name"] for router in intent["routers"] if router["role"] == "leaf")
    print(
        f"lab {status['lab']}: {up} of {len(intent['routers'])} routers, {nodes} of {len(intent['servers'])} nodes, {pods} of {len(status['pods'])} pods ready"
    )
    print("try next:")
    for command, what in (
        (f"./lab shell {leaf} show ip bgp", "the leaf's BGP table, over SSH; without a command: its VyOS CLI"),
        ("./lab calicoctl get bgppeer -o wide", "which leaf the nodes of each rack peer with"),
        ("./lab kubectl get pods -A -o wide", "pods, their addresses and nodes"),
        ("./lab verify", "every claim about the lab, measured"),
        ("./lab down", "take it all away"),
    ):
        print(f"  {command:<40} {what}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab")
    parser.add_argument("-i", "--inventory", default="inventories/embedded")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="what runs")
    status.add_argument("--json", action="store_true")
    commands.add_parser("summary", help="what runs in short, and what to try next")
    shell = commands.add_parser("shell", help="a router's CLI or a shell on a node")
    shell.add_argument("device")
    shell.add_argument("words", nargs=argparse.REMAINDER)
    for tool in ("kubectl", "calicoctl"):
        commands.add_parser(tool, add_help=False).add_argument("words", nargs=argparse.REMAINDER)
    arguments, unknown = parser.parse_known_args()
    intent = read_intent(arguments.inventory)
    if arguments.command == "status":
        found = collect_status(intent)
        if arguments.json:
            print(json.dumps(found, indent=1))
        else:
            print_status(found)
        return 0 if all(router["up"] for router in found["routers"]) else 1
    if arguments.command == "summary":
        print_summary(intent, collect_status(intent))
        return 0
    if arguments.command == "shell":
        return open_shell(intent, arguments.device, arguments.words)
    return subprocess.call(with_environment(intent, [arguments.command, *unknown, *arguments.words]))


if __name__ == "__main__":
    sys.exit(main())
