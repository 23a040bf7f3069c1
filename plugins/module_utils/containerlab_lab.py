"""What the module containerlab does: look, decide (in containerlab.py), deploy or destroy, and clear up what containerlab leaves behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.containerlab import (
    container_name,
    containers_of,
    error_of,
    hint_for,
    leftover_rules,
    own_work,
    parse_json,
    work_of,
)
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_atomic
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Result, Tool

SECRET = re.compile(r"(password|secret|key)(\s+)\S+")
SHORT_CALL = 30.0


class Lab:
    """One lab on this host: its files and the containerlab commands on them. ``params``: the options of the module containerlab."""

    def __init__(self, params: Mapping[str, Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.name: str = params["name"]
        self.directory: str = params["directory"]
        self.topology_file = os.path.join(self.directory, "clab.yml")
        self.applied_file = os.path.join(self.directory, "clab.applied.sha256")
        self.wanted: str = params["topology"] or ""
        self.digest = hashlib.sha256(self.wanted.encode()).hexdigest()
        self.tool = Tool([params["executable"]], timeout=params["timeout"])

    # Commands

    def must(self, *words: str) -> str:
        """Run containerlab and return its standard output (JSON; the log is on standard error). A failure says what to do."""
        done = self.tool.run(*words)
        if done.rc == 0:
            return done.stdout
        hint = hint_for(done.stderr)
        said = error_of(done.stderr) if done.rc is not None else f"did not end within {self.tool.timeout} s: {error_of(done.stderr)}"
        raise Failure(f"containerlab {words[0]}: {said}", reason="containerlab_failed", hint=hint, **done.as_details())

    def on_node(self, node: str, *words: str) -> Result:
        """Run a command in a container."""
        return Tool([word.replace("{node}", node) for word in self.params["node_exec"]], timeout=SHORT_CALL).run(*words)

    def containers(self) -> dict[str, dict[str, Any]]:
        return containers_of(parse_json(self.must("inspect", "--all", "--format", "json")), self.name)

    # Files

    def boot_file(self, router: str) -> str:
        return os.path.join(self.directory, "routers", router, "config.boot")

    def stale_boot_configs(self) -> dict[str, str]:
        """Routers whose boot configuration has to be written: there is none, or the given text is not the one last written."""
        stale = {}
        for router, text in self.params["boot_configs"].items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if read_text(self.boot_file(router)) is None or read_text(self.boot_file(router) + ".sha256") != digest:
                stale[router] = text
        return stale

    def write_boot_configs(self, stale: dict[str, str]) -> None:
        for router, text in stale.items():
            write_atomic(self.boot_file(router), text)
            write_atomic(self.boot_file(router) + ".sha256", hashlib.sha256(text.encode()).hexdigest())

    def gone_boot_configs(self) -> list[str]:
        """Folders of boot configurations, which hold password hashes, of routers that are no more."""
        folder = os.path.join(self.directory, "routers")
        there = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [os.path.join(folder, router) for router in there if router not in self.params["boot_configs"]]

    # Looking

    def plan(self, listed: dict[str, dict[str, Any]] | None = None) -> dict[str, list[Any]]:
        """What has to be done for the wanted topology; containerlab's own plan is asked for with a copy of the file in check mode."""
        if not self.params["reconcile"]:
            listed = self.containers() if listed is None else listed
            running = {name for name, entry in listed.items() if entry.get("state") == "running"}
            return own_work(
                self.name,
                self.params["nodes"],
                listed,
                topology_changed=read_text(self.applied_file) != self.digest,
                orphaned=[node for node, other in self.params["shared"].items() if self.is_running(node, running) and not self.shares(node, other)],
                unlinked=[node for node in self.params["interfaces"] if self.is_running(node, running) and self.lacks_links(node)],
            )
        if read_text(self.topology_file) == self.wanted or not self.check_mode:
            return work_of(parse_json(self.must("deploy", "--topo", self.topology_file, "--dry-run", "--format", "json")))
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "clab.yml")
            write_atomic(copy, self.wanted)
            return work_of(parse_json(self.must("deploy", "--topo", copy, "--dry-run", "--format", "json")))

    def is_running(self, node: str, running: set[str]) -> bool:
        return container_name(self.name, node) in running

    def shares(self, node: str, other: str) -> bool:
        """Whether a node is still in the network namespace of the container it was put into; a restarted container has a new one."""
        spaces = [self.on_node(name, "readlink", "/proc/self/ns/net") for name in (container_name(self.name, node), other)]
        return all(done.rc == 0 for done in spaces) and spaces[0].stdout == spaces[1].stdout

    def lacks_links(self, node: str) -> bool:
        done = self.on_node(container_name(self.name, node), "ls", "/sys/class/net")
        return done.rc != 0 or bool(set(self.params["interfaces"][node]) - set(done.stdout.split()))

    def missing_bridges(self) -> list[str]:
        return [bridge for bridge in self.params["bridges"] if not os.path.isdir(f"/sys/class/net/{bridge}/bridge")]

    def missing_nodes(self) -> list[str]:
        return [node for node in self.params["external_nodes"] if self.params["node_exec"] and self.on_node(node, "true").rc != 0]

    def require(self) -> None:
        """What a deploy needs and does not make. Raises: Failure that names all of it."""
        missing = self.missing_bridges()
        if missing:
            raise Failure(
                f"lab {self.name}: there is no bridge {', '.join(missing)}", reason="bridge_missing", hint="Build the bridges first: --tags linux_bridges."
            )
        absent_nodes = self.missing_nodes()
        if absent_nodes:
            raise Failure(
                f"lab {self.name}: {', '.join(absent_nodes)} not running, and containerlab would wait for it without end",
                reason="node_missing",
                hint="Build the cluster first, or start its nodes: --tags kind_cluster.",
            )

    # Changing

    def start_stopped(self, listed: dict[str, dict[str, Any]]) -> list[str]:
        """Start stopped containers of the lab, where there is a command for it: containerlab refuses to touch a lab that has one."""
        stopped = sorted(name for name, entry in listed.items() if entry.get("state") != "running")
        if not stopped or not self.params["start_command"]:
            return []
        for name in [] if self.check_mode else stopped:
            done = Tool([word.replace("{node}", name) for word in self.params["start_command"]], timeout=self.tool.timeout).run()
            if done.rc != 0:
                raise Failure(f"{name} is stopped and cannot be started: {done.text}", reason="not_started", hint="See its logs.", **done.as_details())
        return stopped

    def do(self, work: dict[str, list[Any]]) -> None:
        if "deployed-lab" in work:
            self.remove_leftovers()
        if "restarted-nodes" in work and not self.params["reconcile"]:
            self.tool.run("restart", "--topo", self.topology_file, *(word for node in work["restarted-nodes"] for word in ("--node", node)))
            if self.plan():
                work = {"redeployed-lab": [self.name]}
            else:
                return
        anew = ["--reconfigure"] if "redeployed-lab" in work else []
        self.must("deploy", "--topo", self.topology_file, *anew, "--format", "json")

    def leftovers(self) -> list[str]:
        """Host ends of links that a destroyed lab has left on its bridges."""
        found = []
        for link in self.params["host_interfaces"]:
            master = f"/sys/class/net/{link}/master"
            # Only on our bridges, and nothing that is hardware: a virtual pair has no device behind it.
            if (
                os.path.islink(master)
                and os.path.basename(os.readlink(master)) in self.params["bridges"]
                and not os.path.exists(f"/sys/class/net/{link}/device")
            ):
                found.append(link)
        return found

    def remove_leftovers(self) -> list[str]:
        found = self.leftovers()
        for link in found:
            self.host_command("ip", "link", "delete", link)
        return found

    def host_command(self, *words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failure(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}", reason="command_failed", hint="")
        return done.stdout

    def leftover_rules(self) -> list[list[str]]:
        """Firewall rules that containerlab has left behind for the lab's bridges, as commands that remove them."""
        iptables = shutil.which("iptables")
        if iptables is None or not self.params["bridges"]:
            return []
        done = subprocess.run([iptables, "-w", "-S"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return [[iptables, "-w", *words] for words in leftover_rules(done.stdout.splitlines(), self.params["bridges"])] if done.returncode == 0 else []


def wait_ready(places: list[str], seconds: float) -> None:
    """Wait until every ``address:port`` accepts a connection, all at once. Raises: Failure with those that do not."""
    deadline = time.monotonic() + seconds
    missing = list(places)
    while True:
        still = []
        for place in missing:
            address, port = place.rsplit(":", 1)
            try:
                socket.create_connection((address, int(port)), timeout=1).close()
            except OSError:
                still.append(place)
        missing = still
        if not missing:
            return
        if time.monotonic() > deadline:
            raise Failure(f"no connection to {', '.join(missing)} within {seconds} s", reason="not_ready", hint="Look at the routers' logs.")
        time.sleep(0.1)


def present(lab: Lab) -> dict[str, Any]:
    """Deploy or repair. Returns the module's result. Raises: Failure."""
    stale = lab.stale_boot_configs()
    before = read_text(lab.topology_file) or ""
    shown = "".join(f"# {router}\n" + SECRET.sub(r"\1\2********", text) for router, text in stale.items())
    diff = [{"before": before, "after": lab.wanted, "before_header": lab.topology_file, "after_header": lab.topology_file}]
    if stale:
        diff.append({"before": "", "after": shown, "before_header": "boot configurations", "after_header": "boot configurations"})
    file_changed, gone = before != lab.wanted, lab.gone_boot_configs()
    if gone:
        listed = "".join(f"{path}\n" for path in gone)
        diff.append({"before": listed, "after": "", "before_header": "boot configurations", "after_header": "boot configurations"})
    if lab.tool.find() is None:
        if lab.check_mode:  # on an empty machine the tools come with the same run
            return {"changed": True, "plan": {"deployed-lab": [lab.name]}, "diff": diff}
        lab.tool.require()
    if lab.check_mode and (stale or not before):
        # The plan would fail on bind sources that do not exist yet; what it would say is known.
        work: dict[str, list[Any]] = {"recreated-nodes": sorted(stale)} if lab.containers() else {"deployed-lab": [lab.name]}
        return {"changed": True, "plan": work, "diff": diff}
    if lab.check_mode and (missing := lab.missing_bridges() or lab.missing_nodes()):
        # Those come earlier in the same run; containerlab would refuse to plan without them, or wait for them without end.
        work = {"added-links": missing} if lab.containers() else {"deployed-lab": [lab.name]}
        return {"changed": True, "plan": work, "diff": diff}
    if not lab.check_mode:
        lab.require()
        lab.write_boot_configs(stale)
        if file_changed:
            write_atomic(lab.topology_file, lab.wanted)
    started = lab.start_stopped(lab.containers()) if lab.params["start_command"] else []
    # Where a stopped router keeps containerlab from planning, what it needs besides is known only once it runs.
    work = lab.plan() if not (started and lab.check_mode) else {}
    if started:
        work = {"started-nodes": started, **work}
    result: dict[str, Any] = {"changed": bool(work or stale or gone or file_changed), "plan": work, "diff": [*diff, {"prepared": json.dumps(work, indent=1)}]}
    if lab.check_mode:
        return result
    if set(work) - {"started-nodes"} or (work and not started):
        lab.do(work)
    containers = lab.containers()
    stopped = sorted(name for name, entry in containers.items() if entry.get("state") != "running")
    if not containers or stopped:
        what = f"{', '.join(stopped)} not running" if stopped else "containerlab inspect lists no container"
        raise Failure(f"lab {lab.name}: {what} after deploy; see the routers' logs", reason="not_running", containers=containers)
    for folder in gone:
        shutil.rmtree(folder)
    if read_text(lab.applied_file) != lab.digest:
        write_atomic(lab.applied_file, lab.digest)
    wait_ready(lab.params["ready"], lab.params["ready_timeout"])
    return {**result, "containers": containers}


def absent(lab: Lab) -> dict[str, Any]:
    """Destroy, and remove what containerlab leaves behind. Returns the module's result. Raises: Failure."""
    folders = (os.path.join(lab.directory, name) for name in ("routers", f"clab-{lab.name}"))
    files = [path for path in (lab.topology_file, lab.applied_file, *folders) if os.path.exists(path)]
    found = lab.tool.find() is not None
    running = found and bool(lab.containers())
    if running and not os.path.exists(lab.topology_file):
        what = f"lab {lab.name} runs, but its topology file {lab.topology_file} is gone"
        raise Failure(what, reason="no_topology", hint="Build it again (--tags containerlab), then destroy it.")
    links, rules = lab.leftovers(), lab.leftover_rules()
    # Ends of links of a lab that runs go with it; they are looked for again afterwards.
    lines = [*files, *([f"lab {lab.name} running"] if running else []), *(links if not running else []), *(" ".join(rule) for rule in rules)]
    if not lab.check_mode:
        # Also when nothing runs: a deploy that was cut off may have left links and namespaces that inspect does not list.
        if found and os.path.exists(lab.topology_file):
            cleanup = ["--cleanup"] if running else []
            lab.must("destroy", "--topo", lab.topology_file, *cleanup)
        lab.remove_leftovers()
        for rule in lab.leftover_rules():
            lab.host_command(*rule)
        for path in files:
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
    return {"changed": bool(lines), "plan": {}, "diff": {"before": "".join(f"{line}\n" for line in lines), "after": ""}}
