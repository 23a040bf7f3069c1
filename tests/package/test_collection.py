"""The tarball: small and clean, installed elsewhere it is found and reads its inventory, and everything in it documents itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml") if path.stem != "awx")
KINDS = {"module": "modules", "filter": "filter", "lookup": "lookup", "inventory": "inventory"}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([str(BIN / "ansible-galaxy"), "collection", "build", "--output-path", str(folder)], check=True, capture_output=True, cwd=ROOT)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def names(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        assert [member.name for member in archive if not member.isfile() and not member.isdir()] == []
        return {member.name for member in archive}


@pytest.fixture(scope="module")
def elsewhere(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home with the collection installed; what it depends on comes with the ansible package."""
    home = tmp_path_factory.mktemp("home")
    install = ["ansible-galaxy", "collection", "install", "--no-deps", "--offline", str(tarball)]
    assert run(home, *install).returncode == 0
    return home


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True, env=environment, cwd=home, check=False)


def installed(home: Path) -> Path:
    return home / ".ansible/collections/ansible_collections/leafspine/calico"


def test_it_is_small_and_has_nothing_of_development(tarball: Path, names: set[str]) -> None:
    assert tarball.stat().st_size < 1_200_000
    unwanted = ("tests/", "molecule/", "tools/", ".", "collections/ansible_collections", "requirements/dev", "build/")
    assert [name for name in names if name.startswith(unwanted) or "__pycache__" in name or name.endswith((".pyc", ".out"))] == []


def test_it_has_everything_that_is_committed_below_its_folders(names: set[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "plugins", "roles", "playbooks", "embedded", "inventories", "docs"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("no repository to compare with")
    assert sorted(set(listed.stdout.split()) - names) == []


def test_its_version_is_semantic_and_the_changelogs(names: set[str]) -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert [part.isdigit() for part in version.split(".")] == [True] * 3
    assert version in yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
    assert "CHANGELOG.md" in names


def test_elsewhere_its_inventory_is_read_without_any_configuration(elsewhere: Path) -> None:
    done = run(elsewhere, "ansible-inventory", "-i", str(installed(elsewhere) / "inventories/embedded"), "--host", "leaf0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["router"]["asn"] == 65005


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_elsewhere_its_playbooks_are_found(elsewhere: Path, playbook: str) -> None:
    done = run(elsewhere, "ansible-playbook", f"leafspine.calico.{playbook}", "-i", str(installed(elsewhere) / "inventories/embedded"), "--list-tasks")
    assert done.returncode == 0, done.stderr


def test_elsewhere_the_engine_is_the_checkouts(elsewhere: Path) -> None:
    """preflight installs it from the collection; both must hold the same."""
    done = run(elsewhere, "ansible", "localhost", "-m", "ansible.builtin.debug", "-a", "msg={{ lookup('leafspine.calico.engine_source', 'digest') }}")
    here = subprocess.run(
        [str(BIN / "ansible"), "localhost", "-m", "ansible.builtin.debug", "-a", "msg={{ lookup('leafspine.calico.engine_source', 'digest') }}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        check=True,
    )
    digests = [re.findall(r"\b[0-9a-f]{64}\b", outcome.stdout) for outcome in (done, here)]
    assert len(digests[0]) == 1
    assert digests[0] == digests[1]


def undocumented(name: str, document: dict[str, Any]) -> Iterator[str]:
    """What is missing in what ansible-doc tells of a plugin."""
    doc = document.get("doc") or {}
    if not doc.get("short_description") or not doc.get("description"):
        yield f"{name}: no description"
    for option, told in doc.get("options", {}).items():
        if not told.get("description"):
            yield f"{name}.{option}: no description"
    if name != "leafspine.calico.fabric" and not document.get("return"):
        yield f"{name}: no RETURN"
    if not document.get("examples"):
        yield f"{name}: no EXAMPLES"


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_documents_itself(elsewhere: Path, kind: str) -> None:
    listed = run(elsewhere, "ansible-doc", "-t", kind, "-l", "--json", "leafspine.calico")
    found = json.loads(listed.stdout)
    assert found, listed.stderr
    told = json.loads(run(elsewhere, "ansible-doc", "-t", kind, "--json", *found).stdout)
    assert [problem for name in found for problem in undocumented(name, told.get(name, {}))] == []
    if kind != "filter":
        files = {path.stem for path in (ROOT / "plugins" / KINDS[kind]).glob("*.py") if path.stem != "__init__"}
        assert {name.rpartition(".")[2] for name in found} == files


def test_what_lacks_documentation_is_found() -> None:
    document = {"doc": {"short_description": "x", "description": ["x"], "options": {"colour": {}}}, "return": {"a": {}}}
    assert list(undocumented("a.b.c", document)) == ["a.b.c.colour: no description", "a.b.c: no EXAMPLES"]


def test_every_role_documents_itself(elsewhere: Path) -> None:
    roles = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
    told = json.loads(run(elsewhere, "ansible-doc", "-t", "role", "--json", *(f"leafspine.calico.{role}" for role in roles)).stdout)
    assert {name.rpartition(".")[2] for name in told} == set(roles)
    missing = []
    for name, document in told.items():
        for entry, spec in document["entry_points"].items():
            if not spec.get("short_description"):
                missing.append(f"{name} {entry}")
            missing += [f"{name} {entry} {option}" for option, about in spec.get("options", {}).items() if not about.get("description")]
    assert missing == []
