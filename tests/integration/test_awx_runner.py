"""The job templates of playbooks/awx/objects.yml run by ansible-runner as AWX lays a project out.

A copy of the project with its symlinks, an executable inventory, an SSH agent with the machine credential's key, a vault password, and an
unprivileged user; the lab host is another machine over SSH, where the user becomes root. The tests run in the order of this file.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ROOT, Lab
from ansible_collections.leafspine.calico.tests.integration.helpers.remote_host import RemoteHost

pytestmark = [pytest.mark.root, pytest.mark.soak]
MANAGEMENT = "172.29.82.0/24"
USER = pwd.getpwnam("nobody")
ROUTER_PASSWORD, VAULT_PASSWORD = "given-by-the-vault", "opens-the-vault"
OBJECTS: dict[str, Any] = yaml.safe_load((ROOT / "playbooks" / "awx" / "objects.yml").read_text().replace("!unsafe ", ""))
TEMPLATES = {template["name"]: template for template in OBJECTS["awx_job_templates"]}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteHost]:
    """The lab host. Packages and Python environment are this machine's; the checkout it does not see."""
    here = Lab("tw-engine", tmp_path_factory.mktemp("tw-engine"), octet=182, management=MANAGEMENT, bridge_prefix="tw-")
    assert here.play("site", "--tags", "preflight", timeout=900).rc == 0
    assert here.play("destroy").rc == 0
    made = RemoteHost(tmp_path_factory.mktemp("tw-host"), name="tw-host", address="10.182.250.2", gateway="10.182.250.1", hidden=(ROOT,))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@dataclass
class Controller:
    """AWX's private data directory, owned by the unprivileged user."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def launch(self, template: str, answers: dict[str, Any] | None = None, job_type: str | None = None) -> Job:
        """A job template as AWX launches it: its playbook, its variables and the survey's answers."""
        made = TEMPLATES[template]
        variables = made.get("extra_vars", {}) | {q["variable"]: q["default"] for q in made.get("survey_spec", {}).get("spec", [])} | (answers or {})
        check = ["--check"] if (job_type or made.get("job_type", "run")) == "check" else []
        line = ["--vault-password-file", str(self.folder / "vault"), *check, *(["--diff"] if made.get("diff_mode") else [])]
        (self.folder / "env" / "extravars").write_text(json.dumps(variables))
        (self.folder / "env" / "cmdline").write_text(" ".join(line))
        for name in ("extravars", "cmdline"):
            os.chown(self.folder / "env" / name, USER.pw_uid, USER.pw_gid)
        ident = f"{template}-{len(list((self.folder / 'artifacts').glob('*')))}"
        command = [str(ROOT / ".venv/bin/ansible-runner"), "run", str(self.folder), "-p", made["playbook"], "--ident", ident, "-q"]
        drop = ["setpriv", f"--reuid={USER.pw_uid}", f"--regid={USER.pw_gid}", "--clear-groups", "--no-new-privs"]
        environment = {"HOME": str(self.folder / "home"), "PATH": f"{ROOT}/.venv/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        with (self.folder / "out").open("w+") as out:
            # A file, not a pipe: persistent connections outlive the playbook.
            done = subprocess.run([*drop, *command], env=environment, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT, timeout=900, check=False)
            out.seek(0)
            return Job(done.returncode, self.folder / "artifacts" / ident, out.read())


@dataclass(repr=False)
class Job:
    rc: int
    artifacts: Path
    text: str

    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(path.read_text()) for path in sorted((self.artifacts / "job_events").glob("*.json"), key=lambda path: int(path.name.partition("-")[0]))
        ]

    def stats(self) -> dict[str, dict[str, int]]:
        """The recap by column and host."""
        found = [event["event_data"] for event in self.events() if event["event"] == "playbook_on_stats"]
        return {key: found[-1][key] for key in ("changed", "failures", "dark", "ok")}

    def set_stats(self) -> dict[str, Any]:
        """What AWX hands on to the next job of a workflow."""
        return next((event["event_data"]["artifact_data"] for event in reversed(self.events()) if "artifact_data" in event.get("event_data", {})), {})

    def succeeded(self) -> Job:
        assert self.rc == 0, str(self)
        assert self.stats()["failures"] == self.stats()["dark"] == {}, str(self)
        return self

    def __str__(self) -> str:
        shown = (self.artifacts / "stdout").read_text() if (self.artifacts / "stdout").exists() else self.text
        return f"rc {self.rc}\n{shown[-6000:]}"

    __repr__ = __str__


@pytest.fixture(scope="module")
def awx(host: RemoteHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    # Not below pytest's folders: every session of pytest closes those to other users again.
    with tempfile.TemporaryDirectory(prefix="tw-awx-", dir="/var/tmp") as folder:
        yield laid_out(Controller(Path(folder)), host, tmp_path_factory.mktemp("tw-lab"))


def laid_out(made: Controller, host: RemoteHost, folder: Path) -> Controller:
    """Project, inventory, key, vault password and settings, where ansible-runner looks for them."""
    # The project as it is committed or about to be, symlinks kept, as AWX copies it.
    names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (made.project / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink() or (ROOT / name).exists():
            shutil.copy2(ROOT / name, made.project / name, follow_symlinks=False)
    for name in ("inventory", "env", "home", "artifacts"):
        (made.folder / name).mkdir()
    (made.folder / "vault").write_text(VAULT_PASSWORD)
    (made.folder / "env" / "ssh_key").write_text(host.key.read_text())
    # AWX puts its own folder before the project's collections path and asks for inventories that can be read.
    paths = f"{made.folder}/requirements_collections:collections:~/.ansible/collections:/usr/share/ansible/collections"
    environment = {"ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True", "ANSIBLE_FORCE_COLOR": "False"}
    (made.folder / "env" / "envvars").write_text(json.dumps(environment))
    (made.folder / "env" / "settings").write_text(json.dumps({"idle_timeout": 600, "job_timeout": 900}))
    write_inventory(made, host, folder)
    for path in (made.folder, *made.folder.rglob("*")):
        os.chown(path, USER.pw_uid, USER.pw_gid, follow_symlinks=False)
    return made


def write_inventory(awx: Controller, host: RemoteHost, folder: Path) -> None:
    """What AWX imported from the source, as the program that AWX writes; the lab host's variables beside it, a secret in the vault's form."""
    source = Lab("tw-awx", folder, octet=182, management=MANAGEMENT, bridge_prefix="tw-")
    command = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", str(source.inventory / "fabric.yml"), "--list", "--export"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    # The key is the credential's, which the agent has.
    known = {key: value for key, value in host.variables().items() if key != "ansible_ssh_private_key_file"}
    secret = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))]).encrypt(ROUTER_PASSWORD).decode()
    found["_meta"].setdefault("hostvars", {}).setdefault("labhost", {}).update(known | {"ansible_ssh_common_args": "-o UserKnownHostsFile=~/known_hosts"})
    found["all"].setdefault("vars", {})["preflight_secrets_given"] = {"router_password": {"__ansible_vault": secret}}
    script = awx.folder / "inventory" / "hosts"
    script.write_text(f"#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(found)!r})\n")
    script.chmod(0o700)


def test_the_lab_is_built_by_an_unprivileged_user(awx: Controller, host: RemoteHost) -> None:
    job = awx.launch("lab_site").succeeded()
    assert set(job.stats()["changed"]) == {"labhost", "leaf0", "leaf1", "spine0", "spine1"}
    assert "clab-tw-awx-leaf0" in host.run("ip", "netns")
    assert not Path("/run/netns/clab-tw-awx-leaf0").exists()


def test_the_password_of_the_vault_is_the_routers_and_is_nowhere_else(awx: Controller, host: RemoteHost) -> None:
    # It is what the controller logs in with: nothing was generated in its place, and a push has just been through.
    assert awx.launch("fabric_push", job_type="run").succeeded().stats()["changed"] == {}
    written = [path for path in (awx.folder / "artifacts").rglob("*") if path.is_file() and ROUTER_PASSWORD in path.read_text(errors="replace")]
    assert written == []
    assert not host.exists("/var/lib/leafspine/tw-awx/secrets/router_password")


def test_verify_hands_its_summary_on(awx: Controller) -> None:
    job = awx.launch("lab_verify").succeeded()
    assert job.set_stats()["lab_verify"]["failed"] == 0
    assert job.set_stats()["lab_verify"]["checks"] > 300


def test_a_push_looks_ahead_and_a_rack_that_is_none_is_refused(awx: Controller) -> None:
    ahead = awx.launch("fabric_push", {"push_rack": "rack0"}).succeeded()
    assert ahead.stats()["changed"] == {}
    assert set(ahead.stats()["ok"]) == {"labhost", "leaf0"}
    refused = awx.launch("fabric_push", {"push_rack": "rack7"})
    assert refused.rc != 0
    assert "push_rack: rack7 is no rack; allowed: rack0, rack1, or empty for all routers" in str(refused)


def test_a_drill_runs(awx: Controller) -> None:
    awx.launch("lab_drill", {"drill_name": "services"}).succeeded()


def test_the_report_comes_back_to_the_controller(awx: Controller) -> None:
    awx.launch("lab_report").succeeded()
    (page,) = awx.folder.rglob("results/**/report.html")
    assert "tw-awx" in page.read_text()


def test_destroy_leaves_the_lab_host_without_a_lab(awx: Controller, host: RemoteHost) -> None:
    awx.launch("lab_destroy").succeeded()
    assert "tw-" not in host.run("ip", "netns") + host.run("ip", "-o", "link")
    # The controller's own folder bears the name too.
    assert [place for place in snapshot.take() if re.search(r"clab-tw-awx|leafspine/tw-awx|\btw-leaf", place)] == []
