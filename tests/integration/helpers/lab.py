"""A lab of a test's own: its inventory in a folder of the test, its names and subnets apart from every other lab's.

Environment variable LAB_TEST_VARS: a JSON object of further variables for the playbooks, lab_venv for instance on a machine where the default
environment is in use.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.leafspine.calico.plugins.module_utils import lab_lock

ROOT = Path(__file__).resolve().parents[3]
VARIABLES: dict[str, Any] = json.loads(os.environ.get("LAB_TEST_VARS", "{}"))
ENGINE = Path(VARIABLES.get("lab_venv", "/opt/leafspine/venv")) / "bin"


@dataclass(frozen=True, repr=False)
class Outcome:
    """How a playbook ended. ``report``: the document of Ansible's JSON callback."""

    rc: int
    report: dict[str, Any]
    text: str

    def results(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Host, task and result of everything that was done."""
        tasks = (task for play in self.report.get("plays", []) for task in play["tasks"])
        return [(host, task["task"]["name"], result) for task in tasks for host, result in task["hosts"].items()]

    def changed(self) -> list[str]:
        return [f"{host}: {name}" for host, name, result in self.results() if result.get("changed")]

    def failures(self) -> list[str]:
        """What failed and was not rescued, with its message."""
        bad = [(host, name, result) for host, name, result in self.results() if result.get("failed") or result.get("unreachable")]
        return [f"{host}: {name}: {result.get('msg', '')} {result.get('stderr', '')}".strip() for host, name, result in bad]

    def recap(self, key: str) -> dict[str, int]:
        """A column of the recap by host: changed, failures, unreachable, ok."""
        return {host: stats[key] for host, stats in self.report.get("stats", {}).items()}

    def tasks(self) -> list[str]:
        """Names of the tasks that ran on at least one host, in order."""
        names = [name for _host, name, result in self.results() if not result.get("skipped")]
        return list(dict.fromkeys(names))

    def __str__(self) -> str:
        return "\n".join([f"rc {self.rc}", *self.failures(), "" if self.report else self.text[-4000:]])

    __repr__ = __str__


@dataclass
class Lab:
    """Names and subnets derive from ``name`` and the second octet; ``folder`` is for the inventory. ``changes`` go into fabric.yml.

    ``engine``: the inventory whose variables it takes; ``variables`` go to every playbook.
    """

    name: str
    folder: Path
    octet: int
    management: str
    bridge_prefix: str
    changes: dict[str, Any] = field(default_factory=dict)
    engine: str = "embedded"
    variables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(ROOT / "inventories" / self.engine / "group_vars", self.inventory / "group_vars")
        (self.inventory / "fabric.yml").write_text(yaml.safe_dump(self.fabric()))

    def fabric(self) -> dict[str, Any]:
        """The reference lab's shape with this lab's numbers."""
        net = f"10.{self.octet}"
        racks = {
            "rack0": {
                "asn": 65005,
                "subnet": f"{net}.5.0/24",
                "leaves": ["leaf0"],
                "servers": {"control-plane": f"{net}.5.10", "worker": f"{net}.5.11"},
                "uplinks": {"leaf0": {"spine0": f"{net}.10.0/24", "spine1": f"{net}.12.0/24"}},
            },
            "rack1": {
                "asn": 65008,
                "subnet": f"{net}.8.0/24",
                "leaves": ["leaf1"],
                "servers": {"worker2": f"{net}.8.10", "worker3": f"{net}.8.11"},
                "uplinks": {"leaf1": {"spine0": f"{net}.34.0/24", "spine1": f"{net}.11.0/24"}},
            },
        }
        return {
            "plugin": "leafspine.calico.fabric",
            "lab_name": self.name,
            "cluster": {"name": self.name},
            "management_subnet": self.management,
            "bridge_prefix": self.bridge_prefix,
            "nat": {"source": f"{net}.0.0/16"},
            "spines": {"spine0": {"asn": 500}, "spine1": {"asn": 800}},
            "racks": racks,
        } | self.changes

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    @property
    def directory(self) -> Path:
        return Path("/var/lib/leafspine") / self.name

    @property
    def results(self) -> Path:
        """Where the controller keeps results and reports."""
        return self.folder / "results"

    def node(self, server: str) -> str:
        return f"{self.name}-{server}"

    def play(self, playbook: str, *options: str, timeout: int = 600) -> Outcome:
        """Run a playbook of the project on this lab; never raises for a failing playbook."""
        code = self.start(playbook, *options).wait(timeout)
        text = (self.folder / f"{playbook}.out").read_text()
        self.wait_unlocked()
        return Outcome(code, parse_report(text), text)

    def start(self, playbook: str, *options: str, out: str = "") -> subprocess.Popen[bytes]:
        """Start a playbook; what it prints is in <folder>/<out or playbook>.out."""
        environment = os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "LAB_RESULTS": str(self.results),
        }
        command = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", str(self.inventory), f"playbooks/{playbook}.yml", *options]
        variables = VARIABLES | self.variables
        command += ["-e", json.dumps(variables)] if variables else []
        with (self.folder / f"{out or playbook}.out").open("w") as output:
            # A file, not a pipe: persistent connections outlive the playbook and would keep a pipe open.
            return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)

    @property
    def lock(self) -> Path:
        return Path(f"/run/lock/leafspine-{self.name}")

    def wait_unlocked(self) -> None:
        """Until the run's lock is free: its holder ends with the playbook, a moment later."""
        deadline = time.monotonic() + 10
        while lab_lock.holder(str(self.lock)) is not None:
            assert time.monotonic() < deadline, self.lock.read_text()
            time.sleep(0.02)

    def vtysh(self, router: str, *commands: str) -> str:
        """What a router's FRR answers to commands, behind the back of its command line."""
        sockets = next(Path("/run/leafspine/labs", self.name).rglob(f"{router}/frr"))
        words = [word for command in commands for word in ("-c", command)]
        return subprocess.run(["vtysh", "--vty_socket", str(sockets), *words], capture_output=True, text=True, timeout=30, check=True).stdout

    def router_cli(self, router: str, *lines: str) -> str:
        """Lines given to a router's command line over SSH, as a person types them."""
        command = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", str(self.inventory), "--host", router]
        intent = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        askpass = self.folder / "askpass"
        askpass.write_text(f"#!/bin/sh\ncat {self.directory / 'secrets' / 'router_password'}\n")
        askpass.chmod(0o700)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "PubkeyAuthentication=no"]
        ssh = ["ssh", "-tt", *(word for option in options for word in ("-o", option)), f"vyos@{intent['ansible_host']}"]
        environment = os.environ | {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ""}
        given = "".join(f"{line}\n" for line in [*lines, "exit"])
        return subprocess.run(ssh, input=given, capture_output=True, text=True, env=environment, timeout=60, check=False).stdout

    def configure(self, router: str, *lines: str) -> None:
        """Commit lines on a router; AssertionError when it refuses them."""
        said = self.router_cli(router, "configure", *lines, "commit", "exit")
        assert "failed" not in said.lower(), said

    def tool(self, *command: str, timeout: int = 60) -> subprocess.CompletedProcess[str]:
        """A command of the lab's own: kubectl, calicoctl, kind, containerlab."""
        environment = os.environ | {"PATH": f"{ENGINE}:{os.environ['PATH']}", "KUBECONFIG": str(self.directory / "kubeconfig"), "DATASTORE_TYPE": "kubernetes"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout, check=False)


def parse_report(text: str) -> dict[str, Any]:
    """The JSON document within what ansible-playbook printed (warnings come before it); {} when there is none."""
    start = text.find("\n{\n") + 1 if "\n{\n" in text else text.find("{\n")
    try:
        document, _end = json.JSONDecoder().raw_decode(text[max(start, 0) :])
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def namespace_of(address: str) -> str:
    """Name of the network namespace that has an address. Raises LookupError when none has it."""
    for path in Path("/run/netns").iterdir():
        done = subprocess.run(["ip", "-n", path.name, "-j", "address", "show"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and any(info.get("local") == address for link in json.loads(done.stdout or "[]") for info in link.get("addr_info", [])):
            return path.name
    raise LookupError(f"no network namespace has {address}")
