"""Module lab_results and its action: the same files in two places, for their owner only, and never a change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import lab_results

ROOT = Path(__file__).parents[4]


def modes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def test_files_are_kept_and_replaced(run_module: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "results"
    for text in ("one", "two"):
        result = run_module(lab_results, directory=str(folder), files={"verify.json": text})
        assert result["changed"] is False
        assert result["paths"] == [str(folder / "verify.json")]
        assert (folder / "verify.json").read_text() == text
    assert modes(tmp_path) == {"lab": 0o700, "lab/results": 0o700, "lab/results/verify.json": 0o600}


def test_nothing_is_written_in_check_mode(run_module: Any, tmp_path: Path) -> None:
    assert run_module(lab_results, directory=str(tmp_path / "x"), files={"a": "b"}, check=True)["changed"] is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../secrets", "a/b", "..", ""])
def test_a_name_that_leads_elsewhere_is_refused(run_module: Any, tmp_path: Path, name: str) -> None:
    refused = run_module(lab_results, directory=str(tmp_path), files={name: "x"})
    assert "a file name without folders is needed" in refused["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_an_error(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert str(tmp_path / "file" / "x") in run_module(lab_results, directory=str(tmp_path / "file" / "x"), files={"a": "b"})["msg"]


def test_what_was_kept_is_read_by_patterns(run_module: Any, tmp_path: Path) -> None:
    run_module(lab_results, directory=str(tmp_path), files={"b-2.json": "[2]", "b-1.json": "[1]", "a.json": "{}", "c.xml": "<x/>"})
    assert run_module(lab_results, directory=str(tmp_path), read=["b-*.json"])["documents"] == [[1], [2]]
    assert run_module(lab_results, directory=str(tmp_path), read=["nothing*"])["documents"] == []
    assert run_module(lab_results, directory=str(tmp_path / "missing"), read=["*"])["documents"] == []
    assert "c.xml: Expecting value" in run_module(lab_results, directory=str(tmp_path), read=["*"])["msg"]


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - leafspine.calico.lab_results:
        directory: "{{ there }}"
        controller: "{{ here }}"
        files: {verify.json: "{{ {'a': [1, true]} | to_nice_json(indent=1) }}"}
      register: kept
    - ansible.builtin.assert: {that: kept is not changed}
"""


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_the_action_keeps_the_same_on_the_controller(tmp_path: Path, check: bool) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAYBOOK)
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(playbook), *(["--check"] if check else [])]
    command += ["-e", f"there={tmp_path}/there", "-e", f"here={tmp_path}/here", "-e", f"ansible_python_interpreter={sys.executable}"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = {} if check else {"verify.json": '{\n "a": [\n  1,\n  true\n ]\n}'}
    for folder in ("there", "here"):
        assert {path.name: path.read_text() for path in (tmp_path / folder).glob("*")} == wanted
        assert check or modes(tmp_path)[folder] == 0o700
