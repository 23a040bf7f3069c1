"""The ways into a lab on this machine: its intent, its environment, its routers' command lines, its nodes, its API.

Names and addresses come from the inventory's intent. Nothing here changes anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.leafspine.calico.plugins.module_utils.intent import load

VENV = Path("/opt/leafspine/venv")
Intent = dict[str, Any]

# What a terminal's control sequences and a VyOS prompt look like.
_CONTROL = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])|\r")
_PROMPT = re.compile(r"(?m)^\S+@[\w.-]+:[^\n]*?[$#] ")


def read_intent(inventory: str) -> Intent:
    """The intent of the inventory's fabric.yml; ends the program with every problem in it."""
    path = Path(inventory)
    if path.is_dir():
        path = path / "fabric.yml"
    try:
        intent, problems = load(path.read_text(encoding="utf-8"))
    except OSError as error:
        sys.exit(f"lab: {path}: {error.strerror}; LAB_INVENTORY or -i names an inventory folder with a fabric.yml")
    if intent is None:
        sys.exit("\n".join(f"{path}: {problem}" for problem in problems))
    return intent


def lab_dir(intent: Intent) -> Path:
    return Path(os.environ.get("LAB_DIR", f"/var/lib/leafspine/{intent['lab_name']}"))


def sudo() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def environment(intent: Intent) -> dict[str, str]:
    """The lab's executables first, its kubeconfig set."""
    return os.environ | {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "KUBECONFIG": str(lab_dir(intent) / "kubeconfig"), "DATASTORE_TYPE": "kubernetes"}


def with_environment(intent: Intent, argv: list[str]) -> list[str]:
    """The command for ``execvp``, with the lab's environment handed through sudo."""
    chosen = environment(intent)
    return [*sudo(), "env", *(f"{key}={chosen[key]}" for key in ("PATH", "KUBECONFIG", "DATASTORE_TYPE")), *argv]


def read_as_root(path: Path) -> str | None:
    """A file's text, or None when it cannot be had."""
    if os.geteuid() == 0:
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    done = subprocess.run(["sudo", "-n", "cat", str(path)], capture_output=True, text=True, errors="replace", check=False)
    return done.stdout if done.returncode == 0 else None


# --- routers -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ssh(intent: Intent, router: dict[str, Any]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Command and environment of a session with a router. ssh asks a helper for the password, so that it is in no argument list."""
    secret = lab_dir(intent) / "secrets" / "router_password"
    with tempfile.TemporaryDirectory() as folder:
        askpass = Path(folder) / "askpass"
        askpass.write_text(f"#!/bin/sh\nexec {' '.join(sudo())} cat {secret}\n", encoding="utf-8")
        askpass.chmod(0o700)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "PubkeyAuthentication=no", "ConnectTimeout=3"]
        argv = ["ssh", "-tt", *(word for option in options for word in ("-o", option)), f"vyos@{router['management']['address']}"]
        yield argv, os.environ | {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}


def ask_router(intent: Intent, router: dict[str, Any], commands: list[str], timeout: float = 20) -> list[str]:
    """What a router's operational command line printed for each command. Raises OSError with the reason when it cannot be asked."""
    given = "".join(f"{line}\n" for line in ["set terminal length 0", *commands, "exit"])
    with ssh(intent, router) as (argv, env):
        try:
            done = subprocess.run(argv, env=env, input=given, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"no answer within {timeout:g} s") from error
    answers = split_answers(done.stdout, len(commands))
    if answers is None:
        raise OSError((done.stderr.strip() or done.stdout.strip() or f"ssh ended with {done.returncode}").splitlines()[-1])
    return answers


def split_answers(session: str, amount: int) -> list[str] | None:
    """What was printed for each command after the first (terminal length), without prompts and the commands' echo; None for a session
    that was cut off."""
    parts = _PROMPT.split(_CONTROL.sub("", session))
    # Before the first prompt: the greeting; then one part a command, the last of which is "exit".
    if len(parts) < amount + 3:
        return None
    return [part.partition("\n")[2] for part in parts[2 : 2 + amount]]


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


def open_shell(intent: Intent, device: str, command: list[str]) -> int:
    """A router's CLI over SSH, or a shell on a node; returns its exit code."""
    servers = {server["name"]: server["node"] for server in intent["servers"]} | {server["node"]: server["node"] for server in intent["servers"]}
    if device in servers:
        argv = [*sudo(), "ip", "netns", "exec", servers[device], *(command or ["bash"])]
        return subprocess.call(argv, env=environment(intent))
    routers = {router["name"]: router for router in intent["routers"]}
    if device not in routers:
        sys.exit(f"lab: no device {device}; there are {', '.join([*routers, *(server['name'] for server in intent['servers'])])}")
    with ssh(intent, routers[device]) as (argv, env):
        given = (" ".join(command) + "\nexit\n").encode() if command else None
        return subprocess.run(argv, env=env, input=given, check=False).returncode


# --- the API -------------------------------------------------------------------------------------------------------------


def kubernetes(intent: Intent, kinds: list[str]) -> dict[str, list[dict[str, Any]]] | None:
    """Objects of all namespaces by kind (its plural as it was asked for), in one call; None when there is no API to ask."""
    argv = with_environment(intent, ["kubectl", "get", ",".join(kinds), "-A", "-o", "json", "--request-timeout=3s"])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # A kind that the API does not know (Calico's before Calico is there) spoils the whole call.
        return kubernetes(intent, kinds[:-1]) if len(kinds) > 1 and "the server doesn't have a resource type" in done.stderr else None
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for item in json.loads(done.stdout)["items"]:
        kind = next((one for one in kinds if one.split(".")[0] == f"{item['kind'].lower()}s"), None)
        if kind is not None:
            found[kind].append(item)
    return found
